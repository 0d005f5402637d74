import assert from 'node:assert/strict';
import {
  neighbours,
  rangeBelow,
  rangeOf,
  rankInRange,
  rankNewest,
  tiesOfFirst,
} from '../../../../tasks/ModelRegistryDownload/version/ranking';

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

describe('the newest version of a model', () => {
  const orders: [what: string, newestFirst: string[]][] = [
    ['semantic versions', ['1.10.0', '1.9.1', '1.9.0', '0.10.0']],
    ['numbers of other lengths, some after a v', ['v3', '2.0.1', '2.0', '1.1.0', '1.0.0']],
    ['counters, as MLflow, Azure ML and Unity Catalog give them', ['100', '11', '10', '9', '2', '1']],
    ['counters after a v', ['v10', 'v9', 'v2', 'v1']],
    ['counters with zeros before them', ['00000010', '00000009', '00000002']],
    ['four numbers', ['1.0.0.10', '1.0.0.9', '1.0.0', '0.9.9.99']],
    ['dates with dots', ['2025.02.10', '2025.01.02', '2024.11.30', '2024.10.15']],
    ['dates with dots and no zeros', ['2025.2.10', '2025.1.22', '2024.11.3', '2024.11.2']],
    ['dates', ['2025-01-02', '2024-11-30', '2024-10-15']],
    ['dates without marks', ['20250102', '20241130', '20241015']],
    ['dates and times', ['2024-11-30T06:00:00Z', '2024-11-30T05:59:59Z', '2024-11-29T23:00:00Z']],
    ['dates and times without marks', ['20241130-0600', '20241130-0559', '20241129']],
    ['dates and times in one number', ['20241130060000', '20241130055959', '20241129235959']],
    ['dates and which of the day it is', ['2024-11-30-10', '2024-11-30-9', '2024-11-30']],
    ['dates and which of the day it is, with dots', ['2024.11.30-2', '2024.11.30-1', '2024.11.30']],
    ['months', ['2025-01', '2024-11', '2024-02']],
    ['weeks', ['2025-W01', '2024-W48', '2024-W09']],
    ['seconds', ['1732950000', '1732949999', '1700000000']],
    ['numbers in a text', ['run-10', 'run-9', 'run-2']],
    ['numbers in a path of partitions', ['version=12', 'version=9']],
    ['numbers that no processor holds', ['99999999999999999999.0.0', '99999999999999999998.0.0', '2.0.0']],
  ];
  for (const [what, newestFirst] of orders) {
    it(`is found among ${what}`, () => {
      for (const folders of [newestFirst, newestFirst.toReversed(), newestFirst.toSorted()]) {
        const { fitting, rivals, others } = rankNewest([...folders, 'archive'], false);
        assert.deepEqual(fitting, newestFirst);
        assert.deepEqual([rivals, others], [[], ['archive']]);
      }
    });
  }

  const prereleases: [what: string, newestFirst: string[]][] = [
    ['semantic versions', ['2.0.0-rc.10', '2.0.0-rc.2', '2.0.0-beta', '1.0.0']],
    ['short versions', ['v3-rc1', 'v2', 'v1-beta']],
    ['versions as Python writes them', ['2.0rc10', '2.0rc2', '2.0b1', '1.0']],
    ['dates', ['2024-11-30-rc2', '2024-11-30-rc1', '2024-11-29']],
  ];
  for (const [what, newestFirst] of prereleases) {
    it(`may be a pre-release of ${what}, where those are asked for`, () => {
      assert.deepEqual(rankNewest(newestFirst.toSorted(), true).fitting, newestFirst);
      const { fitting, prereleases } = rankNewest(newestFirst.toSorted(), false);
      assert.deepEqual(
        fitting,
        newestFirst.filter((name) => !/rc|b/.test(name)),
      );
      assert.deepEqual(
        prereleases,
        newestFirst.filter((name) => /rc|b/.test(name)),
      );
    });
  }

  const mixtures: [what: string, folders: string[]][] = [
    ['dates and versions', ['1.0.0', '1.1.0', '2024-11-30']],
    ['dates with dots and versions', ['1.0.0', '2024.10.15']],
    ['years and versions', ['1.0.0', '2024.123.1']],
    ['dates without marks and counters', ['1', '2', '20241130']],
    ['seconds and versions', ['1.0.0', '1732950000']],
    ['seconds and milliseconds', ['1732950000', '1732950000123']],
    ['versions and a text with numbers', ['1.0.0', 'release-2.0']],
    ['two texts with numbers', ['run-10', 'exp-3']],
    ['a version, and what may be a repaired one', ['1.0.0', '1.0.0_fixed']],
    ['a counter, and what may be a repaired one', ['2', '3', '3-hotfix']],
    ['a date, and what may be a repaired one', ['2024-11-29', '2024-11-30', '2024-11-30-hotfix']],
    ['times of the day, and one with an offset', ['2024-11-30T05:30:00Z', '2024-11-30T07:00:00+01:00']],
    ['a version, and what may be a later one of the same beginning', ['1.2.1', '1.2 repaired']],
    ['dates that begin with the day or the month', ['05-12-2024', '30-11-2024']],
    ['dates with dots that begin with the day', ['05.12.2024', '30.11.2024']],
    ['hashes of commits', ['3f2a9c1', '0badf00', 'c0ffee1']],
  ];
  for (const [what, folders] of mixtures) {
    it(`is not guessed among ${what}`, () => {
      for (const names of [folders, folders.toReversed()]) {
        const { fitting, rivals } = rankNewest(names, false);
        assert.deepEqual(fitting, []);
        assert.ok(rivals.length > 1, rivals.join());
      }
    });
  }

  it('is chosen beside names of another form that are surely older', () => {
    const { fitting, rivals, others } = rankNewest(['1.0.0_old', '1.0.0', '2.0.0', 'v0.9 (copy)'], false);
    assert.deepEqual([fitting, rivals], [['2.0.0', '1.0.0'], []]);
    assert.deepEqual(others, ['1.0.0_old', 'v0.9 (copy)']);
  });

  it('is the only one with a number', () => {
    assert.deepEqual(rankNewest(['production', '3f2a9c1'], false).fitting, ['3f2a9c1']);
    assert.deepEqual(rankNewest(['production', 'archive'], false).fitting, []);
  });

  it('is found in a moment among very many, and in names made to be slow', () => {
    const many = Array.from({ length: 50_000 }, (_, index) => `${index}`);
    assert.equal(rankNewest(many, false).fitting[0], '49999');
    for (const name of ['1.'.repeat(500), `1-${'-'.repeat(1000)}!`, `2024-11-30${'-1'.repeat(490)}x`]) {
      assert.equal(rankNewest([name], true).rivals.length, 0);
    }
  });
});

describe('the versions of a model', () => {
  const choices: [range: string, includePrereleases: boolean, fitting: string[]][] = [
    ['*', false, ['1.10.0', 'v1.9.1', '1.2.0', '1.0.0', '0.9.0']],
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
    ['*', true, ['2.0.0-rc.1', '2.0.0-beta', '1.10.0', 'v1.9.1', '1.3.0-rc.1', '1.2.0', '1.0.0', '0.9.0']],
  ];
  for (const [range, includePrereleases, fitting] of choices) {
    const how = includePrereleases ? ' with pre-releases' : '';
    it(`that fit ${range}${how} are ${fitting.join(', ') || 'none'}`, () => {
      assert.ok(rangeOf(range) !== undefined);
      assert.deepEqual(rankInRange(FOLDERS, range, includePrereleases).fitting, fitting);
    });
  }

  const others: [range: string, folders: string[], fitting: string[]][] = [
    ['1.x', ['1.0', '1.5', 'v1.7', '2.0', 'v1'], ['v1.7', '1.5', 'v1', '1.0']],
    ['>=2024.10.01', ['2024.09.30', '2024.10.01', '2024.11.02'], ['2024.11.02', '2024.10.01']],
    ['2024.x', ['2024.09.30', '2025.01.01'], ['2024.09.30']],
    ['>=9', ['8', '9', '10'], ['10', '9']],
    ['1.0.x', ['1.0.0.2', '1.0.0.10', '1.1.0.0'], ['1.0.0.10', '1.0.0.2']],
  ];
  for (const [range, folders, fitting] of others) {
    it(`that fit ${range} may be written ${folders[0]}`, () =>
      assert.deepEqual(rankInRange(folders, range, false).fitting, fitting));
  }

  it('that are left out are told apart: other versions, pre-releases, and no versions at all', () => {
    const { unfit, prereleases, others } = rankInRange(FOLDERS, '1.x', false);
    assert.deepEqual(unfit, ['2.0.0-rc.1', '2.0.0-beta', '1.3.0-rc.1', '0.9.0']);
    assert.deepEqual(prereleases, ['1.3.0-rc.1']);
    assert.deepEqual(others, ['2026-11-23', 'archive']);
  });

  it('do not include folders with spaces around, or with numbers that no range can hold', () => {
    const folders = [' 1.0.0', '1.0.0 ', '99999999999999999999.0.0'];
    assert.deepEqual(rankInRange(folders, '*', true).fitting, []);
  });

  it('can be of equal rank; the last by name is then the first', () => {
    const { fitting } = rankInRange(['1.0.0+9', 'v1.0.0-rc', '1.0.0+10', '0.1.0'], '*', false);
    assert.deepEqual(fitting, ['1.0.0+10', '1.0.0+9', '0.1.0']);
    assert.deepEqual(tiesOfFirst(fitting), ['1.0.0+9']);
    assert.deepEqual(tiesOfFirst(['v2.0', '2', '1']), ['2']);
  });

  for (const text of [
    ...['2026-11-23', 'production', '1.0.0.1', 'release 7', '30.11.2024', '1732950000'],
    ...['v1', '1', '1.2', 'V2.0', '1.0.0', '2.0-rc1', '2.0rc1', '20241130'],
  ]) {
    it(`are not asked for by a range '${text}'`, () => assert.equal(rangeOf(text), undefined));
  }

  it('that begin like a name are asked for by a range of its own', () => {
    assert.deepEqual(['v1', '1.2', 'v1.2.3', 'x'].map(rangeBelow), ['1.x', '1.2.x', undefined, undefined]);
  });

  it('have those before them as neighbours, the nearest first', () => {
    assert.deepEqual(neighbours('1.10.0', FOLDERS, 3), ['v1.9.1', '1.3.0-rc.1', '1.2.0']);
    assert.deepEqual(neighbours('run-10', ['run-9', 'run-2', 'run-11', '1.0.0'], 3), ['run-9', 'run-2']);
    assert.deepEqual(neighbours('2', ['1', '10', '3'], 3), ['1']);
  });

  it('have those after them as neighbours, when they are the first', () => {
    assert.deepEqual(neighbours('0.9.0', FOLDERS, 2), ['1.0.0', '1.2.0']);
  });
});
