import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Outcome } from '../../../tasks/common/task';
import { downloadModel } from '../../../tasks/ModelRegistryDownload/download-model';
import { agentFolders, memoryFolder } from '../../../tasks/ModelRegistryDownload/folder/agent-folders';
import { ModelFolder } from '../../../tasks/ModelRegistryDownload/folder/folder';
import { parseManifest } from '../../../tasks/ModelRegistryDownload/folder/manifest';
import { findUnchanged } from '../../../tasks/ModelRegistryDownload/folder/unchanged';
import type { Inputs } from '../../../tasks/ModelRegistryDownload/inputs';
import { crc64 } from '../../../tasks/ModelRegistryDownload/registry/crc64';
import { rulesOf } from '../../../tasks/ModelRegistryDownload/registry/names';
import { BlobServer } from '../../support/blob-server';
import { skip } from '../../support/skip';
import { contentOf, FakeStep, impatient, inputsFor, temporaryFolder } from './support';

const MANIFEST = 'model-manifest.json';
const METADATA = JSON.stringify({
  model: 'titanic',
  rows: 2201,
  metrics: { accuracy: 0.783123, f1: 0.59 },
  gitCommit: 'c0ffee',
  runId: null,
});

describe('downloading a model', () => {
  let server: BlobServer;
  let workspace: Awaited<ReturnType<typeof temporaryFolder>>;
  let destination: string;
  let step: FakeStep;

  beforeEach(async () => {
    server = await BlobServer.start();
    workspace = await temporaryFolder();
    destination = join(workspace.path, 'model-api', 'pickles');
    server.put('titanic', '1.0.0/model.pkl', 'the model');
    server.put('titanic', '1.0.0/lookup.pkl', 'the lookup');
    server.put('titanic', '1.0.0/data/flags.pkl', 'the flags');
    server.put('titanic', '1.0.0/metadata.json', METADATA);
    server.put('titanic', '1.0.0-rc1/model.pkl', 'a candidate');
  });

  afterEach(async () => {
    await server.stop();
    await workspace.remove();
  });

  function download(changes: Partial<Inputs> = {}): Promise<Outcome> {
    step = new FakeStep(workspace.path);
    return downloadModel(inputsFor(server, destination, changes), step, impatient());
  }

  /** What the destination holds but the manifest, and that nothing is left beside it. */
  async function modelFiles(): Promise<Record<string, string>> {
    assert.deepEqual(await readdir(join(destination, '..')), ['pickles']);
    const { [MANIFEST]: _, ...files } = await contentOf(destination);
    return files;
  }

  describe('that is new here', () => {
    it('brings exactly the files of that version', async () => {
      const outcome = await download();
      assert.deepEqual(await modelFiles(), {
        'data/flags.pkl': 'the flags',
        'lookup.pkl': 'the lookup',
        'metadata.json': METADATA,
        'model.pkl': 'the model',
      });
      assert.equal(outcome.result, 'Succeeded');
    });

    it('says in its outputs what came, and where it is', async () => {
      await download();
      const manifest = JSON.parse(await readFile(join(destination, MANIFEST), 'utf8'));
      const bytes = 28 + METADATA.length;
      assert.deepEqual(step.outputs, {
        modelVersion: '1.0.0',
        fileCount: 4,
        totalBytes: bytes,
        modelPath: destination,
        modelDigest: manifest.digest,
        manifestPath: join(destination, MANIFEST),
        downloadedBytes: bytes,
      });
    });

    it('writes a manifest that can be checked with other tools', async () => {
      await download({ patterns: ['*.pkl'] });
      const manifest = JSON.parse(await readFile(join(destination, MANIFEST), 'utf8'));
      const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
      assert.deepEqual(manifest.source, {
        account: server.account,
        container: 'titanic',
        prefix: '1.0.0/',
        endpoint: new URL(server.endpoint).host,
      });
      assert.deepEqual(
        manifest.files.map((file: { path: string; sha256: string }) => [file.path, file.sha256]),
        [
          ['lookup.pkl', sha256('the lookup')],
          ['model.pkl', sha256('the model')],
        ],
      );
      const lines = `lookup.pkl\0${10}\0${sha256('the lookup')}\nmodel.pkl\0${9}\0${sha256('the model')}\n`;
      assert.equal(manifest.digest, `sha256:${sha256(lines)}`);
    });

    it('shows metrics, training and the checks in the summary', async () => {
      server.put('titanic', '1.0.0/big.bin', 'in blocks', { md5: undefined });
      await download();
      for (const line of [
        '## titanic 1.0.0',
        '| accuracy | 0.7831 |',
        '| Git commit | c0ffee |',
        '| Trained on rows | 2201 |',
      ]) {
        assert.ok(step.summary.includes(line), line);
      }
      assert.match(step.summary, /\| model\.pkl \| 9 B \| [0-9a-f]{12} \| Content-MD5 \|/);
      assert.match(step.summary, /\| big\.bin \| 9 B \| [0-9a-f]{12} \| length and ETag \|/);
    });

    it('takes empty files, and names that need encoding in an address', async () => {
      server.put('titanic', '1.0.0/empty', '');
      server.put('titanic', '1.0.0/ä b#%2e+&=.pkl', 'odd');
      await download({ patterns: ['empty', 'ä*'] });
      assert.deepEqual(await modelFiles(), { empty: '', 'ä b#%2e+&=.pkl': 'odd' });
    });

    it('finds versions below a prefix', async () => {
      server.put('titanic', 'live/eu/1.0.0/model.pkl', 'live');
      await download({ versionsFolder: 'live/eu/' });
      assert.deepEqual(await modelFiles(), { 'model.pkl': 'live' });
    });

    it('comes from an account with a hierarchical namespace without the stubs of its folders', async () => {
      server.hierarchical = true;
      server.put('forest', '1.0.0/data/train/model.pkl', 'the tree');
      server.put('forest', '1.0.0/flags', '');
      server.makeFolder('forest', '1.0.0/logs');
      server.makeFolder('forest', '1.1.0');
      await download({ model: 'forest', version: 'latest' });
      assert.deepEqual(await modelFiles(), { 'data/train/model.pkl': 'the tree', flags: '' });
      assert.match(step.text, /Passed over version 1\.1\.0, which is not complete: it holds no files/);
    });

    it('says why it is this version, where a range was asked for', async () => {
      await download({ version: '1.x' });
      assert.equal(step.outputs.modelVersion, '1.0.0');
      assert.ok(step.summary.includes("| Why this version | the newest that fits '1.x', and the only one |"));
      assert.match(step.text, /Left out as pre-releases: 1\.0\.0-rc1/);
    });

    it('writes what the disks of this agent hold, and warns of what others do not', async function () {
      if (process.platform !== 'linux') skip(this, 'other disks take these names for one');
      for (const name of ['Model.pkl', 'aux.py', 'a:b']) server.put('titanic', `1.0.0/${name}`, name);
      await download({ patterns: ['*odel.pkl', 'aux.py', 'a:b'], nameRules: rulesOf('linux') });
      assert.deepEqual(await modelFiles(), {
        'Model.pkl': 'Model.pkl',
        'a:b': 'a:b',
        'aux.py': 'aux.py',
        'model.pkl': 'the model',
      });
      assert.match(
        step.text,
        /type=warning;\]The model holds names that agents of other platforms cannot write: /,
      );
    });

    it('keeps a .gitignore that is not its own, and names it', async () => {
      await mkdir(destination, { recursive: true });
      await writeFile(join(destination, '.gitignore'), '*');
      await download({ patterns: ['model.pkl'] });
      assert.deepEqual(await modelFiles(), { '.gitignore': '*', 'model.pkl': 'the model' });
      assert.match(step.text, /^Left alone.*: \.gitignore\.$/m);
    });

    it('passes over a manifest that was stored with the version, and writes its own', async () => {
      server.put('titanic', `1.0.0/${MANIFEST}`, '{"schemaVersion":1,"files":[]}');
      await download();
      assert.equal(JSON.parse(await readFile(join(destination, MANIFEST), 'utf8')).name, 'titanic');
      assert.equal(step.outputs.fileCount, 4);
    });
  });

  describe('over an older one', () => {
    beforeEach(async () => {
      await download();
      await writeFile(join(destination, 'README.md'), 'by hand');
      server.requests.length = 0;
    });

    /** Looks for unchanged files as the next step would. */
    async function findAgain() {
      const manifest = parseManifest(await readFile(join(destination, MANIFEST), 'utf8'))!;
      const files = manifest.files.map((file) => ({
        ...{ ...file, name: '', lastModified: new Date(file.lastModified) },
        ...{ tier: undefined, rehydration: undefined, isFolder: false },
      }));
      const claim = {
        agent: agentFolders(step),
        memory: memoryFolder(step),
        signal: step.signal,
        log: step.log,
      };
      const folder = await ModelFolder.claim(destination, claim);
      try {
        return await findUnchanged(folder.installed, manifest.source, files, step.signal);
      } finally {
        await folder.release();
      }
    }

    it('transfers nothing when nothing has changed, and says so', async () => {
      const outcome = await download();
      assert.equal(server.reads.length, 0);
      assert.equal(step.outputs.downloadedBytes, 0);
      assert.match(outcome.message, /nothing: unchanged/);
    });

    it('reads only what was touched since then', async () => {
      assert.equal((await findAgain()).read, 0);
      await utimes(join(destination, 'model.pkl'), new Date(), new Date());
      assert.equal((await findAgain()).read, 1);
    });

    it('reads a file that was touched, and transfers nothing when it is the same', async () => {
      await utimes(join(destination, 'model.pkl'), new Date(), new Date());
      const outcome = await download();
      assert.equal(server.reads.length, 0);
      assert.match(outcome.message, /nothing: unchanged/);
      assert.equal((await findAgain()).read, 0);
    });

    it('notices a change behind which somebody has set the time back', async () => {
      const file = join(destination, 'model.pkl');
      const { mtime } = await stat(file);
      // Else the change might come in the same tick of the system's clock as the download.
      await untilTimeMoves(join(destination, MANIFEST));
      await writeFile(file, 'a traitor');
      await utimes(file, mtime, mtime);
      await download();
      assert.equal((await modelFiles())['model.pkl'], 'the model');
    });

    it('does not trust a manifest that was edited', async () => {
      const file = join(destination, MANIFEST);
      const text = await readFile(file, 'utf8');
      const { sha256 } = JSON.parse(text).files[0];
      await writeFile(file, text.replace(sha256, 'f'.repeat(64)));
      await download();
      assert.equal(await readFile(file, 'utf8'), text);
    });

    it('transfers a file again that was changed on this side', async () => {
      await writeFile(join(destination, 'model.pkl'), 'a traitor');
      await download();
      assert.equal((await modelFiles())['model.pkl'], 'the model');
      assert.equal(step.outputs.downloadedBytes, 9);
    });

    it('transfers only the files that have changed in the registry', async () => {
      server.put('titanic', '1.0.0/model.pkl', 'a better model');
      await download();
      assert.equal((await modelFiles())['model.pkl'], 'a better model');
      assert.equal(step.outputs.downloadedBytes, 14);
    });

    it('takes away what the new model does not have, and nothing else', async () => {
      server.put('titanic', '2.0.0/model.pkl', 'version two');
      server.put('titanic', '2.0.0/metadata.json', '{}');
      await download({ version: '2.0.0' });
      assert.deepEqual(await modelFiles(), {
        'README.md': 'by hand',
        'metadata.json': '{}',
        'model.pkl': 'version two',
      });
    });

    it('takes away what the patterns no longer pick', async () => {
      await download({ patterns: ['model.pkl'] });
      assert.deepEqual(await modelFiles(), { 'README.md': 'by hand', 'model.pkl': 'the model' });
      assert.equal(step.outputs.downloadedBytes, 0);
    });

    it('warns of nothing after its manifest was deleted, so that all is downloaded anew', async () => {
      await rm(join(destination, MANIFEST));
      await download();
      assert.doesNotMatch(step.text, /type=warning/);
      assert.deepEqual(Object.keys(await modelFiles()).length, 5);
    });

    it('says so when it has to replace a file that is not its own', async () => {
      server.put('titanic', '2.0.0/README.md', 'by the model');
      server.put('titanic', '2.0.0/metadata.json', '{}');
      await download({ version: '2.0.0', patterns: ['*.md'] });
      assert.deepEqual(await modelFiles(), { 'README.md': 'by the model' });
      assert.match(step.text, /did not come from this task: README\.md\./);
    });
  });

  describe('that fails', () => {
    const failures: [why: string, arrange: (inputs: { change: Partial<Inputs> }) => void, message: RegExp][] =
      [
        [
          'for a version that is not there, naming the nearest',
          (i) => {
            i.change = { version: '1.0.1' };
          },
          /no version '1\.0\.1'.*'1\.0\.0', '1\.0\.0-rc1'/,
        ],
        [
          'for a container that is not there',
          (i) => {
            i.change = { model: 'batcomputer' };
          },
          /no container 'batcomputer'. Check 'modelName'/,
        ],
        [
          'for a key that is refused',
          () => {
            server.fault = () => ({ status: 403, code: 'AuthenticationFailed' });
          },
          /refused the key in 'storageKey'/,
        ],
        [
          'for a file that the version lacks',
          (i) => {
            i.change = { requiredFiles: ['model.pkl', 'scaler.pkl'] };
          },
          /not complete: it lacks 'scaler\.pkl'/,
        ],
        [
          'for a pattern that matches nothing',
          (i) => {
            i.change = { patterns: ['*.pkl', '*.onnx'] };
          },
          /Nothing in this version matches '\*\.onnx'/,
        ],
        [
          'for archived files',
          () => server.put('titanic', '1.0.0/old.pkl', 'old', { tier: 'Archive' }),
          /archive tier: 'old\.pkl'/,
        ],
        [
          'for a name that leads out of the folder',
          () => server.put('titanic', '1.0.0/../../evil', 'evil'),
          /cannot be written safely/,
        ],
        [
          'for a file that arrives damaged each time',
          () => {
            let byte = 3;
            server.fault = ({ blob }) => (blob === '1.0.0/model.pkl' ? { flipByte: byte++ } : undefined);
          },
          /'model\.pkl' is damaged, after a second download too: its MD5/,
        ],
        [
          'for a checksum that the version states otherwise',
          () =>
            server.put(
              'titanic',
              '1.0.0/metadata.json',
              JSON.stringify({ files: [{ path: 'model.pkl', sha256: 'a'.repeat(64) }] }),
            ),
          /'model\.pkl' is not the file that its version tells of: its SHA-256 is.*Publish the version again/,
        ],
        [
          'for an account that stays too busy',
          () => {
            server.fault = ({ kind }) => (kind === 'read' ? { status: 503, code: 'ServerBusy' } : undefined);
          },
          /too busy to answer.*'maxConcurrency'/,
        ],
        [
          'for a version that does not stop changing',
          () => {
            server.fault = ({ kind }) =>
              void (kind === 'read' && server.put('titanic', '1.0.0/model.pkl', 'new'));
          },
          /keeps changing while it is downloaded/,
        ],
      ];
    for (const [why, arrange, message] of failures) {
      it(`${why}, leaves the old model as it was`, async () => {
        await download();
        const before = await contentOf(destination);
        for (const name of ['model.pkl', 'lookup.pkl']) server.put('titanic', `1.0.0/${name}`, `new ${name}`);
        const inputs = { change: {} };
        arrange(inputs);
        await assert.rejects(download(inputs.change), { name: 'TaskError', message });
        assert.deepEqual(await contentOf(destination), before);
        assert.equal(step.outputs.modelPath, undefined);
      });
    }

    it('keeps what it has brought for the next step', async () => {
      const reads = () =>
        server.reads.map(({ blob }) => blob.slice(6)).filter((path) => path !== 'metadata.json');
      server.fault = ({ blob }) =>
        blob === '1.0.0/model.pkl' ? { status: 409, code: 'BlobUsesCustomerSpecifiedEncryption' } : undefined;
      await assert.rejects(download({ concurrency: 1 }), /encrypted with a key that its publisher sends/);
      assert.deepEqual(reads(), ['data/flags.pkl', 'lookup.pkl', 'model.pkl']);
      server.requests.length = 0;
      server.fault = () => undefined;
      await download({ concurrency: 1 });
      assert.deepEqual(reads(), ['model.pkl']);
      assert.equal((await modelFiles())['lookup.pkl'], 'the lookup');
      assert.match(step.text, /Going on from/);
    });

    const OF_MODEL = { 'Content-Type': 'application/octet-stream', ETag: '"ETAG"' };
    const strangers: [
      what: string,
      instead: { status: number; headers: Record<string, string>; body: string },
      RegExp,
    ][] = [
      [
        'that a CDN unzips',
        { status: 200, headers: { ...OF_MODEL, 'Content-Length': '20' }, body: 'the model, unzipped.' },
        /'1\.0\.0\/model\.pkl' is not what the registry holds: 20 bytes come of it, where 9 are listed\..*CDN/,
      ],
      [
        'that a CDN unzips without knowing how long it gets',
        {
          status: 200,
          headers: { ...OF_MODEL, 'Transfer-Encoding': 'chunked' },
          body: 'the model, unzipped.',
        },
        /is not what the registry holds/,
      ],
      [
        'that something rewrites and says so',
        { status: 206, headers: { ...OF_MODEL, ETag: 'W/"ETAG"' }, body: 'the model' },
        /is not what the registry holds: it says so itself, by a weak ETag/,
      ],
      [
        'that another web server answers for',
        {
          status: 200,
          headers: { 'Content-Type': 'text/html; charset=utf-8' },
          body: '<html>Sign in</html>',
        },
        /^A web page answered in place of .*sign in/,
      ],
      [
        'that leads to a page for signing in',
        { status: 302, headers: { Location: 'http://portal.example/' }, body: '' },
        /^A web page answered in place of /,
      ],
    ];
    for (const [what, instead, message] of strangers) {
      it(`for a file ${what} says so at once`, async () => {
        server.fault = ({ blob }) => (blob === '1.0.0/model.pkl' ? { instead } : undefined);
        await assert.rejects(download(), { name: 'TaskError', message });
        assert.equal(server.reads.filter(({ blob }) => blob === '1.0.0/model.pkl').length, 1);
      });
    }

    it('for a folder that this user may not write says so', async function () {
      if (process.platform === 'win32') skip(this, 'folders of Windows are protected by other means');
      await chmod(workspace.path, 0o755);
      await mkdir(join(workspace.path, 'model-api'), { mode: 0o555 });
      await withoutPrivileges(() =>
        assert.rejects(download(), {
          name: 'TaskError',
          message: /cannot be written: the agent's user has no permission.*'destinationFolder'/,
        }),
      );
    });

    it('for a model that the disk has no room for asks for no data', async () => {
      server.put('titanic', '1.0.0/huge.bin', 'x', { listedSize: 2 ** 50 });
      await assert.rejects(download(), {
        name: 'TaskError',
        message: /no room for the model: 1126 TB are to be downloaded, and .* are free\. Free some space/,
      });
      assert.equal(server.reads.length, 0);
      assert.deepEqual(await readdir(join(workspace.path, 'model-api')), []);
    });

    it('for a part of the path that is a file says so', async () => {
      await writeFile(join(workspace.path, 'model-api'), 'a file');
      await assert.rejects(download(), { name: 'TaskError', message: /a part of its path is a file/ });
    });

    for (const name of [
      '../evil',
      './x',
      '/x',
      'a//b',
      'a/',
      '..\\x',
      'a\nb',
      'a:b',
      'aux.pkl',
      'x.',
      'MODEL.pkl',
    ]) {
      it(`asks for no data when the version holds ${JSON.stringify(name)}`, async () => {
        server.put('titanic', `1.0.0/${name}`, 'x');
        await assert.rejects(download(), /cannot be written safely/);
        assert.equal(server.reads.length, 0);
        assert.deepEqual(await readdir(workspace.path), []);
      });
    }
  });

  describe('from a registry that is written to at the same time', () => {
    it('starts over when a file is replaced after it was listed', async () => {
      server.fault = ({ kind }) => {
        if (kind === 'read' && server.reads.length === 1) server.put('titanic', '1.0.0/model.pkl', 'newer');
        return undefined;
      };
      await download();
      assert.equal((await modelFiles())['model.pkl'], 'newer');
      assert.match(step.text, /has changed in the registry since it was listed\. The download starts over/);
    });

    it('starts over when a file was added meanwhile, and takes it too', async () => {
      server.fault = ({ kind }) => {
        if (kind === 'read' && server.reads.length === 1) server.put('titanic', '1.0.0/added.pkl', 'added');
        return undefined;
      };
      await download();
      assert.equal((await modelFiles())['added.pkl'], 'added');
    });

    it('starts over when the marker of the version is replaced, though it is not downloaded', async () => {
      server.fault = ({ kind }) => {
        if (kind === 'read' && server.reads.length === 1) server.put('titanic', '1.0.0/_SUCCESS', '');
        return undefined;
      };
      await download({ patterns: ['*.pkl'] });
      assert.match(step.text, /'_SUCCESS' has changed in the registry.*The download starts over/);
    });

    it('does not start over for a file that is neither downloaded nor a marker', async () => {
      server.fault = ({ kind }) => {
        if (kind === 'read' && server.reads.length === 1) server.put('titanic', '1.0.0/train.log', 'x');
        return undefined;
      };
      await download({ patterns: ['*.pkl'] });
      assert.doesNotMatch(step.text, /starts over/);
    });

    for (const [what, changes, lost] of [
      ['a file', {}, 'model.pkl'],
      [
        'the file that says what the version is, though it is not downloaded',
        { patterns: ['*.pkl'] },
        'metadata.json',
      ],
      [
        'a required file that is not downloaded',
        { patterns: ['*.pkl'], requiredFiles: ['data/flags.pkl'] },
        'data/flags.pkl',
      ],
    ] as const) {
      it(`fails by name for ${what} that goes away after the listing`, async () => {
        server.fault = ({ kind, blob }) => {
          if (kind === 'read' && !blob.endsWith('metadata.json')) server.remove('titanic', `1.0.0/${lost}`);
          return undefined;
        };
        await assert.rejects(download(changes), {
          name: 'TaskError',
          message: new RegExp(
            `^'${lost.replace('.', '\\.')}' of version '1\\.0\\.0' went away while it was downloaded`,
          ),
        });
        assert.deepEqual(await contentOf(destination).catch(() => 'no folder'), 'no folder');
      });
    }

    for (const [what, looks, outcome] of [
      ['brings a file that went away and is back in another state', 1, undefined],
      [
        'fails by name when a file is back only after a second look',
        2,
        /'model\.pkl' of version '1\.0\.0' went away/,
      ],
    ] as const) {
      it(what, async () => {
        let left: number | undefined;
        server.fault = ({ kind, blob }) => {
          if (kind === 'read' && blob === '1.0.0/model.pkl' && left === undefined) {
            server.remove('titanic', blob);
            left = looks;
          } else if (kind === 'list' && left !== undefined && --left === 0) {
            server.put('titanic', '1.0.0/model.pkl', 'back again');
          }
          return undefined;
        };
        if (outcome) {
          await assert.rejects(download({ completeness: 'requiredFiles' }), outcome);
        } else {
          await download({ completeness: 'requiredFiles' });
          assert.equal((await modelFiles())['model.pkl'], 'back again');
          assert.match(step.text, /'model\.pkl' is no longer in the registry.*The download starts over/);
        }
      });
    }

    it('says so when a file is listed and yet not there', async () => {
      server.fault = ({ blob }) =>
        blob === '1.0.0/model.pkl' ? { status: 404, code: 'BlobNotFound' } : undefined;
      await assert.rejects(download(), {
        message:
          /'model\.pkl' is listed in version '1\.0\.0', but the registry answers that there is no such file.*secondary/,
      });
    });
  });

  describe('that says what it consists of', () => {
    const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
    const MODEL = { path: 'model.pkl', size: 9, sha256: sha256('the model') };
    const places: [where: string, file: string, lost: string, statement: (path: string) => object][] = [
      ['in its metadata', 'metadata.json', 'scaler.pkl', (path) => ({ files: [MODEL, { path, size: 5 }] })],
      [
        'in its manifest',
        MANIFEST,
        'scaler.pkl',
        (path) => ({ files: [MODEL, { path, sha256: 'a'.repeat(64) }] }),
      ],
      [
        'in the index of its weights',
        'hf/model.safetensors.index.json',
        'hf/model-00002-of-00002.safetensors',
        (path) => ({ metadata: {}, weight_map: { a: path.slice(3), b: path.slice(3) } }),
      ],
    ];
    for (const [where, file, lost, statement] of places) {
      it(`${where} is refused without one of those files, also by name and with patterns`, async () => {
        server.put('titanic', `1.0.0/${file}`, JSON.stringify(statement(lost)));
        const message = new RegExp(
          `'1\\.0\\.0' is not complete: it lacks '${lost}', which its ${file} names`,
        );
        await assert.rejects(download(), { name: 'TaskError', message });
        await assert.rejects(download({ patterns: ['lookup.pkl'] }), { name: 'TaskError', message });
        await download({ completeness: 'off' });
        assert.equal((await modelFiles())['model.pkl'], 'the model');
      });

      it(`${where} is passed over by latest without one of those files`, async () => {
        server.put('titanic', `1.0.0/${file}`, JSON.stringify(statement(lost)));
        for (const name of ['model.pkl', MANIFEST]) server.put('titanic', `0.9.0/${name}`, '{}');
        await download({ version: 'latest' });
        assert.equal(step.outputs.modelVersion, '0.9.0');
        assert.match(step.text, /Passed over version 1\.0\.0, which is not complete: it lacks/);
      });
    }

    it('is refused for a file that is not as long as it says', async () => {
      server.put('titanic', '1.0.0/metadata.json', JSON.stringify({ files: [{ ...MODEL, size: 10 }] }));
      await assert.rejects(download(), /has 'model\.pkl' with 9 bytes, where its metadata\.json says 10/);
    });

    it('is not held to what only looks like a list of its files', async () => {
      for (const files of [['train.csv'], [{ path: 'train.csv', rows: 5 }], { 'train.csv': 1 }, [null, 7]]) {
        server.put('titanic', '1.0.0/metadata.json', JSON.stringify({ files, weight_map: { a: 'b' } }));
        await download();
      }
    });

    it('transfers nothing and asks for no data when nothing has changed', async () => {
      server.put('titanic', '1.0.0/metadata.json', JSON.stringify({ files: [MODEL] }));
      for (const version of ['1.0.0', 'latest']) {
        await download({ version });
        server.requests.length = 0;
        await download({ version });
        assert.deepEqual(server.reads, []);
      }
    });

    it('is verified by the MD5 that it says, where none is stored', async () => {
      const md5 = createHash('md5').update('the model').digest('hex');
      server.put('titanic', '1.0.0/model.pkl', 'the model', { md5: undefined });
      server.put('titanic', '1.0.0/metadata.json', JSON.stringify({ files: [{ path: './model.pkl', md5 }] }));
      let flips = 1;
      server.fault = ({ blob }) => (blob === '1.0.0/model.pkl' && flips-- > 0 ? { flipByte: 0 } : undefined);
      await download();
      assert.equal((await modelFiles())['model.pkl'], 'the model');
      assert.match(step.summary, /\| model\.pkl \|.*\| MD5 in the version \|/);
      const manifest = JSON.parse(await readFile(join(destination, MANIFEST), 'utf8'));
      assert.equal(manifest.files.find(({ path }: { path: string }) => path === 'model.pkl').md5, null);
    });
  });

  describe('whose stored MD5 is stale', () => {
    const stale = { md5: createHash('md5').update('an older model').digest('base64') };
    beforeEach(() => server.put('titanic', '1.0.0/model.pkl', 'the model', stale));

    it('is refused with the command that corrects it, and with what helps who may only read', async () => {
      const right = createHash('md5').update('the model').digest('base64');
      await assert.rejects(download(), (error: Error) => {
        assert.match(error.message, /stored with 'model\.pkl'.*left it\. Correct it: az storage blob update/);
        assert.ok(error.message.includes(`--name '1.0.0/model.pkl' --content-md5 ${right}`));
        assert.match(error.message, /not damaged.*'verify' to crc64/);
        return true;
      });
    });

    it('is taken with a warning, when the CRC64 of each part proves it', async () => {
      server.crc64 = crc64;
      await download({ verify: 'crc64' });
      assert.equal((await modelFiles())['model.pkl'], 'the model');
      assert.match(
        step.text,
        /type=warning;\]The MD5 that is stored with 'model\.pkl'.*CRC64 of each part proves/,
      );
      assert.match(step.summary, /\| model\.pkl \|.*\| CRC64 of each part \|/);
    });

    it('is taken with a warning, when the version states its SHA-256', async () => {
      const sha256 = createHash('sha256').update('the model').digest('hex');
      server.put(
        'titanic',
        '1.0.0/metadata.json',
        JSON.stringify({ files: [{ path: 'model.pkl', sha256 }] }),
      );
      await download();
      assert.equal((await modelFiles())['model.pkl'], 'the model');
      assert.match(step.text, /type=warning;\]The MD5 that is stored with 'model\.pkl'/);
    });
  });

  describe('that arrives damaged', () => {
    it('downloads the file again, and says so', async () => {
      let flips = 1;
      server.fault = ({ blob }) => (blob === '1.0.0/model.pkl' && flips-- > 0 ? { flipByte: 0 } : undefined);
      await download();
      assert.equal((await modelFiles())['model.pkl'], 'the model');
      assert.match(step.text, /'model\.pkl' arrived damaged: its MD5/);
    });

    it('notices by the SHA-256 that the version states, where no MD5 is stored', async () => {
      const sha256 = createHash('sha256').update('the model').digest('hex');
      server.put('titanic', '1.0.0/model.pkl', 'the model', { md5: undefined });
      server.put('titanic', `1.0.0/${MANIFEST}`, JSON.stringify({ files: [{ path: 'model.pkl', sha256 }] }));
      let flips = 1;
      server.fault = ({ blob }) => (blob === '1.0.0/model.pkl' && flips-- > 0 ? { flipByte: 0 } : undefined);
      await download();
      assert.equal((await modelFiles())['model.pkl'], 'the model');
      assert.match(step.summary, /\| model\.pkl \| 9 B \| [0-9a-f]{12} \| SHA-256 in the version \|/);
    });
  });

  it('reads the checksums that the version states over a connection that breaks', async () => {
    const sha256 = createHash('sha256').update('the model').digest('hex');
    const stated = JSON.stringify({ files: [{ path: 'model.pkl', sha256 }] });
    server.put('titanic', '1.0.0/metadata.json', stated);
    let resets = 1;
    server.fault = ({ blob }) =>
      blob === '1.0.0/metadata.json' && resets-- > 0 ? { resetAfter: 10 } : undefined;
    await download();
    assert.match(step.summary, /\| model\.pkl \|.*\| SHA-256 in the version \|/);
  });

  describe('that is cancelled', () => {
    it('leaves the old model and nothing else', async () => {
      await download();
      const before = await contentOf(destination);
      server.put('titanic', '1.0.0/model.pkl', 'never to arrive');
      server.fault = ({ blob }) =>
        blob === '1.0.0/model.pkl' ? { stallAfter: 5, onStall: () => step.cancel.abort() } : undefined;
      await assert.rejects(download(), { name: 'CancelledError' });
      await modelFiles();
      assert.deepEqual(await contentOf(destination), before);
    });
  });
});

/** Waits until the system's clock, as files see it, is past the last change of a file. */
async function untilTimeMoves(file: string): Promise<void> {
  const probe = `${file}.probe`;
  const { ctimeMs } = await stat(file);
  for (let now = ctimeMs; now <= ctimeMs; ) {
    await writeFile(probe, '');
    now = (await stat(probe)).ctimeMs;
  }
  await rm(probe);
}

/** Root may write everywhere, so where the tests run as root they are somebody else for a moment. */
async function withoutPrivileges(body: () => Promise<void>): Promise<void> {
  const isRoot = process.getuid!() === 0;
  if (isRoot) process.seteuid!(65534);
  try {
    await body();
  } finally {
    if (isRoot) process.seteuid!(0);
  }
}
