import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobServer } from '../support/blob-server';
import { errorsOf, nodeVersions, runStep, type StepOptions } from '../support/extension';

describe('ModelRegistryDownload, packed,', () => {
  let server: BlobServer;
  let sources: string;

  before(async () => {
    server = await BlobServer.start();
  });

  after(() => server.stop());

  beforeEach(() => {
    sources = mkdtempSync(join(tmpdir(), 'download-'));
    server.fault = () => undefined;
    server.put('titanic', '1.0.0/model.pkl', Buffer.alloc(100_000, 'm'));
    server.put('titanic', '1.0.0/metadata.json', '{"metrics":{"accuracy":0.79}}');
  });

  afterEach(() => rmSync(sources, { recursive: true }));

  /** The step sees the same folder from one call to the next: the sources are not copied anew. */
  const run = (inputs: Record<string, string> = {}, options: StepOptions = {}) =>
    runStep(
      'ModelRegistryDownload',
      {
        storageAccount: server.account,
        storageKey: '$(storage-key)',
        blobEndpoint: server.endpoint,
        modelName: 'titanic',
        modelVersion: '1.0.0',
        destinationFolder: join(sources, 'pickles'),
        ...inputs,
      },
      { variableGroups: { secrets: { 'storage-key': { value: server.key, isSecret: true } } }, ...options },
    );

  for (const nodeVersion of nodeVersions) {
    it(`downloads a model with its manifest under Node ${nodeVersion}`, async () => {
      const step = await run({}, { nodeVersion });
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));
      assert.match(step.nodeVersion!, new RegExp(`^${nodeVersion}\\.`));
      assert.deepEqual(readdirSync(join(sources, 'pickles')).sort(), [
        'metadata.json',
        'model-manifest.json',
        'model.pkl',
      ]);
      assert.equal(readFileSync(join(sources, 'pickles/model.pkl')).length, 100_000);
      assert.equal(step.outputVariables.fileCount, '2');
      assert.equal(step.outputVariables.manifestPath, join(sources, 'pickles/model-manifest.json'));
      const manifest = JSON.parse(readFileSync(step.outputVariables.manifestPath!, 'utf8'));
      assert.equal(manifest.version, '1.0.0');
      assert.match(step.outputVariables.modelDigest!, /^sha256:[0-9a-f]{64}$/);
    });
  }

  it('transfers nothing when nothing changed', async () => {
    await run();
    const before = server.reads.length;
    const step = await run();
    assert.equal(step.result, 'Succeeded');
    assert.equal(step.outputVariables.downloadedBytes, '0');
    assert.equal(server.reads.length, before);
  });

  it('leaves the old model whole when the new one turns out to be damaged', async () => {
    await run();
    server.put('titanic', '2.0.0/model.pkl', 'new');
    server.put('titanic', '2.0.0/metadata.json', '{}');
    server.fault = ({ kind, blob }) =>
      kind === 'read' && blob.endsWith('.pkl') ? { flipByte: 0 } : undefined;
    const step = await run({ modelVersion: '2.0.0' });
    assert.equal(step.result, 'Failed');
    assert.match(errorsOf(step), /model\.pkl/);
    assert.equal(
      JSON.parse(readFileSync(join(sources, 'pickles/model-manifest.json'), 'utf8')).version,
      '1.0.0',
    );
    assert.equal(readFileSync(join(sources, 'pickles/model.pkl')).length, 100_000);
  });

  it('leaves the old model whole when it is cancelled', async () => {
    await run();
    server.put('titanic', '2.0.0/model.pkl', Buffer.alloc(1_000_000));
    server.put('titanic', '2.0.0/metadata.json', '{}');
    const cancel = new AbortController();
    server.fault = ({ kind }) =>
      kind === 'read' ? { stallAfter: 10, onStall: () => cancel.abort() } : undefined;
    const step = await run({ modelVersion: '2.0.0' }, { signal: cancel.signal });
    assert.equal(step.result, 'Canceled');
    assert.deepEqual(readdirSync(join(sources, 'pickles')).sort(), [
      'metadata.json',
      'model-manifest.json',
      'model.pkl',
    ]);
  });

  it('keeps the key out of everything it leaves behind', async () => {
    const step = await run({}, { variables: { 'system.debug': 'true' } });
    assert.ok(step.log.some((line) => line.startsWith('##[debug]')));
    assert.ok(!JSON.stringify(step).includes(server.key));
    assert.ok(!readFileSync(step.outputVariables.manifestPath!, 'utf8').includes(server.key));
  });

  const mistakes: [what: string, inputs: Record<string, string>, message: RegExp][] = [
    ['a version that is not there', { modelVersion: '1.0.1' }, /1\.0\.1[\s\S]*1\.0\.0/],
    ['a model that is not there', { modelName: 'titanik' }, /titanik/],
    ['a name that no container can have', { modelName: 'My_Model' }, /'modelName'/],
    ['a file that the version lacks', { requiredFiles: 'flags.pkl' }, /flags\.pkl/],
    ['a pattern that matches nothing', { patterns: '*.onnx' }, /\*\.onnx/],
    ['a variable that nobody defined', { modelVersion: '$(version)' }, /'modelVersion' holds \$\(version\)/],
    ['a destination that is left empty', { destinationFolder: '' }, /'destinationFolder'/],
  ];
  for (const [what, inputs, message] of mistakes) {
    it(`says plainly what is wrong with ${what}, and writes nothing`, async () => {
      const step = await run(inputs);
      assert.equal(step.result, 'Failed');
      assert.equal(step.exitCode, 0);
      assert.match(errorsOf(step), message);
      assert.ok(!existsSync(join(sources, 'pickles')));
    });
  }

  it('writes nothing outside the folder, whatever a blob is called', async () => {
    server.put('titanic', '3.0.0/../../../stolen.txt', 'x');
    mkdirSync(join(sources, 'pickles'));
    writeFileSync(join(sources, 'pickles/mine.txt'), 'mine');
    const before = server.reads.length;
    const step = await run({ modelVersion: '3.0.0' });
    assert.equal(step.result, 'Failed');
    assert.match(errorsOf(step), /stolen\.txt/);
    assert.deepEqual(readdirSync(sources), ['pickles']);
    assert.deepEqual(readdirSync(join(sources, 'pickles')), ['mine.txt']);
    assert.equal(server.reads.length, before);
  });
});
