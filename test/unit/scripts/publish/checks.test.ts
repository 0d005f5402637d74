import assert from 'node:assert/strict';
import { type Candidate, objections } from '../../../../scripts/publish/checks';

const candidate: Candidate = {
  version: '1.1.0',
  dev: false,
  changedFiles: [],
  commit: 'a'.repeat(40),
  testedCommit: 'a'.repeat(40),
  changelog: '## 1.1.0\n\nMore.\n',
  digests: { AcrBuildPush: 'x' },
  released: { '1.1.0': { AcrBuildPush: 'x' } },
  published: ['1.0.0', '1.0.9'],
};

describe('the checks before publishing', () => {
  it('have nothing against a release that was tested, recorded and described', () =>
    assert.deepEqual(objections(candidate), []));

  const mistakes: [what: string, plant: Partial<Candidate>, objection: RegExp, devToo: boolean][] = [
    ['a changed file', { changedFiles: [' M README.md'] }, /README\.md/, true],
    ['no tests', { testedCommit: undefined }, /not passed at this commit/, true],
    ['tests of another commit', { testedCommit: 'b'.repeat(40) }, /not passed at this commit/, true],
    ['the same version again', { published: ['1.1.0'] }, /not above/, true],
    ['a lower version', { published: ['1.0.0', '1.10.0'] }, /not above.*1\.10\.0/, true],
    ['no entry in the changelog', { changelog: '# Changelog\n' }, /no entry for 1\.1\.0/, false],
    ['a version that is not recorded', { released: {} }, /npm run release/, false],
    ['tasks that are not the recorded ones', { digests: { AcrBuildPush: 'y' } }, /AcrBuildPush/, false],
  ];
  for (const [what, plant, objection, devToo] of mistakes) {
    it(`object to ${what}${devToo ? '' : ', but for development'}`, () => {
      assert.match(objections({ ...candidate, ...plant }).join('\n'), objection);
      const ofDev = objections({ ...candidate, ...plant, dev: true }).join('\n');
      if (devToo) assert.match(ofDev, objection);
      else assert.equal(ofDev, '');
    });
  }
});
