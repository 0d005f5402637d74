import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { succeeded } from '../../local/databricks/runs/outcome';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { run } from '../../local/processes';
import { root } from '../../scripts/paths';
import { call } from '../support/notebook-run';
import { cliPython } from '../support/python';

/** It leaves out the port of the address that it is given, so that it reaches the workspace as its proxy. */
const HOST = 'http://workspace.example.org';

describe('The local workspace, used by the former command line as the seed document’s pipelines use it', function () {
  this.timeout(300_000); // the first time, Python packages have to be fetched

  let folder: string;
  let workspace: Workspace;
  let python: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'databricks-cli-'));
    ({ python } = await cliPython());
    workspace = await startWorkspace({
      folder,
      timing: { pending: 1, terminating: 1, cancel: 1 },
      scenario: {
        task: ({ parameters }) => ({
          outcome: succeeded({ exitValue: `stored ${parameters.model_version}` }),
        }),
      },
    });
    // As the set-up of the document makes it: by version 2.0, with a cluster and one notebook.
    await call(workspace, 'POST /api/2.0/jobs/create', {
      name: 'train-titanic-model',
      existing_cluster_id: '0123-456789-abc',
      notebook_task: { notebook_path: '/live/scikit-titanic' },
    });
  });

  after(async () => {
    await workspace?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  for (const version of ['2.0', '2.1']) {
    describe(`by version ${version} of the Jobs API`, () => {
      /** Version 2.0 knows no pages. */
      const allPages = version === '2.1' ? ['--all'] : [];
      const databricks = async (...args: string[]) => {
        const profile = `[DEFAULT]\nhost = ${HOST}\ntoken = ${workspace.token}\njobs-api-version = ${version}\n`;
        await writeFile(join(folder, '.databrickscfg'), profile);
        const { exitCode, output } = await run(python, ['-m', 'databricks_cli.cli', ...args], {
          env: {
            ...process.env,
            HOME: folder,
            USERPROFILE: folder,
            http_proxy: workspace.url,
            no_proxy: '',
            NO_PROXY: '',
          },
        });
        assert.equal(exitCode, 0, output);
        return output;
      };
      /** The JSON in what is printed, which the command line may have warnings around. */
      const json = async (...args: string[]) => {
        const output = await databricks(...args);
        return JSON.parse(
          output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1).replace(/: (\d{16,})/g, ': "$1"'),
        );
      };

      it('imports a notebook, finds the job, runs it, and finds how the run has ended', async () => {
        const notebook = join(root, 'notebooks/scikit-titanic.py');
        await databricks('workspace', 'mkdirs', '/live');
        await databricks('workspace', 'import', notebook, '/live/scikit-titanic', '-l', 'python', '-o');
        assert.match(await databricks('workspace', 'ls', '/live'), /scikit-titanic/);

        const list = await databricks('jobs', 'list', ...allPages);
        const jobId = /^(\d+) +train-titanic-model$/m.exec(list)![1]!;
        const params = JSON.stringify({ model_version: version });
        const { run_id } = await json('jobs', 'run-now', '--job-id', jobId, '--notebook-params', params);

        for (;;) {
          const { runs } = await json('runs', 'list', '--job-id', jobId, '--output', 'JSON');
          const found = runs.find((one: { run_id: string }) => one.run_id === run_id);
          if (found.state.life_cycle_state !== 'TERMINATED') continue;
          assert.equal(found.state.result_state, 'SUCCESS');
          break;
        }
        const { notebook_output } = await json('runs', 'get-output', '--run-id', run_id);
        assert.equal(notebook_output.result, `stored ${version}`);
      });

      it('lists more jobs than a page has', async () => {
        const names = Array.from({ length: 30 }, (_, number) => `of-${version}-${number}`);
        for (const name of names) workspace.createJob({ name });
        const list = await databricks('jobs', 'list', ...allPages);
        for (const name of names) assert.match(list, new RegExp(`${name}$`, 'm'));
      });
    });
  }
});
