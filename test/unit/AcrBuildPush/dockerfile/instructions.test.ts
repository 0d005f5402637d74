// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
import assert from 'node:assert/strict';
import { parseDockerfile } from '../../../../tasks/AcrBuildPush/dockerfile/instructions';
import { divideIntoStages, targetStage } from '../../../../tasks/AcrBuildPush/dockerfile/stages';
import { expand } from '../../../../tasks/AcrBuildPush/dockerfile/words';

const VARIABLES: Record<string, string> = { SET: 'set', EMPTY: '', NEST: '$SET', WORDS: 'one two' };
const lookup = (name: string) => VARIABLES[name];

describe('The words of a Dockerfile', () => {
  for (const [source, text, escapeChar = '\\'] of [
    ['$SET', 'set'],
    ['${SET}x', 'setx'],
    ['$SETx', ''],
    ['$UNSET.', '.'],
    ['$', '$'],
    ['a$', 'a$'],
    ['$NEST', '$SET'],
    ['${UNSET:-d}', 'd'],
    ['${EMPTY:-d}', 'd'],
    ['${EMPTY-d}', ''],
    ['${UNSET-d}', 'd'],
    ['${SET:-d}', 'set'],
    ['${SET:+a}', 'a'],
    ['${EMPTY:+a}', ''],
    ['${EMPTY+a}', 'a'],
    ['${UNSET+a}', ''],
    ['${UNSET:-${SET}-x}', 'set-x'],
    ['${UNSET:-"q u"}', 'q u'],
    ['${SET:?no}', 'set'],
    ['\\$SET', '$SET'],
    ["'$SET'", '$SET'],
    ['"$SET"', 'set'],
    ['"\\$SET"', '$SET'],
    ['"a\\b"', 'a\\b'],
    ['"a\\\\b"', 'a\\b'],
    ['a\\b', 'ab'],
    ['"a\\"b"', 'a"b'],
    ['a\\ b', 'a b'],
    ['`$SET', '$SET', '`'],
    ['c:\\x', 'c:\\x', '`'],
    ['$1x', 'x'],
  ] as const) {
    it(`expand ${source} to ${text || 'nothing'}`, () => {
      assert.equal(expand(source, lookup, escapeChar).text, text);
    });
  }

  for (const source of [
    '${SET',
    '${}',
    '${:-x}',
    "'a",
    '"a',
    '${UNSET:?why}',
    '${EMPTY:?}',
    '${SET#s}',
    '${SET/a/b}',
  ]) {
    it(`can't be ${source}`, () => {
      assert.throws(() => expand(source, lookup, '\\'));
    });
  }

  it('are split at white space that is not quoted', () => {
    assert.deepEqual(expand('$WORDS "three four" fi\\ ve', lookup, '\\').words, [
      'one',
      'two',
      'three four',
      'fi ve',
    ]);
  });

  it('keep their quotes in a document', () => {
    assert.equal(expand('say "$SET" \'$SET\'', lookup, '\\', true).text, 'say "set" \'set\'');
  });
});

describe('A Dockerfile', () => {
  const parse = (...lines: string[]) => parseDockerfile(lines.join('\n')).instructions;

  it('tells the line of each instruction, over continued lines, comments and documents', () => {
    const instructions = parse(
      '# comment',
      'FROM scratch',
      '',
      'ENV A=1 \\',
      '# within',
      '  B=2',
      'COPY <<one <<-"two" /x/',
      'first $A',
      'one',
      '\tsecond $A',
      '\ttwo',
      'CMD ["x"]',
    );
    assert.deepEqual(
      instructions.map(({ keyword, line }) => [keyword, line]),
      [
        ['FROM', 2],
        ['ENV', 4],
        ['COPY', 7],
        ['CMD', 12],
      ],
    );
    const copy = instructions[2]!;
    assert.ok(copy.keyword === 'COPY');
    assert.deepEqual(copy.sources, []);
    assert.deepEqual(
      copy.documents.map(({ name, text, expand }) => [name, text, expand]),
      [
        ['one', 'first $A\n', true],
        ['two', 'second $A\n', false],
      ],
    );
  });

  it('takes options from the front of an instruction only', () => {
    const [copy] = parse('COPY --chown=1:2 --from="a" x --chmod=3 /y');
    assert.ok(copy?.keyword === 'COPY');
    assert.deepEqual(
      [...copy.flags],
      [
        ['chown', '1:2'],
        ['from', 'a'],
      ],
    );
    assert.deepEqual(copy.sources, ['x', '--chmod=3']);
  });

  it('has the shell form and the exec form of a command', () => {
    const commands = parse('CMD ["a", "b c"]', "CMD ['a']", 'CMD a  "b"').map(
      (instruction) => instruction.keyword === 'CMD' && instruction.command,
    );
    assert.deepEqual(commands, [
      { form: 'exec', words: ['a', 'b c'] },
      { form: 'shell', text: "['a']" },
      { form: 'shell', text: 'a  "b"' },
    ]);
  });

  for (const [line, reason] of [
    ['RUN true', /runs a command/],
    ['ONBUILD RUN true', /another build/],
    ['COPY --parents a /b', /--parents/],
    ['ADD --checksum=sha256:0 a /b', /--checksum/],
  ] as const) {
    it(`needs an engine for ${line}`, () => {
      const [instruction] = parse(line);
      assert.ok(instruction?.keyword === 'ENGINE');
      assert.match(instruction.needs.reason, reason);
      assert.equal(instruction.needs.line, 1);
    });
  }

  for (const [text, problem] of [
    ['FROM', /line 1.*FROM needs an argument/],
    ['FROM a b', /line 1/],
    ['FROM scratch\nNONSENSE x', /line 2.*NONSENSE/],
    ['FROM scratch\nCOPY a', /line 2.*destination/],
    ['FROM scratch\nENV A=1 B', /line 2.*name=value/],
    ['FROM scratch\nCMD [1]', /line 2.*strings/],
    ['FROM scratch\nCOPY <<EOF /x\nnever', /line 2.*EOF/],
    ['# escape=x\nFROM scratch', /escape/],
  ] as const) {
    it(`is refused when it says ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseDockerfile(text), problem);
    });
  }

  it('has its stages by name, by number, and the last one by default', () => {
    const { stages } = divideIntoStages(parseDockerfile('ARG A\nFROM a AS One\nFROM b\nFROM c AS three'));
    assert.equal(targetStage(stages, 'ONE').from.image, 'a');
    assert.equal(targetStage(stages, '1').from.image, 'b');
    assert.equal(targetStage(stages, undefined).from.image, 'c');
    assert.throws(() => targetStage(stages, 'four'), /no stage 'four'.*one, three/);
  });
});
