// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
import type { Choices } from './random';

/** Something that BuildKit's packages are asked, by `test/buildkit/judge`. */
export type Question =
  | { readonly kind: 'dockerfile' | 'document' | 'image' | 'platform'; readonly text: string }
  | {
      readonly kind: 'word';
      readonly text: string;
      readonly escape: string;
      readonly env: Readonly<Record<string, string>>;
      /** Whether quotes mean nothing, as in here-documents. */
      readonly plain: boolean;
    }
  | { readonly kind: 'ignore' | 'glob'; readonly text: string; readonly paths: readonly string[] }
  | { readonly kind: 'chmod'; readonly text: string; readonly mode: number; readonly folder: boolean };

export type Kind = Question['kind'];

type Maker = (random: Choices) => Question;

/** Pieces put together by chance, without anything between them. */
function pieces(random: Choices, most: number, list: readonly string[]): string {
  return random.several(1, most, () => random.of(list)).join('');
}

const VARIABLES = {
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

function word(random: Choices, depth = 0): string {
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

const FILES = [
  ...[
    'a',
    'b',
    'ab',
    'abc',
    'a.py',
    'b.txt',
    '.env',
    'a b',
    'ä',
    '*',
    'a*',
    '[a]',
    '!a',
    '#a',
    'a\\b',
    '^',
    '-',
    'README.md',
  ],
  ...[
    'a/a',
    'a/b',
    'a/b/c',
    'a/b/c/d.py',
    'b/a',
    'b/.env',
    'ab/c',
    'a.py/b',
    'x/y/z',
    'x/y/a.py',
    'node_modules/a/b',
    'a+b',
    'a|b',
    '$a',
  ],
];

const GLOB_PIECES = [
  ...[
    'a',
    'b',
    'c',
    'ab',
    '*',
    '*',
    '?',
    '/',
    '.',
    '.py',
    '[a-c]',
    '[^a]',
    '[a',
    ']',
    '[]',
    '[!a]',
    '[^',
    '[-a]',
    '[a-]',
    '[b-a]',
  ],
  ...[
    '\\*',
    '\\',
    '\\\\',
    '\\a',
    '^',
    '-',
    '$',
    '+',
    '(',
    ')',
    '|',
    '{',
    '}',
    '{2}',
    ' ',
    'ä',
    'x',
    'y',
    '.env',
    '[\\]]',
    '[\\-a]',
  ],
];

const IGNORE_PIECES = [
  ...[
    ...GLOB_PIECES,
    '**',
    '**/',
    '/**',
    '**/*',
    '/',
    '/',
    './',
    '../',
    '//',
    '!',
    '#',
    'node_modules',
    '\t',
    '\\d',
    '\\Q',
  ],
];

const FLAGS = [
  ...[
    '--link',
    '--link=true',
    '--link=false',
    '--link=maybe',
    '--parents',
    '--from=a',
    '--from=0',
    '--chown=1:2',
    "--chown='a b'",
  ],
  ...[
    '--chown="a:b"',
    '--chmod=755',
    '--chmod=u+x',
    '--exclude=*.py',
    '--exclude=a',
    '--chown',
    '--from',
    '--from=',
    '--platform=linux/amd64',
  ],
  ...[
    '--platform=$P',
    '--',
    '--interval=3s',
    '--retries=2',
    '--timeout=1m',
    '--CHOWN=1',
    '--exclude',
    '-x',
    '--link=TRUE',
    '--parents=false',
  ],
];

const ARGUMENT_PIECES = [
  ...[
    'a',
    'b',
    '/x/',
    '.',
    'a=b',
    'a="b c"',
    "a='b c'",
    'a=b\\ c',
    'a=',
    '=b',
    'A',
    '$A',
    '${A:-b c}',
    '"',
    "'",
    '\\',
    '[',
    ']',
    '#',
  ],
  ...[
    '"a"',
    '["a", "b"]',
    '["a"]',
    '[ "a b" , "c" ]',
    '["a",]',
    '[]',
    '[1]',
    '["a" "b"]',
    'as',
    'AS',
    'b',
    'scratch',
    'a:1',
    'CMD',
    'NONE',
  ],
  ...[
    '80',
    '80/tcp',
    '80-82',
    'x y',
    'ü',
    '=',
    '<<EOF',
    '<<-EOF',
    '<<"E F"',
    "<<'EOF'",
    '3<<EOF',
    '<<EOF <<F',
    '<< EOF',
    '\\"',
    '"\\u00e9"',
  ],
];

const KEYWORDS = [
  ...[
    'FROM',
    'FROM',
    'COPY',
    'COPY',
    'COPY',
    'ADD',
    'ENV',
    'ENV',
    'ARG',
    'ARG',
    'LABEL',
    'LABEL',
    'CMD',
    'ENTRYPOINT',
    'RUN',
  ],
  ...[
    'USER',
    'WORKDIR',
    'VOLUME',
    'EXPOSE',
    'SHELL',
    'HEALTHCHECK',
    'STOPSIGNAL',
    'MAINTAINER',
    'copy',
    'Env',
    'cmd',
    'NOTHING',
  ],
];

const ENDS = [
  '\n',
  '\n',
  '\n',
  '\n',
  '\n',
  '\r\n',
  ' \n',
  '\\\n',
  ' \\\n',
  '\\ \n',
  '`\n',
  '\\\r\n',
  '\\\n# within\n',
  '\\\n\n',
  '\\\\\n',
  '\t\n',
  '',
];

function dockerfile(random: Choices): string {
  const space = () => random.of([' ', ' ', ' ', '  ', '\t', ' \\\n ']);
  const line = () => {
    if (random.once(12))
      return random.of(['# a comment\n', '\n', '  \n', '#\n', ' # x\n', 'EOF\n', 'F\n', '\tEOF\n', 'E F\n']);
    const flags = random.once(3) ? random.several(1, 2, () => `${random.of(FLAGS)}${space()}`).join('') : '';
    const words = random.several(random.once(15) ? 0 : 1, 4, () =>
      pieces(random, random.once(4) ? 2 : 1, ARGUMENT_PIECES),
    );
    const indent = random.once(10) ? random.of([' ', '\t']) : '';
    const text = `${indent}${random.of(KEYWORDS)}${space()}${flags}${words.join(space())}${random.of(ENDS)}`;
    const names = [...text.matchAll(/<<-?\s*["']?(E F|EOF|F)/g)].map(([, name]) => name);
    const body = () => random.of(['text $A\n', '\tindented\n', '\n', '# x\n', 'RUN x \\\n', 'x\r\n']);
    return names.length === 0 || random.once(6)
      ? text
      : `${text.replace(/\n?$/, '\n')}${names.map((name) => `${random.several(0, 2, body).join('')}${name}\n`).join('')}`;
  };
  const directives = random.once(8)
    ? random.of([
        '# escape=`\n',
        '#escape=\\\n',
        '# syntax=x\n',
        '# escape=x\n',
        '# Escape = `\n# escape=`\n',
        '\n# escape=`\n',
        '# check=skip=all\n# escape=`\n',
      ])
    : '';
  const first = random.once(10) ? '' : random.of(['FROM a\n', 'FROM a AS b\n', 'ARG A=1\nFROM a\n']);
  const mark = random.once(30) ? '\uFEFF' : '';
  return `${mark}${directives}${first}${random.several(1, random.once(3) ? 4 : 1, line).join('')}`;
}

const CHMOD_PIECES = [
  ...[
    'u',
    'g',
    'o',
    'a',
    'ug',
    'go',
    '+',
    '-',
    '=',
    '+',
    '-',
    '=',
    'r',
    'w',
    'x',
    'X',
    's',
    't',
    'rwx',
    'rX',
    'u',
    'g',
    'o',
    ',',
  ],
  ...['7', '0', '644', '4755', '8', '1', ' ', 'y'],
];

const IMAGE_PIECES = [
  ...[
    'a',
    'b',
    'ubuntu',
    'library',
    '/',
    '/',
    ':',
    '@',
    '.',
    '-',
    '_',
    '__',
    '--',
    'A',
    '1',
    'latest',
    'docker.io',
    'index.docker.io',
  ],
  ...[
    'localhost',
    'localhost:5000',
    'r.example',
    'r.example:443',
    '[::1]:5000',
    '10.0.0.1',
    `sha256:${'0'.repeat(64)}`,
    `sha256:${'a'.repeat(63)}`,
  ],
  ...[
    `sha512:${'b'.repeat(128)}`,
    ' ',
    'ä',
    'a'.repeat(64),
    'registry-1.docker.io',
    `md5:${'0'.repeat(32)}`,
    '-a',
    'a-',
    ':1',
    '$',
  ],
];

const PLATFORM_PIECES = [
  ...[
    'linux',
    'windows',
    'darwin',
    'macos',
    'freebsd',
    '/',
    '/',
    '/',
    'amd64',
    'x86_64',
    'x86-64',
    'arm',
    'arm64',
    'aarch64',
    'armhf',
    'armel',
  ],
  ...[
    'v8',
    'v7',
    'v6',
    'v5',
    'v1',
    'v2',
    '8',
    '7',
    '6',
    'i386',
    '386',
    'i686',
    's390x',
    'ppc64le',
    'riscv64',
    'Linux',
    'AMD64',
    '',
    ' ',
    '(',
    'x',
  ],
];

/** Makers of questions by chance. */
export const MAKERS: Readonly<Record<Kind, Maker>> = {
  dockerfile: (random) => ({ kind: 'dockerfile', text: dockerfile(random) }),
  document: (random) => ({
    kind: 'document',
    text: `${random.of(['<<', '<<-', '<< ', '<<- ', '3<<', '<<<', ' <<', 'a<<', '<'])}${pieces(random, 3, ['EOF', 'E', 'F', '"', "'", '\\', '$A', '-', ' ', '<', '.', '/', 'ü', '${A}', '"a"', "'b'"])}`,
  }),
  word: (random) => ({
    ...{ kind: 'word', text: word(random), escape: random.once(6) ? '`' : '\\', env: VARIABLES },
    plain: random.once(8),
  }),
  ignore: (random) => ({
    kind: 'ignore',
    text: random
      .several(1, 4, () => `${random.once(4) ? '!' : ''}${pieces(random, 4, IGNORE_PIECES)}`)
      .join(random.once(8) ? '\r\n' : '\n'),
    paths: FILES,
  }),
  glob: (random) => ({ kind: 'glob', text: pieces(random, 4, GLOB_PIECES), paths: FILES }),
  chmod: (random) => ({
    ...{
      kind: 'chmod',
      text: pieces(random, 7, CHMOD_PIECES),
      mode: random.below(0o10000),
      folder: random.once(3),
    },
  }),
  image: (random) => ({ kind: 'image', text: pieces(random, 5, IMAGE_PIECES) }),
  platform: (random) => ({ kind: 'platform', text: pieces(random, 5, PLATFORM_PIECES) }),
};
