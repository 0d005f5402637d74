import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { run } from '../../local/processes';
import { root } from '../../scripts/paths';
import { runStep } from '../support/extension';
import { sdkPython } from '../support/python';

const MODEL = 'main.ml.titanic';

const FILES = {
  MLmodel: 'flavors:\n  sklearn:\n    pickled_model: model.pkl\n',
  'model.pkl': randomBytes(300_000),
  'extra_files/lookup.pkl': randomBytes(1_000),
  'code/a b%/ümlaut.py': 'pass\n',
};

/** The SHA-256 of each file by its path. */
const DIGESTS = Object.fromEntries(
  Object.entries(FILES).map(([path, content]) => [path, createHash('sha256').update(content).digest('hex')]),
);

/**
 * MLflow and Databricks' SDK know nothing of this project: what they take for Unity Catalog, and bring the same model from
 * as the task does, is not only our own idea of it.
 */
describe('Unity Catalog of the local workspace', function () {
  this.timeout(600_000); // the first time, Python packages have to be fetched
  let folder: string;
  let workspace: Workspace;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'unity-catalog-'));
    workspace = await startWorkspace({ folder, emptyPages: true, catalogPages: { entries: 2, versions: 1 } });
    workspace.catalog.register(MODEL, FILES, { runId: '0123456789abcdef', aliases: ['champion'] });
    workspace.catalog.register(MODEL, { MLmodel: 'another' });
    workspace.catalog.register(MODEL, {}, { status: 'PENDING_REGISTRATION' });
  });

  afterEach(async () => {
    await workspace.stop();
    await rm(folder, { recursive: true, force: true });
  });

  for (const [by, givesLinks] of [
    ['by links', true],
    ['through the workspace', false],
  ] as const) {
    it(`gives MLflow, Databricks' SDK and the task the same model, ${by}`, async () => {
      workspace.givesLinks = givesLinks;
      const { python } = await sdkPython();
      const script = join(root, 'test/support/unity_catalog.py');
      const { exitCode, output } = await run(python, [script, workspace.url, workspace.token, MODEL]);
      assert.equal(exitCode, 0, output);
      const seen = JSON.parse(output.trim().split('\n').at(-1)!);
      const { id } = workspace.catalog.models.get(MODEL)!.versions.get(1)!;
      assert.deepEqual(seen, {
        'mlflow by number': DIGESTS,
        'mlflow by alias': DIGESTS,
        "mlflow's version": { version: '1', run: '0123456789abcdef', status: 'READY' },
        sdk: DIGESTS,
        "sdk's versions": [1, 2, 3],
        "sdk's alias": { version: 1, id, run: '0123456789abcdef', status: 'READY' },
        "sdk's missing version": 'ResourceDoesNotExist',
      });

      const inputs = {
        registryType: 'unityCatalog',
        databricksHost: workspace.url,
        databricksToken: workspace.token,
        modelName: MODEL,
        modelVersion: '@champion',
        destinationFolder: join(folder, 'model'),
      };
      const step = await runStep('ModelRegistryDownload', inputs);
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));
      const text = await readFile(step.outputVariables.manifestPath!, 'utf8');
      const files: { path: string; sha256: string }[] = JSON.parse(text).files;
      assert.deepEqual(Object.fromEntries(files.map(({ path, sha256 }) => [path, sha256])), DIGESTS);
    });
  }
});
