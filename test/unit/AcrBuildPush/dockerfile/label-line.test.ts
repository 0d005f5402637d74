import assert from 'node:assert/strict';
import { withLabelLine } from '../../../../tasks/AcrBuildPush/dockerfile/label-line';

describe('labels in a Dockerfile', () => {
  const labels = { 'a.b': 'x y', c: 'say "$HOME" \\ `now`' };

  it('are one line at the end', () => {
    assert.equal(
      withLabelLine('FROM scratch\nCOPY a /', labels, undefined),
      'FROM scratch\nCOPY a /\nLABEL "a.b"="x y" "c"="say \\"\\$HOME\\" \\\\ `now`"\n',
    );
  });

  it('are quoted with the escape character of the file', () => {
    const recipe = '# escape=`\nFROM scratch';
    assert.equal(
      withLabelLine(recipe, labels, undefined),
      `${recipe}\nLABEL "a.b"="x y" "c"="say \`"\`$HOME\`" \\ \`\`now\`\`"\n`,
    );
  });

  const stages = 'FROM a AS One\nRUN one\nFROM b AS two\nRUN two';
  for (const [target, expected] of [
    ['one', 'FROM a AS One\nRUN one\nLABEL "c"="d"\n'],
    ['two', `${stages}\nLABEL "c"="d"\n`],
    ['nope', undefined],
  ] as const) {
    it(`belong to the stage that is built: ${target}`, () => {
      assert.equal(withLabelLine(stages, { c: 'd' }, target), expected);
    });
  }

  it('are not added after a line that goes on', () => {
    assert.equal(withLabelLine('FROM a\nRUN b \\\n# end\n', labels, undefined), undefined);
    assert.equal(withLabelLine('', labels, undefined), undefined);
  });
});
