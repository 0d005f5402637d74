import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BlobServiceClient, type ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { type Azurite, startAzurite } from '../../local/azurite';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { schemaFaults } from '../../scripts/json-schema';
import { root } from '../../scripts/paths';
import { modelDigest } from '../../tasks/ModelRegistryDownload/folder/manifest';
import { makeSigningKey } from '../support/model-signature';
import { call, type NotebookRun, runNotebook } from '../support/notebook-run';
import { examplePython } from '../support/python';

/** Prints what is in the pickles of a folder, and what the model says to the row it is given. */
const READ_PICKLES = `
import json, pathlib, pickle, pickletools, sys
folder = pathlib.Path(sys.argv[1])
protocols = {next(pickletools.genops(file.read_bytes()))[1] for file in folder.glob("*.pkl")}
model, lookup, flags = (pickle.loads((folder / f"{name}.pkl").read_bytes()) for name in ("model", "lookup", "flags"))
answer = model.predict_proba([json.loads(sys.argv[2])])[0].tolist()
print(json.dumps({"protocols": list(protocols), "lookup": lookup, "flags": flags, "answer": answer}))
`;

const SIGNER = makeSigningKey();

const MODELS = [
  {
    model: 'titanic',
    rows: 2201,
    accuracy: 0.75,
    lookup: {
      class: { '1st': 0, '2nd': 1, '3rd': 2, crew: 3 },
      sex: { female: 0, male: 1 },
      age: { adult: 0, child: 1 },
    },
    flags: ['died', 'survived'],
    // A girl of the second class, and a man of the third.
    likely: [1, 0, 1],
    unlikely: [2, 1, 0],
  },
  {
    model: 'batcomputer',
    rows: 4000,
    accuracy: 0.7,
    lookup: {
      month: null,
      region: {
        airport: 0,
        docks: 1,
        'financial district': 2,
        harbour: 3,
        northside: 4,
        'old town': 5,
        university: 6,
      },
      crime: {
        arson: 0,
        assault: 1,
        'bicycle theft': 2,
        burglary: 3,
        drugs: 4,
        fraud: 5,
        robbery: 6,
        shoplifting: 7,
        'vehicle theft': 8,
      },
    },
    flags: ['unsolved', 'solved'],
    // Drugs found at the airport in June, and a burglary at the docks in December.
    likely: [6, 0, 4],
    unlikely: [12, 1, 3],
  },
];

const schema = JSON.parse(readFileSync(join(root, 'docs/model-manifest.schema.json'), 'utf8'));

describe('The example notebooks', function () {
  this.timeout(600_000); // the first time, Python packages have to be fetched

  let python: string;
  let blobs: Azurite;
  let workspace: Workspace;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'notebooks-'));
    ({ python } = await examplePython());
    blobs = await startAzurite();
    workspace = await startWorkspace({
      python,
      folder,
      secrets: { 'model-registry': { 'storage-key': blobs.key, 'signing-key': SIGNER.key } },
      timing: { pending: 0, terminating: 0 },
    });
    await call(workspace, 'POST /api/2.0/workspace/mkdirs', { path: '/live' });
    await call(workspace, 'POST /api/2.0/workspace/import', {
      path: '/live/model_registry.py',
      content: (await readFile(join(root, 'notebooks/model_registry.py'))).toString('base64'),
      format: 'RAW',
    });
    await mkdir(join(workspace.dbfs, 'datasets'));
  });
  after(async () => {
    await workspace?.stop();
    await blobs?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  for (const { model, rows, accuracy, lookup, flags, likely, unlikely } of MODELS) {
    describe(`scikit-${model}`, () => {
      let run: NotebookRun;
      let container: ContainerClient;

      before(async () => {
        const dataSet = join(workspace.dbfs, 'datasets', `${model}.csv`);
        await copyFile(join(root, 'data', `${model}.csv`), dataSet);
        const source = await readFile(join(root, 'notebooks', `scikit-${model}.py`), 'utf8');
        run = await runNotebook(workspace, source, {
          path: `/live/scikit-${model}`,
          baseParameters: {
            run_id: '{{job.run_id}}',
            run_url: '{{workspace.url}}/jobs/{{job.id}}/runs/{{job.run_id}}',
          },
          parameters: {
            model_name: model,
            model_version: '1.0.0',
            storage_account: blobs.account,
            blob_endpoint: blobs.blobEndpoint,
            git_commit: 'abc123',
            signing_key: 'signing-key',
          },
        });
        const credential = new StorageSharedKeyCredential(blobs.account, blobs.key);
        container = new BlobServiceClient(blobs.blobEndpoint, credential).getContainerClient(model);
      });

      it('succeeds, and says what it has stored where', () => {
        assert.equal(run.error, undefined, run.errorTrace);
        const exit = JSON.parse(run.exitValue!);
        assert.equal(exit.model, model);
        assert.equal(exit.version, '1.0.0');
        assert.equal(exit.container, `${blobs.blobEndpoint}/${model}`);
        assert.equal(exit.rows, rows);
        assert.ok(exit.accuracy >= accuracy, `accuracy ${exit.accuracy}`);
      });

      it('stores the blobs of a version', async () => {
        const names = [];
        for await (const blob of container.listBlobsFlat()) names.push(blob.name);
        assert.deepEqual(names, [
          '1.0.0/flags.pkl',
          '1.0.0/lookup.pkl',
          '1.0.0/metadata.json',
          '1.0.0/model-manifest.json',
          '1.0.0/model.pkl',
          '1.0.0/model.sig',
        ]);
      });

      it('records how the model came to be', async () => {
        const metadata = JSON.parse(
          String(await container.getBlobClient('1.0.0/metadata.json').downloadToBuffer()),
        );
        const {
          trainedAt,
          metrics,
          libraries,
          estimator,
          python: version,
          parameters,
          jobId,
          ...facts
        } = metadata;
        const source = await readFile(join(root, 'notebooks', `scikit-${model}.py`));
        assert.deepEqual(facts, {
          model,
          version: '1.0.0',
          rows,
          features: Object.keys(lookup),
          outcomes: flags,
          gitCommit: 'abc123',
          runId: String(run.runId),
          runUrl: `${workspace.url}/jobs/${jobId}/runs/${run.runId}`,
          notebook: {
            path: `/live/scikit-${model}`,
            sha256: createHash('sha256').update(source).digest('hex'),
          },
        });
        assert.match(jobId, /^\d+$/);
        assert.equal(parameters.model_version, '1.0.0');
        assert.doesNotMatch(JSON.stringify(metadata), /PRIVATE KEY/);
        assert.match(trainedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/);
        assert.deepEqual(Object.keys(metrics), ['accuracy', 'f1', 'rocAuc']);
        for (const metric of Object.values(metrics)) assert.ok(Number(metric) > 0.5 && Number(metric) < 1);
        assert.deepEqual(Object.keys(libraries), ['numpy', 'pandas', 'scikit-learn']);
        assert.match(version, /^3\.\d+\.\d+/);
        assert.ok(estimator);
      });

      it('lists its files, with what a download will know them by', async () => {
        const manifest = JSON.parse(
          String(await container.getBlobClient('1.0.0/model-manifest.json').downloadToBuffer()),
        );
        assert.deepEqual(schemaFaults(manifest, schema), []);
        assert.equal(manifest.digest, modelDigest(manifest.files));
        assert.equal(JSON.parse(run.exitValue!).digest, manifest.digest);
        for (const { path, size, sha256, etag } of manifest.files) {
          const blob = container.getBlobClient(`1.0.0/${path}`);
          const content = await blob.downloadToBuffer();
          assert.equal(size, content.length);
          assert.equal(sha256, createHash('sha256').update(content).digest('hex'));
          assert.equal(`"${etag}"`, (await blob.getProperties()).etag);
        }
      });

      it('stores a model that keeps the contract, and has learned something', async () => {
        const pickles = await mkdtemp(join(folder, 'pickles-'));
        for (const name of ['model.pkl', 'lookup.pkl', 'flags.pkl'])
          await container.getBlobClient(`1.0.0/${name}`).downloadToFile(join(pickles, name));
        const ask = async (row: number[]) => {
          const args = ['-c', READ_PICKLES, pickles, JSON.stringify(row)];
          return JSON.parse((await promisify(execFile)(python, args)).stdout);
        };
        const [well, badly] = [await ask(likely), await ask(unlikely)];
        assert.deepEqual(well.protocols, [4]);
        assert.deepEqual(well.flags, flags);
        assert.deepEqual(Object.entries(well.lookup), Object.entries(lookup));
        assert.ok(well.answer[1] > 0.7, `${well.answer}`);
        assert.ok(badly.answer[1] < 0.3, `${badly.answer}`);
        assert.ok(Math.abs(well.answer[0] + well.answer[1] - 1) < 1e-9);
      });

      it('shows its keys to nobody', () => {
        assert.doesNotMatch(run.page, /BEGIN PRIVATE KEY/);
        assert.doesNotMatch(run.page, new RegExp(blobs.key.slice(0, 20).replace(/[+/]/g, '\\$&')));
      });
    });
  }

  it('fail at once, and say why, without a storage account', async () => {
    const source = await readFile(join(root, 'notebooks/scikit-titanic.py'), 'utf8');
    const run = await runNotebook(workspace, source, { path: '/live/scikit-titanic' });
    assert.match(run.error!, /^ValueError: The parameter storage_account is empty/);
    assert.match(run.errorTrace!, /model_registry\.py/);
  });
});

describe('The generator of the batcomputer data', () => {
  it('makes the very file that is there', async function () {
    this.timeout(60_000);
    const folder = await mkdtemp(join(tmpdir(), 'data-'));
    try {
      const again = join(folder, 'again.csv');
      await writeFile(again, '');
      const python = process.platform === 'win32' ? 'python' : 'python3';
      await promisify(execFile)(python, [join(root, 'data/generate_batcomputer.py'), again]);
      assert.ok((await readFile(again)).equals(await readFile(join(root, 'data/batcomputer.csv'))));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
