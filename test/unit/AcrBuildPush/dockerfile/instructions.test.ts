// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of Dockerfiles.
import assert from 'node:assert/strict';
import { parseDockerfile } from '../../../../tasks/AcrBuildPush/dockerfile/instructions';
import {
  checkDockerfile,
  divideIntoStages,
  targetStage,
} from '../../../../tasks/AcrBuildPush/dockerfile/stages';
import { expand } from '../../../../tasks/AcrBuildPush/dockerfile/words';

const VARIABLES: Record<string, string> = {
  SET: 'set',
  EMPTY: '',
  NEST: '$SET',
  WORDS: 'one two',
  PATH: '/usr/lib/x.so.1',
  END: '.1',
  STARS: '**',
  LINES: 'a\nb',
};
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
    ['${SET//*/x}', 'x'],
    ["${SET//s/'$0$$-$x'}", 's$-et'],
    ["${SET//e/'$0$0'}", 'seet'],
    ['${SET/e/\\$0}', 's\\$0t'],
    ['${LINES#a*}', '\nb'],
    ['${LINES//?b/x}', 'a\nb'],
    ['${LINES//*/x}', 'x\nx'],
    ['${PATH#*/}', 'usr/lib/x.so.1'],
    ['${PATH##*/}', 'x.so.1'],
    ['${PATH%/*}', '/usr/lib'],
    ['${PATH%%/*}', ''],
    ['${PATH%.*}', '/usr/lib/x.so'],
    ['${PATH%%.*}', '/usr/lib/x'],
    ['${PATH#/usr}', '/lib/x.so.1'],
    ['${PATH#usr}', '/usr/lib/x.so.1'],
    ['${PATH%$END}', '/usr/lib/x.so'],
    ['${PATH%.?}', '/usr/lib/x.so'],
    ['${PATH#"/"}', 'usr/lib/x.so.1'],
    ['${PATH/lib/bin}', '/usr/bin/x.so.1'],
    ['${PATH/u*b/y}', '/y/x.so.1'],
    ['${PATH//./-}', '/usr/lib/x-so-1'],
    ['${PATH/\\//:}', ':usr/lib/x.so.1'],
    ['${PATH//\\//:}', ':usr:lib:x.so.1'],
    ['${PATH/nope/y}', '/usr/lib/x.so.1'],
    ['${PATH/lib/$SET}', '/usr/set/x.so.1'],
    ['${STARS#\\*}', '*'],
    ["${STARS##'*'}", ''],
    ['${STARS//\\?/q}', '**'],
    ['${UNSET#a}', ''],
    ['${UNSET/a/b}', ''],
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
    '${SET#a\\b}',
    '${SET/a}',
    '${SET:#a}',
    '${SET^}',
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

  it('are not nested without end', () => {
    const deep = '${A:-'.repeat(10_000) + '}'.repeat(10_000);
    assert.throws(() => expand(deep, lookup, '\\'), /nested more than \d+ deep/);
  });

  it('keep their quotes in a document', () => {
    assert.equal(
      expand('say "$SET" \'$SET\'', lookup, '\\', { plainQuotes: true }).text,
      'say "set" \'set\'',
    );
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

  it('finds documents wherever docker does, and nowhere else', () => {
    const names = (line: string, ...more: string[]) =>
      parseDockerfile([line, ...more, 'EOF', 'CMD x'].join('\n')).instructions.map(({ keyword }) => keyword);
    for (const line of [
      'RUN cat <<EOF',
      'RUN cat << EOF',
      'RUN cat <<-EOF > /x',
      "RUN cat 3<<'EOF'",
      'RUN cat <<E"O"F',
      'ONBUILD RUN <<EOF',
      'copy <<EOF /x',
      'COPY --chmod=644 a <<EOF /x/',
    ]) {
      const [first, ...rest] = names(line, 'FROM alpine');
      assert.match(first!, /RUN|ONBUILD|COPY/, line);
      assert.deepEqual(rest, ['CMD'], line);
    }
    for (const line of ['RUN echo "<<EOF"', 'RUN echo $((1<<2))', 'RUN ["sh", "<<EOF"]', 'ENV A=<<EOF']) {
      assert.deepEqual(names(line, 'FROM alpine').slice(1), ['FROM', 'MISTAKE', 'CMD'], line);
    }
  });

  it('has documents in words that are odd', () => {
    const documents = (...lines: string[]) => {
      const [copy] = parse(...lines, 'CMD x');
      assert.ok(copy?.keyword === 'COPY');
      return [copy.sources, copy.documents.map(({ name, text }) => [name, text])];
    };
    assert.deepEqual(documents('COPY <<${A} /x', 'a', '${A}'), [[], [['${A}', 'a\n']]]);
    assert.deepEqual(documents("COPY ' <<EOF /x"), [["'"], [['EOF', '']]]);
    assert.deepEqual(documents('COPY <<-EOF <<EOF /x', '\ta', 'EOF', '\tb', 'EOF'), [
      [],
      [
        ['EOF', 'b\n'],
        ['EOF', '\tb\n'],
      ],
    ]);
    assert.deepEqual(documents('COPY <<"E F" /x', 'E F'), [['<<"E', 'F"'], []]);
  });

  it('keeps the line ends of a document, of which Windows has others', () => {
    const [copy] = parse('COPY <<EOF /x\r', 'one\r', 'two', 'EOF\r', 'CMD x');
    assert.ok(copy?.keyword === 'COPY');
    assert.equal(copy.documents[0]!.text, 'one\r\ntwo\n');
  });

  it('has another escape character by a directive at its top only', () => {
    const parts = (text: string) => parseDockerfile(text).instructions.map((one) => one.text);
    assert.deepEqual(parts('# escape=`\nRUN a `\n b\nCOPY c C:\\\nCMD d'), [
      'RUN a  b',
      'COPY c C:\\',
      'CMD d',
    ]);
    for (const before of ['# a comment\n', 'FROM a\n', '\n', '# other=x\n']) {
      assert.equal(parseDockerfile(`${before}# escape=\`\nCMD a`).escapeChar, '\\', before);
    }
    assert.equal(parseDockerfile('# syntax=docker/dockerfile:1\n#  ESCAPE = ` \n').escapeChar, '`');
  });

  it('takes options from the front of an instruction only', () => {
    const [copy] = parse('COPY --chown=1:2 --from="a" x --chmod=3 /y');
    assert.ok(copy?.keyword === 'COPY');
    assert.deepEqual(copy.flags, [
      { name: 'chown', value: '1:2' },
      { name: 'from', value: 'a' },
    ]);
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

  it('has instructions that no builder may know, and what is wrong with those that nobody does', () => {
    const instructions = parse(
      'FROM scratch',
      'RUN --mount=type=cache,target=/c --network=none make',
      'ONBUILD RUN true',
      'NONSENSE x',
      'CMD ["x"]',
    );
    assert.deepEqual(
      instructions.map(({ keyword }) => keyword),
      ['FROM', 'RUN', 'ONBUILD', 'MISTAKE', 'CMD'],
    );
    assert.deepEqual(instructions[1]!.flags, [
      { name: 'mount', value: 'type=cache,target=/c' },
      { name: 'network', value: 'none' },
    ]);
  });

  for (const [text, problem] of [
    ['FROM', /line 1.*FROM needs an argument/],
    ['FROM a b', /line 1/],
    ['FROM scratch\nNONSENSE x', /line 2.*NONSENSE/],
    ['FROM scratch\nCOPY a', /line 2.*destination/],
    ['FROM scratch\nENV A=1 B', /line 2.*name=value/],
    ['FROM scratch\nVOLUME []', /line 2.*VOLUME needs an argument/],
    ['FROM scratch\nARG \\ ', /line 2.*ARG needs an argument/],
    ['FROM scratch\nCOPY --chown=1 --chown=1 a b', /line 2.*--chown stands there twice/],
    ['FROM scratch\nCOPY --from a b', /line 2.*--from has no value/],
    ['FROM scratch\nCOPY --link=maybe a b', /line 2.*--link can be true or false, and not 'maybe'/],
    ['FROM scratch\nCOPY --exclude a b', /line 2.*--exclude has no value/],
    ['FROM scratch\nCMD [1]', /line 2.*strings/],
    ['FROM scratch\nCOPY <<EOF /x\nnever', /line 2.*EOF/],
    ['# escape=`\nFROM scratch\nCOPY <<"E F"\\ \nx\nE F\n', /line 3.*'E F '/],
    ['FROM scratch\nCOPY a <<EOF\nEOF', /line 2.*document for its destination/],
    ['FROM scratch\nHEALTHCHECK NONE x', /line 2.*'NONE' alone/],
    ['# escape=x\nFROM scratch', /line 1.*escape/],
    ['# escape=`\n# escape=`\nFROM scratch', /line 2.*second directive/],
    ['CMD x\nFROM scratch', /line 1.*before the first FROM/],
  ] as const) {
    it(`is refused when it says ${JSON.stringify(text)}`, () => {
      assert.throws(() => checkDockerfile(parseDockerfile(text)), problem);
    });
  }

  it('is read with mistakes too, for what can be told of it', () => {
    const { stages } = divideIntoStages(parseDockerfile('NONSENSE\nFROM a\nMORE x\nFROM b AS last\nCMD [1]'));
    assert.deepEqual(
      stages.map(({ from }) => from.image),
      ['a', 'b'],
    );
  });

  it('has its stages by name, and the last one by default', () => {
    const { stages } = divideIntoStages(parseDockerfile('ARG A\nFROM a AS One\nFROM b\nFROM c AS three'));
    assert.equal(targetStage(stages, 'ONE').from.image, 'a');
    assert.equal(targetStage(stages, undefined).from.image, 'c');
    assert.throws(() => targetStage(stages, 'four'), /no stage 'four'.*one, three/);
    assert.throws(() => targetStage(stages, '1'), /no stage '1'/);
  });

  it('says how it is to be read before its first line, behind the name of a program too', () => {
    const directives = (...rows: string[]) =>
      parseDockerfile([...rows, 'FROM a'].join('\n')).directives.map(({ line, name }) => `${line} ${name}`);
    assert.deepEqual(directives('# syntax=a', '#  Check = error=true'), ['1 syntax', '2 check']);
    assert.deepEqual(directives('#!/usr/bin/env build', '# syntax=a'), ['2 syntax']);
    assert.deepEqual(directives('# a comment', '# syntax=a'), []);
    assert.equal(parseDockerfile('#!/bin/build\n# escape=`\nFROM a').escapeChar, '\\');
  });

  it('has no line that is longer than BuildKit reads', () => {
    const withLine = (bytes: number) => parseDockerfile(`FROM a\n${'LABEL a='.padEnd(bytes, 'ü')}\n`);
    assert.doesNotThrow(() => checkDockerfile(withLine(8 + (65_535 - 8) / 2)));
    assert.throws(() => checkDockerfile(withLine(8 + 65_536 / 2)), /line 2: it has more than 65535 bytes/);
  });
});
