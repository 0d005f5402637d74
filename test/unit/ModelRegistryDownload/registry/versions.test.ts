import assert from 'node:assert/strict';
import {
  neighbours,
  rangeOf,
  rankVersions,
  tiesOfFirst,
} from '../../../../tasks/ModelRegistryDownload/registry/versions';

const FOLDERS = [
  '0.9.0',
  '1.0.0',
  '1.10.0',
  '1.2.0',
  '1.3.0-rc.1',
  '2.0.0-beta',
  '2.0.0-rc.1',
  'archive',
  'v1.9.1',
  '2026-11-23',
];

describe('the versions of a model', () => {
  const choices: [range: string, includePrereleases: boolean, fitting: string[]][] = [
    ['latest', false, ['1.10.0', 'v1.9.1', '1.2.0', '1.0.0', '0.9.0']],
    ['1.x', false, ['1.10.0', 'v1.9.1', '1.2.0', '1.0.0']],
    ['^1.2', false, ['1.10.0', 'v1.9.1', '1.2.0']],
    ['~1.2.0', false, ['1.2.0']],
    ['>=1.0.0 <1.9.0', false, ['1.2.0', '1.0.0']],
    ['1.0.0 - 1.9', false, ['v1.9.1', '1.2.0', '1.0.0']],
    ['0.x || 1.0.x', false, ['1.0.0', '0.9.0']],
    ['3.x', false, []],
    ['>=2.0.0-beta', false, ['2.0.0-rc.1', '2.0.0-beta']],
    ['2.x', true, ['2.0.0-rc.1', '2.0.0-beta']],
    ['>1.2.0', true, ['2.0.0-rc.1', '2.0.0-beta', '1.10.0', 'v1.9.1', '1.3.0-rc.1']],
    ['<2.0.0 >=1.3.0', true, ['1.10.0', 'v1.9.1', '1.3.0-rc.1']],
    ['1.x', true, ['1.10.0', 'v1.9.1', '1.3.0-rc.1', '1.2.0', '1.0.0']],
    [
      'latest',
      true,
      ['2.0.0-rc.1', '2.0.0-beta', '1.10.0', 'v1.9.1', '1.3.0-rc.1', '1.2.0', '1.0.0', '0.9.0'],
    ],
  ];
  for (const [range, includePrereleases, fitting] of choices) {
    const how = includePrereleases ? ' with pre-releases' : '';
    it(`that fit ${range}${how} are ${fitting.join(', ') || 'none'}`, () => {
      assert.deepEqual(rankVersions(FOLDERS, rangeOf(range)!, includePrereleases).fitting, fitting);
    });
  }

  it('that are left out are told apart: other versions, pre-releases, and no versions at all', () => {
    const { unfit, prereleases, others } = rankVersions(FOLDERS, '1.x', false);
    assert.deepEqual(unfit, ['2.0.0-rc.1', '2.0.0-beta', '1.3.0-rc.1', '0.9.0']);
    assert.deepEqual(prereleases, ['1.3.0-rc.1']);
    assert.deepEqual(others, ['2026-11-23', 'archive']);
  });

  it('do not include folders with spaces around, or with numbers that no version has', () => {
    const folders = [' 1.0.0', '1.0.0 ', '01.0.0', '1.0', '99999999999999999999.0.0'];
    assert.deepEqual(rankVersions(folders, '*', true).fitting, []);
  });

  it('can be of equal rank; the last by name is then the first', () => {
    const { fitting } = rankVersions(['1.0.0+9', 'v1.0.0-rc', '1.0.0+10', '0.1.0'], '*', false);
    assert.deepEqual(fitting, ['1.0.0+10', '1.0.0+9', '0.1.0']);
    assert.deepEqual(tiesOfFirst(fitting), ['1.0.0+9']);
  });

  for (const text of ['2026-11-23', 'production', '1.0.0.1', 'release 7']) {
    it(`are not asked for by a range '${text}'`, () => assert.equal(rangeOf(text), undefined));
  }

  it('have those before them as neighbours, the nearest first', () => {
    assert.deepEqual(neighbours('1.10.0', FOLDERS, 3), ['v1.9.1', '1.3.0-rc.1', '1.2.0']);
    assert.deepEqual(neighbours('run-10', ['run-9', 'run-2', 'run-11', '1.0.0'], 3), ['run-9', 'run-2']);
  });

  it('have those after them as neighbours, when they are the first', () => {
    assert.deepEqual(neighbours('0.9.0', FOLDERS, 2), ['1.0.0', '1.2.0']);
  });
});
