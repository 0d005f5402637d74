// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
import type { Choices } from '../random';
import { pieces } from './pieces';

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

export function dockerfile(random: Choices): string {
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
