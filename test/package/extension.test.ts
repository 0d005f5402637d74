import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { referencePage } from '../../scripts/docs';
import { root, taskNames, vsixFile, vsixIn } from '../../scripts/paths';
import { faultsUnder, readReleased, taskDigests } from '../../scripts/released';

describe('the packed extension', () => {
  let entries: Record<string, Uint8Array>;

  before(() => {
    entries = unzipSync(readFileSync(vsixFile));
  });

  const text = (name: string) => Buffer.from(entries[name]!).toString();

  it('is the same, byte for byte, when it is packed again', function () {
    this.timeout(60_000);
    const folder = mkdtempSync(join(tmpdir(), 'packed-again-'));
    try {
      execFileSync(process.execPath, ['--import', 'tsx', join(root, 'scripts/package.ts'), folder], {
        cwd: root,
        stdio: 'pipe',
      });
      assert.ok(readFileSync(vsixIn(folder)).equals(readFileSync(vsixFile)));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('has tasks that are new or have a new version', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'vss-extension.json'), 'utf8'));
    assert.deepEqual(faultsUnder(version, taskDigests(readFileSync(vsixFile)), readReleased()), []);
  });

  it('holds its page, license and icon', () => {
    for (const file of ['overview.md', 'LICENSE', 'images/extension-icon.png', 'extension.vsixmanifest']) {
      assert.ok(entries[file], file);
    }
  });

  it('holds no sources, maps, packages or drawings', () => {
    const strays = Object.keys(entries).filter((name) =>
      /\.(ts|map|svg)$|node_modules|^test|^local/.test(name),
    );
    assert.deepEqual(strays, []);
  });

  for (const task of taskNames) {
    describe(task, () => {
      it('declares both Node handlers of today with one target, and the agent that first had one', () => {
        const { execution, minimumAgentVersion } = JSON.parse(text(`tasks/${task}/task.json`));
        assert.deepEqual(execution, { Node24: { target: 'index.js' }, Node20_1: { target: 'index.js' } });
        assert.equal(minimumAgentVersion, '4.248.0');
      });

      it('has a version that goes with the extension', () => {
        const { version } = JSON.parse(text(`tasks/${task}/task.json`));
        const extension = JSON.parse(readFileSync(join(root, 'vss-extension.json'), 'utf8')).version;
        assert.equal(`${version.Major}.${version.Minor}.${version.Patch}`, extension);
      });

      it('needs no package beside it', () => {
        const bundles = Object.keys(entries).filter((name) =>
          new RegExp(`^tasks/${task}/.*\\.js$`).test(name),
        );
        const modules = bundles.flatMap((bundle) =>
          [...text(bundle).matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name]) => name!),
        );
        const isIts = (name: string) => name.startsWith('./') && `tasks/${task}/${name.slice(2)}` in entries;
        const foreign = modules.filter(
          (name) => !builtinModules.includes(name.replace(/^node:/, '')) && !isIts(name),
        );
        assert.deepEqual(foreign, []);
      });

      it('travels with the licenses of what is bundled in it', () => {
        assert.match(text(`tasks/${task}/ThirdPartyNotices.txt`), /azure-pipelines-task-lib 5\.281\.0/);
      });

      it('is documented as it is', () => {
        const { current, wanted } = referencePage(task);
        assert.equal(current, wanted, 'npm run docs brings the tables up to date');
      });
    });
  }
});
