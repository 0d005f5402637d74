import assert from 'node:assert/strict';
import { bound, defuse, stripControls } from '../../../tasks/common/foreign-text';

/** The agent obeys the first `##vso[` in a line, wherever it stands, and warns of any other `##vso`. */
const agentReactsTo = (line: string) => /##vso|##\[/i.test(line);

describe('foreign text', () => {
  const hostile = [
    '##vso[task.setvariable variable=a]b',
    '#5 0.136 ##vso[task.complete result=Succeeded]',
    '##VSO[task.setsecret]x',
    '####vso[task.debug]x',
    '##vso##vso[task.debug]x',
    '##[error]not an error',
    '##[group]##[endgroup]',
    'a ##vso without a bracket',
  ];
  for (const text of hostile) {
    it(`leaves nothing that the agent reacts to in: ${text}`, () => {
      assert.ok(agentReactsTo(text));
      assert.ok(!agentReactsTo(defuse(text)), defuse(text));
    });
  }

  it('leaves other text as it is', () => {
    assert.equal(
      defuse('# a comment, ## a heading, #[attribute]'),
      '# a comment, ## a heading, #[attribute]',
    );
  });

  it('removes colors, links and cursor movements', () => {
    assert.equal(
      stripControls('\u001b[31mred\u001b[0m \u001b[2K\u001b]8;;http://x\u0007link\u001b]8;;\u0007'),
      'red link',
    );
  });

  it('takes a lone carriage return and both line endings for the end of a line', () => {
    assert.equal(stripControls('10%\r20%\r\n30%\n'), '10%\n20%\n30%\n');
  });

  it('keeps tabs and letters of any script', () => {
    assert.equal(stripControls('a\tß 模型 🦇'), 'a\tß 模型 🦇');
  });

  it('can show no name as another by turning the direction of writing', () => {
    assert.equal(stripControls('model\u202elkp.exe\u2066\u200f'), 'modellkp.exe');
  });

  it('cannot be made to hide a command behind control characters', () => {
    assert.ok(!agentReactsTo(defuse(stripControls('#\u0000#v\u0008so[task.complete]'))));
  });

  it('says how much it cut off', () => {
    assert.equal(bound('abcdef', 4), 'abcd… (2 more characters)');
    assert.equal(bound('abcd', 4), 'abcd');
  });

  it('is never cut within a character', () => {
    for (let end = 1; end < 6; end++) {
      const [kept = ''] = bound('a😀b😀c', end).split('…');
      assert.ok('a😀b😀c'.startsWith(kept), kept);
    }
  });
});
