import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Inputs } from '../../../tasks/ModelRegistryDownload/inputs';
import { skip } from '../../support/skip';
import { useDownload, withoutPrivileges } from './download';
import { contentOf } from './support';

describe('downloading a model', () => {
  const story = useDownload();

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
            story.server.fault = () => ({ status: 403, code: 'AuthenticationFailed' });
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
          () => story.server.put('titanic', '1.0.0/old.pkl', 'old', { tier: 'Archive' }),
          /archive tier: 'old\.pkl'/,
        ],
        [
          'for a name that leads out of the folder',
          () => story.server.put('titanic', '1.0.0/../../evil', 'evil'),
          /cannot be written safely/,
        ],
        [
          'for a file that arrives damaged each time',
          () => {
            let byte = 3;
            story.server.fault = ({ blob }) =>
              blob === '1.0.0/model.pkl' ? { flipByte: byte++ } : undefined;
          },
          /'model\.pkl' is damaged, after a second download too: its MD5/,
        ],
        [
          'for a checksum that the version states otherwise',
          () =>
            story.server.put(
              'titanic',
              '1.0.0/metadata.json',
              JSON.stringify({ files: [{ path: 'model.pkl', sha256: 'a'.repeat(64) }] }),
            ),
          /'model\.pkl' is not the file that its version lists: its SHA-256 is.*Publish the version again/,
        ],
        [
          'for an account that stays too busy',
          () => {
            story.server.fault = ({ kind }) =>
              kind === 'read' ? { status: 503, code: 'ServerBusy' } : undefined;
          },
          /too busy to answer.*'maxConcurrency'/,
        ],
        [
          'for a version that does not stop changing',
          () => {
            story.server.fault = ({ kind }) =>
              void (kind === 'read' && story.server.put('titanic', '1.0.0/model.pkl', 'new'));
          },
          /keeps changing while it is downloaded/,
        ],
      ];
    for (const [why, arrange, message] of failures) {
      it(`${why}, leaves the old model as it was`, async () => {
        await story.download();
        const before = await contentOf(story.destination);
        for (const name of ['model.pkl', 'lookup.pkl'])
          story.server.put('titanic', `1.0.0/${name}`, `new ${name}`);
        const inputs = { change: {} };
        arrange(inputs);
        await assert.rejects(story.download(inputs.change), { name: 'TaskError', message });
        assert.deepEqual(await contentOf(story.destination), before);
        assert.equal(story.step.outputs.modelPath, undefined);
      });
    }

    it('keeps what it has brought for the next step', async () => {
      const reads = () =>
        story.server.reads.map(({ blob }) => blob.slice(6)).filter((path) => path !== 'metadata.json');
      story.server.fault = ({ blob }) =>
        blob === '1.0.0/model.pkl' ? { status: 409, code: 'BlobUsesCustomerSpecifiedEncryption' } : undefined;
      await assert.rejects(
        story.download({ concurrency: 1 }),
        /encrypted with a key that its publisher sends/,
      );
      assert.deepEqual(reads(), ['data/flags.pkl', 'lookup.pkl', 'model.pkl']);
      story.server.requests.length = 0;
      story.server.fault = () => undefined;
      await story.download({ concurrency: 1 });
      assert.deepEqual(reads(), ['model.pkl']);
      assert.equal((await story.modelFiles())['lookup.pkl'], 'the lookup');
      assert.match(story.step.text, /Going on from/);
    });

    it('keeps what earlier steps have brought, also where it brings nothing itself', async () => {
      const reads = () =>
        story.server.reads.map(({ blob }) => blob.slice(6)).filter((path) => path !== 'metadata.json');
      const clash = join(story.destination, 'model.pkl');
      story.server.fault = ({ blob }) =>
        blob === '1.0.0/model.pkl' ? { status: 409, code: 'BlobUsesCustomerSpecifiedEncryption' } : undefined;
      for (let step = 1; step <= 2; step++) {
        await assert.rejects(story.download({ concurrency: 1 }), /encrypted with a key/);
      }
      // Fails before it has looked at what there is.
      await mkdir(clash, { recursive: true });
      await writeFile(join(clash, 'mine'), '');
      await assert.rejects(story.download({ concurrency: 1 }), /in the way of the model/);
      await rm(story.destination, { recursive: true });
      story.server.requests.length = 0;
      story.server.fault = () => undefined;
      await story.download({ concurrency: 1 });
      assert.deepEqual(reads(), ['model.pkl']);
      assert.equal((await story.modelFiles())['lookup.pkl'], 'the lookup');
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
        'that something rewrites and gives an ETag of its own',
        { status: 206, headers: { ...OF_MODEL, ETag: '"ETAG-gzip"' }, body: 'the model' },
        /is not what the registry holds: what comes has another ETag than is listed/,
      ],
      [
        'that something rewrites and takes the ETag from',
        { status: 206, headers: { 'Content-Type': 'application/octet-stream' }, body: 'the model' },
        /is not what the registry holds: what comes has another ETag than is listed/,
      ],
      [
        'of which a CDN keeps an older copy',
        { status: 200, headers: { ...OF_MODEL, ETag: '"0x8DD"' }, body: 'an old one' },
        /is not what the registry holds: what comes has another ETag.*keeps copies/,
      ],
      [
        'that is said to have changed, and has not',
        { status: 412, headers: { 'x-ms-error-code': 'ConditionNotMet' }, body: '' },
        /is not what the registry holds: what comes has another ETag/,
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
        story.server.fault = ({ blob }) => (blob === '1.0.0/model.pkl' ? { instead } : undefined);
        await assert.rejects(story.download(), { name: 'TaskError', message });
        assert.equal(story.server.reads.filter(({ blob }) => blob === '1.0.0/model.pkl').length, 1);
      });
    }

    it('for a folder that this user may not write says so', async function () {
      if (process.platform === 'win32') skip(this, 'folders of Windows are protected by other means');
      await chmod(story.workspace.path, 0o755);
      await mkdir(join(story.workspace.path, 'model-api'), { mode: 0o555 });
      await withoutPrivileges(() =>
        assert.rejects(story.download(), {
          name: 'TaskError',
          message: /cannot be written: the agent's user has no permission.*'destinationFolder'/,
        }),
      );
    });

    it('for a model that the disk has no room for asks for no data', async () => {
      story.server.put('titanic', '1.0.0/huge.bin', 'x', { listedSize: 2 ** 50 });
      await assert.rejects(story.download(), {
        name: 'TaskError',
        message: /no room for the model: the download has 1126 TB, and .* are free\. Free some space/,
      });
      assert.equal(story.server.reads.length, 0);
      assert.deepEqual(await readdir(join(story.workspace.path, 'model-api')), []);
    });

    it('for a part of the path that is a file says so', async () => {
      await writeFile(join(story.workspace.path, 'model-api'), 'a file');
      await assert.rejects(story.download(), { name: 'TaskError', message: /a part of its path is a file/ });
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
        story.server.put('titanic', `1.0.0/${name}`, 'x');
        await assert.rejects(story.download(), /cannot be written safely/);
        assert.equal(story.server.reads.length, 0);
        assert.deepEqual(await readdir(story.workspace.path), []);
      });
    }
  });
});
