import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nextBuildNumber, readState, revisionsOf } from '../../../../../local/agent/worker/job/state';

const NOW = new Date('2026-03-04T05:06:07.089Z');
const VARIABLES: Record<string, string> = {
  'Build.DefinitionName': 'train',
  'Build.SourceBranchName': 'main',
  'Build.BuildId': '77',
  'System.TeamProject': 'local',
  major: '7',
};
const next = (format: string, revisions: Record<string, number> = {}) =>
  nextBuildNumber({ revisions }, format, NOW, (name) => VARIABLES[name]);

describe('A build number', () => {
  const formats: [format: string, number: string][] = [
    ['', '20260304.1'],
    ['$(Date:yyyyMMdd)$(Rev:.r)', '20260304.1'],
    ['$(Rev:rrr)', '001'],
    ['$(Rev:-rr)x', '-01x'],
    ['$(major).$(rev:r)', '7.1'],
    ['$(TeamProject)_$(BuildDefinitionName)_$(SourceBranchName)_$(BuildID)', 'local_train_main_77'],
    ['$(Year:yy)-$(Month)-$(DayOfMonth)-$(DayOfYear)', '26-3-4-63'],
    ['$(Year:yyyy).$(Hours).$(Minutes).$(Seconds)', '2026.5.6.7'],
    ['$(Date:yyyy-MM-dd_HH-mm-ss)', '2026-03-04_05-06-07'],
    ['$(Date:d MMM yy, h tt)', '4 Mar 26, 5 AM'],
    ['$(Date:ddd MMMM fff)', 'Wed March 089'],
    ['$(nosuch)', '$(nosuch)'],
  ];
  for (const [format, number] of formats) {
    it(`in the format ${format || 'of the server'} is ${number}`, () => assert.equal(next(format), number));
  }

  it('counts its revision while the rest stays the same', () => {
    const revisions = {};
    assert.deepEqual(
      [next('a$(Rev:.r)', revisions), next('a$(Rev:.r)', revisions), next('b$(Rev:.r)', revisions)],
      ['a.1', 'a.2', 'b.1'],
    );
  });

  for (const format of ['a/b', 'a:b', 'what?', 'end.', 'x'.repeat(256)]) {
    it(`cannot be ${format.slice(0, 10)}`, () =>
      assert.throws(() => next(format), /Azure Pipelines does not take/));
  }

  it('is counted for each pipeline, and not from what an older agent has counted for all', () => {
    const home = mkdtempSync(join(tmpdir(), 'state-'));
    try {
      mkdirSync(join(home, '_diag'));
      const old = { lastBuildId: 3, folders: { 'a.yml': 1 }, revisions: { '20260304.$(Rev:r)': 9 } };
      writeFileSync(join(home, '_diag', 'agent-state.json'), JSON.stringify(old));
      const state = readState(home);
      assert.equal(state.lastBuildId, 3);
      assert.equal(next('', revisionsOf(state, 'a.yml')), '20260304.1');
      assert.equal(next('', revisionsOf(state, 'a.yml')), '20260304.2');
      assert.equal(next('', revisionsOf(state, 'b.yml')), '20260304.1');
    } finally {
      rmSync(home, { recursive: true });
    }
  });
});
