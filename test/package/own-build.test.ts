import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { root, taskNames, vsixFile } from '../../scripts/paths';

type Entries = Record<string, Uint8Array>;

const json = (entries: Entries, name: string) => JSON.parse(Buffer.from(entries[name]!).toString());
const TFX = join(root, 'node_modules/tfx-cli/_build/tfx-cli.js');

describe('a package of one’s own', function () {
  this.timeout(120_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'own-build-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function pack(...options: string[]): string {
    execFileSync(
      process.execPath,
      ['--import', 'tsx', join(root, 'scripts/package.ts'), ...options, folder],
      { cwd: root, stdio: 'pipe' },
    );
    return join(folder, readdirSync(folder).find((name) => name.endsWith('.vsix'))!);
  }

  it('for development is under its publisher’s name, and installs beside the original', () => {
    const file = pack('--publisher', 'acme', '--dev', '--version', '1.0.77');
    assert.match(file, /acme\.model-pipeline-tasks-dev-1\.0\.77\.vsix$/);
    const entries = unzipSync(readFileSync(file));
    const original = unzipSync(readFileSync(vsixFile));
    const manifest = Buffer.from(entries['extension.vsixmanifest']!).toString();
    assert.match(manifest, /Id="model-pipeline-tasks-dev" Publisher="acme" Version="1\.0\.77"/);
    assert.match(manifest, /<DisplayName>Model Pipeline Tasks \(dev\)</);
    for (const folderOf of taskNames) {
      const task = json(entries, `tasks/${folderOf}/task.json`);
      const its = json(original, `tasks/${folderOf}/task.json`);
      assert.notEqual(task.id, its.id);
      assert.equal(task.name, `${folderOf}DevAcme`);
      assert.equal(task.friendlyName, `${its.friendlyName} (dev)`);
      assert.deepEqual(task.version, { Major: 1, Minor: 0, Patch: 77 });
      for (const name of Object.keys(original)) {
        if (name.startsWith(`tasks/${folderOf}/`) && name.endsWith('.js')) {
          assert.deepEqual(entries[name], original[name]);
        }
      }
      assert.match(Buffer.from(entries['overview.md']!).toString(), new RegExp(`task: ${task.name}@1`));
    }
    const types = (of: Entries) =>
      json(of, 'extension.vsomanifest')
        .contributions.filter(({ type }: { type: string }) => type.endsWith('endpoint-type'))
        .map(({ properties }: { properties: { name: string } }) => properties.name);
    assert.equal(new Set([...types(entries), ...types(original)]).size, types(original).length * 2);
  });

  it('for the public says so, and links to its repository', () => {
    const file = pack('--publisher', 'acme', '--public', '--repository', 'https://github.com/acme/fork');
    const manifest = Buffer.from(unzipSync(readFileSync(file))['extension.vsixmanifest']!).toString();
    assert.match(manifest, /<GalleryFlags>[^<]*\bPublic\b/);
    for (const page of ['docs/support.md', 'docs/privacy.md', 'LICENSE']) {
      assert.ok(manifest.includes(`"https://github.com/acme/fork/blob/HEAD/${page}"`), page);
    }
    assert.match(
      manifest,
      /<Badge [^>]*shields\.io\/visual-studio-marketplace\/v\/acme\.model-pipeline-tasks"/,
    );
    const page = Buffer.from(unzipSync(readFileSync(file))['overview.md']!).toString();
    assert.ok(page.includes('](https://github.com/acme/fork/blob/HEAD/docs/AcrBuildPush.md)'));
    const { helpUrl } = json(unzipSync(readFileSync(file)), 'tasks/AcrBuildPush/task.json');
    assert.equal(helpUrl, 'https://github.com/acme/fork/blob/HEAD/docs/AcrBuildPush.md');
  });
});

describe('packing', function () {
  this.timeout(120_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'packing-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('gives the same bytes on a machine without the program `file`', () => {
    const programs = join(folder, 'programs');
    mkdirSync(programs);
    symlinkSync(process.execPath, join(programs, 'node'));
    execFileSync(
      process.execPath,
      ['--import', 'tsx', join(root, 'scripts/package.ts'), join(folder, 'out')],
      {
        cwd: root,
        env: { ...process.env, PATH: programs },
        stdio: 'pipe',
      },
    );
    const [file] = readdirSync(join(folder, 'out')).filter((name) => name.endsWith('.vsix'));
    assert.ok(readFileSync(join(folder, 'out', file!)).equals(readFileSync(vsixFile)));
  });

  it('works with `tfx extension create` in the repository’s top folder too, once it is built', () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [TFX, 'extension', 'create', '--output-path', folder, '--no-prompt', '--no-color'],
      { cwd: root, encoding: 'utf8' },
    );
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stdout + stderr, /warning|error/i);
    const entries = unzipSync(readFileSync(join(folder, readdirSync(folder)[0]!)));
    const original = unzipSync(readFileSync(vsixFile));
    for (const { type, properties } of json(entries, 'extension.vsomanifest').contributions) {
      if (type !== 'ms.vss-distributed-task.task') continue;
      const task = properties.name.split('/').at(-1);
      for (const name of Object.keys(original).filter((file) => file.startsWith(`tasks/${task}/`))) {
        assert.deepEqual(entries[name.replace(`tasks/${task}`, properties.name)], original[name], name);
      }
    }
  });
});
