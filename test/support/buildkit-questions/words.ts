// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
import type { Choices } from '../random';
import { pieces } from './pieces';

/** What words find in their environment. */
export const VARIABLES = {
  ...{
    A: 'a',
    B: 'two words',
    EMPTY: '',
    P: '/usr/lib/x.tar.gz:/bin',
    Q: 'a*b"c\'d\\e',
    Ü: 'ü',
    _1: '$A',
    S: ' x ',
    N: 'a\nb\nab',
  },
};

const WORD_PIECES = [
  ...[
    'a',
    'b',
    'x',
    '/',
    '.',
    '*',
    '?',
    '-',
    '+',
    '#',
    '%',
    ':',
    '=',
    '!',
    '@',
    ',',
    '~',
    '|',
    '1',
    '0',
    'é',
    '世',
    '😀',
  ],
  ...[
    ' ',
    '  ',
    '\t',
    '"',
    '"',
    "'",
    "'",
    '\\',
    '`',
    '\\\\',
    '\\"',
    "\\'",
    '\\$',
    '$',
    '$$',
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
  ],
  ...[
    '$A',
    '$B',
    '$EMPTY',
    '$NONE',
    '$P',
    '$1',
    '$@',
    '$?',
    '$Ü',
    '$_1',
    '${A}',
    '${B}',
    '${NONE}',
    '${S}',
    '${1}',
    '${}',
    '${:',
  ],
  ...['<<', '<<EOF', '${A', '${A:', '\u00a0', '\v'],
];

const MODIFIERS = [
  ':-',
  ':+',
  ':?',
  '-',
  '+',
  '?',
  '#',
  '##',
  '%',
  '%%',
  '/',
  '//',
  ':',
  '=',
  '^',
  ':=',
  ',,',
];
const PATTERN_PIECES = [
  '*',
  '?',
  'a',
  'x',
  '/',
  '.',
  '\\*',
  '\\?',
  '\\',
  '[a-z]',
  '[',
  '$A',
  "'*'",
  '"?"',
  'tar',
  '/lib',
  '\\/',
  '"',
  '}',
];

export function word(random: Choices, depth = 0): string {
  return random
    .several(1, 5, () => {
      if (depth > 2 || !random.once(3)) return random.of(WORD_PIECES);
      const name = random.of([...Object.keys(VARIABLES), 'NONE', '1', '']);
      const modifier = random.of(MODIFIERS);
      const inner = /[#%/]/.test(modifier) ? pieces(random, 3, PATTERN_PIECES) : word(random, depth + 1);
      const replacement = modifier.startsWith('/') && !random.once(6) ? `/${word(random, depth + 2)}` : '';
      return `\${${name}${modifier}${random.once(8) ? '' : inner}${replacement}}`;
    })
    .join('');
}
