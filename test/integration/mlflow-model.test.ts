import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { type RunningApi, serveModel } from '../../local/model-api';
import { run } from '../../local/processes';
import { root } from '../../scripts/paths';
import { openBrowser } from '../support/browser';
import { runStep } from '../support/extension';
import { examplePython } from '../support/python';
import { skip } from '../support/skip';

const MODEL = 'main.ml.titanic';

const QUESTION = { class: '3rd', age: 7.5, siblings: 4 };

/** From MLflow to an answer: what it logs is registered, downloaded by the packed task, and served. */
describe('a model that MLflow has logged', function () {
  this.timeout(600_000); // the first time, Python packages have to be fetched
  let folder: string;
  let python: string;
  let workspace: Workspace;
  let logged: { readonly honest: string; readonly own: string; readonly answer: string };

  before(async function () {
    const example = await examplePython();
    if (/^3\.9\./.test(example.version)) skip(this, 'MLflow needs Python 3.10');
    ({ python } = example);
    folder = await mkdtemp(join(tmpdir(), 'mlflow-model-'));
    const script = join(root, 'test/support/mlflow_models.py');
    const { exitCode, output } = await run(python, [script, join(folder, 'runs'), JSON.stringify(QUESTION)]);
    assert.equal(exitCode, 0, output);
    logged = JSON.parse(output.trim().split('\n').at(-1)!);
    workspace = await startWorkspace({ folder });
    workspace.catalog.register(MODEL, await filesBelow(logged.own), { aliases: ['own'] });
    workspace.catalog.register(MODEL, await filesBelow(logged.honest), { aliases: ['champion'] });
  });

  after(async () => {
    await workspace?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  async function download(version: string) {
    const destinationFolder = join(folder, version.slice(1));
    const inputs = {
      registryType: 'unityCatalog',
      databricksHost: workspace.url,
      databricksToken: workspace.token,
      modelName: MODEL,
      modelVersion: version,
      destinationFolder,
    };
    return { destinationFolder, step: await runStep('ModelRegistryDownload', inputs) };
  }

  describe('of classes that are known', () => {
    let api: RunningApi;
    let digest: string;

    before(async () => {
      const { step, destinationFolder } = await download('@champion');
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));
      digest = step.outputVariables.modelDigest!;
      api = await serveModel(python, destinationFolder);
    });

    after(() => api?.stop());

    it('answers as MLflow itself does', async () => {
      const body = JSON.stringify(QUESTION);
      const answer = await (await fetch(`${api.url}/api/predict`, { method: 'POST', body })).json();
      const { prediction, probabilities } = answer as { prediction: string; probabilities: object };
      assert.equal(prediction, logged.answer);
      assert.deepEqual(Object.keys(probabilities), ['no', 'yes']);
    });

    it('is known by the name and version that it has in Unity Catalog', async () => {
      const info = (await (await fetch(`${api.url}/api/info`)).json()) as Record<string, unknown>;
      assert.deepEqual([info.model, info.version, info.modelDigest], [MODEL, '2', digest]);
    });

    it('passes the smoke test of deployments', async () => {
      const script = join(root, 'model-api/src/smoke_test.py');
      const tested = await run(python, [script, api.url, '--model-digest', digest]);
      assert.equal(tested.exitCode, 0, tested.output);
      assert.match(tested.output, /serves main\.ml\.titanic 2 .* answers \{"class": "1st", "age": 30\.0, /);
    });

    it('is asked by a form that has its columns', async () => {
      const browser = await openBrowser(join(folder, 'profile'));
      try {
        const page = await browser.newPage();
        await page.goto(`${api.url}/api/docs`);
        const form = page.locator('form').first();
        assert.equal(await form.getByLabel('class').inputValue(), '1st');
        for (const [name, value] of Object.entries(QUESTION)) await form.getByLabel(name).fill(`${value}`);
        await form.getByRole('button').click();
        const result = page.locator('pre').first();
        await result.getByText('200 OK').waitFor();
        const shown = (await result.textContent())!;
        assert.ok(shown.startsWith(JSON.stringify(QUESTION)), shown);
        assert.ok(shown.includes(`"prediction": "${logged.answer}"`), shown);
      } finally {
        await browser.close();
      }
    });
  });

  it('is not loaded when it holds a function of its own, which the download has found', async () => {
    const { step, destinationFolder } = await download('@own');
    assert.ok(
      step.issues.some(({ message }) => message.includes('would do more than make a model')),
      step.log.join('\n'),
    );
    await assert.rejects(
      serveModel(python, destinationFolder),
      /cannot be served\. Its files would do more than that when they are loaded: .*cloudpickle\._make_function/,
    );
  });
});

/** The files below a folder by their paths in it, with slashes. */
async function filesBelow(folder: string): Promise<Record<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(
      files.map(async (file) => [relative(folder, file).replaceAll('\\', '/'), await readFile(file)]),
    ),
  );
}
