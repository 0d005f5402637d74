import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { changelogEntry } from '../../../scripts/changelog';
import { root, taskNames } from '../../../scripts/paths';
import { faultsUnder, taskDigests } from '../../../scripts/released';
import { setVersion } from '../../../scripts/set-version';

const PLACES = [
  'vss-extension.json',
  'package.json',
  'package-lock.json',
  ...taskNames.map((task) => `tasks/${task}/task.json`),
];

describe('the version', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'version-'));
    for (const place of PLACES) {
      mkdirSync(join(folder, place, '..'), { recursive: true });
      cpSync(join(root, place), join(folder, place));
    }
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const read = (place: string) => readFileSync(join(folder, place), 'utf8');

  it('is written to all its places, and nothing else is changed', () => {
    setVersion(folder, '1.23.45');
    assert.equal(JSON.parse(read('vss-extension.json')).version, '1.23.45');
    assert.equal(JSON.parse(read('package.json')).version, '1.23.45');
    const lock = JSON.parse(read('package-lock.json'));
    assert.deepEqual([lock.version, lock.packages[''].version], ['1.23.45', '1.23.45']);
    for (const task of taskNames) {
      const { version } = JSON.parse(read(`tasks/${task}/task.json`));
      assert.deepEqual(version, { Major: 1, Minor: 23, Patch: 45 });
    }
    for (const place of PLACES) {
      const before = readFileSync(join(root, place), 'utf8').split('\n');
      const changed = read(place)
        .split('\n')
        .filter((line, index) => line !== before[index]);
      assert.equal(changed.length, place === 'package-lock.json' ? 2 : 1, place);
    }
  });

  for (const [version, mistake] of [
    ['0.9.9', /not above/],
    ['1.0', /three numbers/],
    ['1.0.01', /three numbers/],
    ['v1.2.0', /three numbers/],
    ['1.2.0-rc.1', /three numbers/],
    ['1.0.2147483648', /2147483647/],
    ['2.0.0', /another folder/],
  ] as const) {
    it(`can't be ${version}, and stays as it was`, () => {
      assert.throws(() => setVersion(folder, version), mistake);
      for (const place of PLACES) assert.equal(read(place), readFileSync(join(root, place), 'utf8'));
    });
  }
});

describe('a released version', () => {
  const vsix = (changes: Record<string, string> = {}) =>
    zipSync(
      Object.fromEntries(
        Object.entries({
          ...Object.fromEntries(taskNames.map((task) => [`tasks/${task}/index.js`, task])),
          'overview.md': 'a page',
          ...changes,
        }).map(([name, text]) => [name, strToU8(text)]),
      ),
    );
  const released = { '1.1.0': taskDigests(vsix()) };
  const faults = (version: string, changes: Record<string, string>) =>
    faultsUnder(version, taskDigests(vsix(changes)), released).join('\n');

  it('may be packed again, with another page', () =>
    assert.equal(faults('1.1.0', { 'overview.md': 'new' }), ''));
  it('holds the bytes of each task', () => {
    for (const task of taskNames) {
      assert.match(faults('1.1.0', { [`tasks/${task}/index.js`]: 'new' }), new RegExp(`^${task} is not`));
      assert.match(faults('1.1.0', { [`tasks/${task}/more.js`]: '' }), new RegExp(`^${task} is not`));
    }
  });
  it('lets a higher one change them', () =>
    assert.equal(faults('1.1.1', { 'tasks/AcrBuildPush/index.js': 'new' }), ''));
  it('lets no lower one follow', () => assert.match(faults('1.0.9', {}), /below 1\.1\.0/));
});

describe('the changelog', () => {
  it('has an entry of the current version', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'vss-extension.json'), 'utf8'));
    changelogEntry(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'), version);
  });
  it('tells one version from another', () => {
    const text = '# C\n\n## 1.1.0 (2027-01-01)\n\n- a\n\n## 1.1.0-x\n\n- b\n\n## 1.0.0\n';
    assert.equal(changelogEntry(text, '1.1.0'), '- a');
    for (const version of ['1.1', '1.0.0', '1x1.0'])
      assert.throws(() => changelogEntry(text, version), /no entry/);
  });
});
