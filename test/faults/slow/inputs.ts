import { portion } from '../../support/seeded';
import { patternWords } from './words';

/** Characters of an input. */
const SIZE = 50_000;

/** What a pattern may try in ever so many ways before it finds that nothing fits. */
export const PIECES: readonly string[] = [
  ...[
    '<',
    '<!--',
    '<pre>',
    '<title>',
    '<style',
    '<script>',
    '<style></style',
    '<a ',
    '</',
    '<Blob>',
    '<Name>',
  ],
  ...[
    '<Code>',
    '&',
    '&#',
    '&#x41;',
    '&amp',
    '%',
    '%25',
    '%7',
    '"',
    "'",
    '\\',
    '\\"',
    '`',
    '```',
    '``',
    '_',
    '*',
  ],
  ...[
    '[',
    '[[',
    '[a',
    '[!',
    ']',
    '{',
    '{"a":',
    '{{',
    '{{ version',
    '[{',
    '(',
    '+(a|',
    '@(',
    '!(',
    '?',
    '*a',
    '**/',
  ],
  ...[
    '**/*',
    '**',
    '!',
    '!!',
    '/',
    '../',
    './',
    'a/',
    '//',
    '\\a',
    ' ',
    '  \t',
    ' a',
    'a ',
    '\t',
    '\n',
    '\n ',
    ' \n',
  ],
  ...[
    '\r',
    '\r\n',
    '\u00a0',
    '\u2028',
    '.',
    '..',
    '. ',
    '-',
    '--',
    '-a',
    '0',
    '1.',
    '1-',
    '1.1-',
    'v1+',
    '9',
    'e',
    '1e',
  ],
  ...[
    '$',
    '${',
    '${A:-',
    '${A:-b}',
    '$A',
    '${A%*',
    '${A/a/',
    '<<A\n',
    '<<-"A',
    'RUN <<A <<A\n',
    'ARG a\n',
    'FROM a\n',
  ],
  ...[
    'a=',
    'a="',
    'a=b ',
    '=',
    '==',
    'a=1\n',
    ',',
    ', ',
    'a,',
    ':',
    ': ',
    'a:',
    '@',
    '@sha256:',
    '#',
    '# ',
    '#\n',
  ],
  ...[
    '##vso[',
    '##[',
    '##',
    '\u001b[',
    '\u001b]',
    '\u001b',
    '\u202e',
    '\ud800',
    '\ud83d\ude00',
    'é',
    '\0',
    '|',
    '| ',
  ],
  ...[
    'Bearer realm="',
    'Bearer ',
    'Basic a=b, ',
    'Bearer a',
    'p',
    'dose',
    'dose~',
    'A_B: ',
    'A',
    'a',
    '\\\n',
    '\\\r\n',
  ],
];

/** Pieces of a quick run. */
const PART = 8;

/** 50 KB of each piece, and what disappoints who got that far. */
export function* nastyInputs(): Generator<readonly [name: string, text: string]> {
  for (const piece of portion(PIECES, PART)) {
    const text = piece.repeat(SIZE / piece.length);
    for (const end of ['', 'b', '\n!'])
      yield [`${JSON.stringify(piece)} again and again${end && `, then ${JSON.stringify(end)}`}`, text + end];
    yield [`x, then ${JSON.stringify(piece)} again and again`, `x${text}\u0001`];
  }
  for (const word of portion(patternWords(), PART)) {
    yield [`${JSON.stringify(word)} again and again`, word.repeat(SIZE / word.length)];
  }
  yield ['400,000 angles', '<'.repeat(400_000)];
}
