import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scenario } from '../../local/databricks/jobs/scenario';
import type { JsonObject } from '../../local/databricks/json';
import { failed, infrastructureFailed, type Outcome, succeeded } from '../../local/databricks/runs/outcome';
import { startWorkspace, type Workspace, type WorkspaceOptions } from '../../local/databricks/workspace';
import { errorsOf, runStep, type StepOptions } from '../support/extension';

const NOTEBOOK = '# Databricks notebook source\nprint("training")\n';
const BROKEN = failed({ error: 'ValueError: no rows', errorTrace: 'Traceback\nValueError: no rows' });

const task = (key: string, more: JsonObject = {}): JsonObject => ({
  task_key: key,
  notebook_task: { notebook_path: '/live/train' },
  ...more,
});
const ends = (outcome: Outcome): Scenario => ({ task: () => ({ outcome }) });

describe('DatabricksRunJob, packed, in a workspace', () => {
  let folder: string;
  let workspace: Workspace;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'scenario-'));
    writeFileSync(join(folder, 'train.py'), NOTEBOOK);
  });
  afterEach(async () => {
    await workspace.stop();
    rmSync(folder, { recursive: true });
  });

  async function start(options: Partial<WorkspaceOptions> = {}): Promise<void> {
    workspace = await startWorkspace({
      folder,
      timing: { pending: 1, terminating: 1, cancel: 1 },
      ...options,
    });
  }

  const run = (inputs: Record<string, string> = {}, options: StepOptions = {}) =>
    runStep(
      'DatabricksRunJob',
      {
        databricksHost: workspace.url,
        databricksToken: workspace.token,
        notebookFile: 'train.py',
        notebookPath: '/live/train',
        job: 'train',
        ...inputs,
      },
      { sources: folder, ...options },
    );

  const requestsTo = (route: string) =>
    workspace.requests.filter(({ method, path }) => `${method} ${path}`.endsWith(route));

  /** The first run would go on for an hour; those after it end at once. */
  function firstGoesOn(): Scenario {
    let runs = 0;
    return { task: () => ({ running: runs++ === 0 ? 3_600_000 : 0, outcome: succeeded() }) };
  }

  /** Starts the job's first run, which is cancelled as soon as somebody looks at a run that waits behind it. */
  async function keepBusyUntilSeen(): Promise<void> {
    const { runId } = (await run({ waitForCompletion: 'false' })).outputVariables;
    workspace.intercept(({ path, fields }) => {
      if (path.endsWith('/runs/get') && fields.run_id !== runId) {
        workspace.intercept(() => undefined);
        void post('jobs/runs/cancel', `{"run_id":${runId}}`);
      }
      return undefined;
    });
  }

  const post = (path: string, body: string) =>
    fetch(`${workspace.url}/api/2.2/${path}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${workspace.token}` },
      body,
    });

  it('creates the folder and the notebook once, and leaves them alone the next time', async () => {
    await start();
    workspace.createJob({ name: 'train', tasks: [task('train')] }, ends(succeeded()));
    assert.equal((await run()).result, 'Succeeded');
    assert.equal(requestsTo('/workspace/mkdirs').length, 1);
    const imports = requestsTo('/workspace/import').length;
    const seen = workspace.requests.length;
    const again = await run();
    assert.ok(again.log.some((line) => line.includes('was not written again')));
    assert.equal(requestsTo('/workspace/import').length, imports);
    const startedAt = workspace.requests.slice(seen).findIndex(({ path }) => path.endsWith('/run-now'));
    assert.equal(startedAt + 1, 5, 'requests until the run was created');
  });

  it('imports a folder, so that its notebook runs others and imports from files, and writes only what changed', async () => {
    await start({ python: 'python3' });
    const notebooks = join(folder, 'notebooks');
    mkdirSync(join(notebooks, 'package'), { recursive: true });
    const write = (name: string, text: string) => writeFileSync(join(notebooks, name), text);
    const source = (...cells: string[]) =>
      ['# Databricks notebook source', cells.join('\n\n# COMMAND ----------\n\n'), ''].join('\n');
    write('helpers.py', source('rows = 3'));
    write('package/__init__.py', '');
    write('package/clean.py', 'def clean(rows):\n    return rows - 1\n');
    write(
      'train.py',
      source(
        '# MAGIC %run ./helpers',
        'from package.clean import clean',
        'dbutils.notebook.exit(str(clean(rows)))',
      ),
    );
    workspace.createJob({
      name: 'train',
      tasks: [{ task_key: 'train', notebook_task: { notebook_path: '/live/titanic/train' } }],
    });
    const inputs = { notebookFile: 'notebooks', notebookPath: '/live/titanic' };
    const first = await run(inputs);
    assert.equal(first.result, 'Succeeded', first.log.join('\n'));
    assert.equal(first.outputVariables.notebookOutput, '2');
    assert.equal(requestsTo('/workspace/import').length, 4);

    write('package/clean.py', 'def clean(rows):\n    return rows - 2\n');
    rmSync(join(notebooks, 'package', '__init__.py'));
    const again = await run(inputs);
    assert.equal(again.outputVariables.notebookOutput, '1');
    assert.equal(requestsTo('/workspace/import').length, 5);
    assert.ok(again.log.some((line) => line.includes('left as they are: package/__init__.py')));
  });

  it('names what is in the notebook’s place', async () => {
    await start();
    workspace.createJob({ name: 'train', tasks: [task('train')] }, ends(succeeded()));
    await fetch(`${workspace.url}/api/2.0/workspace/mkdirs`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${workspace.token}` },
      body: '{"path":"/live/train"}',
    });
    assert.match(errorsOf(await run()), /'\/live\/train' in the workspace is a DIRECTORY.*'notebookPath'/);
    assert.equal(requestsTo('/run-now').length, 0);
  });

  it('waits through states that it does not know, and judges a failure on classic compute', async () => {
    await start({ compute: 'classic' });
    const detours = [{ state: 'FROBBING', milliseconds: 1 }];
    const scenario = { ...ends(BROKEN), detours };
    workspace.createJob({ name: 'train', tasks: [task('train')] }, scenario);
    const step = await run();
    assert.match(errorsOf(step), /failed: ValueError: no rows\./);
    assert.equal(step.outputVariables.resultState, 'FAILED');
  });

  it('waits for its turn where the service leaves out the state of a queued run', async () => {
    await start();
    workspace.createJob(
      { name: 'train', tasks: [task('train')] },
      { ...firstGoesOn(), hidesQueuedState: true },
    );
    await keepBusyUntilSeen();
    assert.equal((await run()).result, 'Succeeded');
  });

  it('finds the job among names that differ in case, behind an empty page', async () => {
    await start({ emptyPages: true });
    workspace.createJob({ name: 'TRAIN', tasks: [task('train')] }, ends(BROKEN));
    const id = workspace.createJob({ name: 'train', tasks: [task('train')] }, ends(succeeded()));
    const step = await run();
    assert.equal(step.outputVariables.jobId, id);
    assert.equal(step.result, 'Succeeded');
  });

  it('runs a job whose name is longer than that of any file may be', async () => {
    await start();
    const job = 'train '.repeat(50).trim();
    workspace.createJob({ name: job, tasks: [task('train')] }, ends(succeeded()));
    const step = await run({ job });
    assert.equal(step.result, 'Succeeded', step.log.join('\n'));
  });

  it('asks for the id when two jobs share the name', async () => {
    await start();
    const ids = [1, 2].map(() => workspace.createJob({ name: 'train', tasks: [task('train')] }));
    const step = await run();
    assert.match(errorsOf(step), new RegExp(`2 jobs named 'train'.*${ids[1]}, ${ids[0]}`));
    assert.ok(step.log.some((line) => line.startsWith(`Job ${ids[0]}: created by`)));
  });

  it('creates the job from its definition, updates it when it differs, and shows how', async () => {
    // No Python here: what the job's runs do does not matter, only that they are started.
    await start();
    const write = (more: object) =>
      writeFileSync(join(folder, 'job.json'), JSON.stringify({ tasks: [task('train')], ...more }));
    write({ timeout_seconds: 60 });
    const inputs = { jobDefinition: 'job.json', waitForCompletion: 'false' };
    const created = await run(inputs);
    assert.equal(created.result, 'Succeeded', created.log.join('\n'));
    assert.ok(created.log.includes(`Created job 'train' (${created.outputVariables.jobId}).`));

    assert.equal((await run(inputs)).outputVariables.jobId, created.outputVariables.jobId);
    assert.equal(requestsTo('/jobs/update').length, 0);

    write({ timeout_seconds: 120, max_concurrent_runs: 1 });
    const updated = await run(inputs);
    assert.ok(updated.log.includes('  timeout_seconds: 60 → 120'));
    assert.deepEqual(
      requestsTo('/jobs/update').map(({ fields }) => fields.new_settings),
      [{ timeout_seconds: 120 }],
    );
  });

  it('leaves a job alone that differs only by what the service sorts and consumes, so that no permission to edit it is needed', async () => {
    await start();
    const definition = {
      format: 'MULTI_TASK',
      run_as: { user_name: 'data.scientist@example.com' },
      job_clusters: [
        {
          job_cluster_key: 'main',
          new_cluster: {
            spark_version: '15.4.x-scala2.12',
            node_type_id: 'Standard_D4ds_v5',
            num_workers: 1,
            apply_policy_default_values: true,
          },
        },
      ],
      tasks: [
        task('train', { job_cluster_key: 'main', depends_on: [{ task_key: 'b' }, { task_key: 'a' }] }),
        task('b', { job_cluster_key: 'main' }),
        task('a', { job_cluster_key: 'main' }),
      ],
    };
    writeFileSync(join(folder, 'job.json'), JSON.stringify(definition));
    const inputs = { jobDefinition: 'job.json', waitForCompletion: 'false' };
    const created = await run(inputs);
    assert.equal(created.result, 'Succeeded', created.log.join('\n'));
    assert.deepEqual(created.issues, []);
    workspace.intercept(({ path }) =>
      path.endsWith('/jobs/update')
        ? { answer: { status: 403, body: { error_code: 'PERMISSION_DENIED', message: 'No' } } }
        : undefined,
    );
    const again = await run(inputs);
    assert.equal(again.result, 'Succeeded', again.log.join('\n'));
  });

  it('says which settings of the definition the service dropped', async () => {
    await start();
    writeFileSync(
      join(folder, 'job.json'),
      JSON.stringify({ tasks: [task('train', { timeout_secs: 60 })], max_runs: 2 }),
    );
    const step = await run({ jobDefinition: 'job.json', waitForCompletion: 'false' });
    const [warning] = step.issues.filter(({ type }) => type === 'warning');
    assert.match(
      warning?.message ?? '',
      /did not keep 2 settings.*tasks\[train\]\.timeout_secs, max_runs\. Check how they are spelled/,
    );
  });

  describe('with a job that is busy', () => {
    it('waits for its turn, and says for what', async () => {
      await start();
      // The job's own choice is to skip runs; the step's goes before it.
      workspace.createJob(
        { name: 'train', tasks: [task('train')], queue: { enabled: false } },
        firstGoesOn(),
      );
      await keepBusyUntilSeen();
      const step = await run();
      assert.equal(step.result, 'Succeeded');
      assert.ok(
        step.log.includes("Run: QUEUED: Queued because the job's limit of 1 concurrent runs was reached."),
      );
    });

    it('fails where it is told to', async () => {
      await start();
      workspace.createJob({ name: 'train', tasks: [task('train')] }, firstGoesOn());
      await run({ waitForCompletion: 'false' });
      const step = await run({ whenBusy: 'fail' });
      assert.match(
        errorsOf(step),
        /was skipped, since the job has as many runs going on.*'whenBusy' to queue/,
      );
      assert.equal(step.outputVariables.resultState, 'MAXIMUM_CONCURRENT_RUNS_REACHED');
    });
  });

  it('follows blocked tasks and tasks that are tried again, and reports the last attempt', async () => {
    await start();
    workspace.createJob(
      {
        name: 'train',
        tasks: [task('load', { max_retries: 1 }), task('train', { depends_on: [{ task_key: 'load' }] })],
      },
      {
        task: ({ key, attempt }) => ({
          running: 10,
          outcome: failed({ error: `${key} failed in attempt ${attempt + 1}` }),
        }),
      },
    );
    const step = await run();
    assert.match(errorsOf(step), /task 'load': load failed in attempt 2\./);
    assert.ok(step.log.some((line) => /^Task train: .*UPSTREAM_FAILED/.test(line)));
  });

  it('follows a run of more than a hundred tasks', async () => {
    await start();
    const tasks = Array.from({ length: 120 }, (_, index) => task(`t${index}`));
    workspace.createJob(
      { name: 'train', tasks },
      { task: ({ key }) => ({ outcome: key === 't119' ? BROKEN : succeeded() }) },
    );
    const step = await run();
    assert.match(errorsOf(step), /task 't119': ValueError: no rows/);
    assert.ok(step.log.some((line) => line.startsWith('120 tasks: ')));
  });

  it('starts one run when the answer to its start is lost', async () => {
    await start();
    workspace.createJob({ name: 'train', tasks: [task('train')] }, ends(succeeded()));
    let lost = 0;
    workspace.intercept(({ path }) =>
      path.endsWith('/run-now') && lost++ === 0 ? { afterHandling: true } : undefined,
    );
    const step = await run();
    assert.equal(step.result, 'Succeeded');
    assert.equal(requestsTo('/run-now').length, 2);
    const looked = new Set(requestsTo('/runs/get').map(({ fields }) => fields.run_id));
    assert.deepEqual([...looked], [step.outputVariables.runId]);
  });

  it('takes over the run of an earlier attempt at its job, unless it is told to start anew', async () => {
    await start();
    workspace.createJob({ name: 'train', tasks: [task('train')] }, ends(succeeded()));
    const agent = { workFolder: join(folder, 'agent') };
    const first = await run({}, agent);
    const rerun = await run({}, { ...agent, attempt: 2 });
    assert.equal(rerun.result, 'Succeeded', rerun.log.join('\n'));
    assert.equal(rerun.outputVariables.runId, first.outputVariables.runId);
    const anew = await run({ onRerun: 'startAnew' }, { ...agent, attempt: 3 });
    assert.notEqual(anew.outputVariables.runId, first.outputVariables.runId);
  });

  for (const [when, route] of [
    ['the answer to its start is awaited', '/run-now'],
    ['it is looked at', '/runs/get'],
  ] as const) {
    it(`cancels the run when the step is cancelled while ${when}`, async () => {
      await start();
      workspace.createJob(
        { name: 'train', tasks: [task('train')] },
        { task: () => ({ running: 3_600_000, outcome: succeeded() }) },
      );
      const cancel = new AbortController();
      workspace.intercept(({ path }) => {
        if (!path.endsWith(route) || cancel.signal.aborted) return undefined;
        cancel.abort();
        return { afterHandling: true, isSilent: true };
      });
      const step = await run({}, { signal: cancel.signal });
      assert.equal(step.result, 'Canceled');
      const runs = await fetch(`${workspace.url}/api/2.2/jobs/runs/list`, {
        headers: { Authorization: `Bearer ${workspace.token}` },
      });
      assert.equal(((await runs.json()) as { runs: unknown[] }).runs.length, 1);
      assert.deepEqual(
        requestsTo('/runs/cancel').map(({ status }) => status),
        [200],
      );
    });
  }

  for (const repairsCountAnew of [false, true]) {
    it(`repairs what the machines failed, ${repairsCountAnew ? 'with attempts counted anew' : 'once'}`, async () => {
      await start({ repairsCountAnew });
      let attempts = 0;
      workspace.createJob(
        { name: 'train', tasks: [task('train')] },
        {
          task: () => ({
            outcome:
              attempts++ === 0
                ? infrastructureFailed('CLUSTER_ERROR', 'The driver node is gone')
                : succeeded({ exitValue: 'stored' }),
          }),
        },
      );
      const step = await run({ repairAttempts: '1' });
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));
      assert.equal(step.outputVariables.notebookOutput, 'stored');
      assert.equal(requestsTo('/runs/repair').length, 1);
    });
  }

  it('passes parameters only where they are declared, whatever the service makes of others', async () => {
    await start({ refusesUndeclaredParameters: true });
    workspace.createJob(
      { name: 'train', tasks: [task('train')], parameters: [{ name: 'version', default: '' }] },
      { task: ({ parameters }) => ({ outcome: succeeded({ exitValue: `v${parameters.version}` }) }) },
    );
    const step = await run({ parameters: '{"version": 1.0}' });
    assert.equal(step.outputVariables.notebookOutput, 'v1.0');
    assert.match(errorsOf(await run({ parameters: 'verzion=1' })), /sets verzion.*declares only version/);
  });

  it('hands on the members of what the notebook returned', async () => {
    await start();
    workspace.createJob(
      { name: 'train', tasks: [task('train')] },
      ends(succeeded({ exitValue: '{"accuracy": 0.90, "model": {"name": "titanic"}}' })),
    );
    const { outputVariables } = await run();
    assert.equal(outputVariables['notebookOutput.accuracy'], '0.90');
    assert.equal(outputVariables['notebookOutput.model'], '{"name":"titanic"}');
  });

  it('marks an exit value of which Databricks kept the beginning only', async () => {
    await start();
    workspace.createJob(
      { name: 'train', tasks: [task('train')] },
      ends(succeeded({ exitValue: 'x'.repeat(5 * 1024 * 1024 + 1) })),
    );
    const { outputVariables } = await run();
    assert.equal(outputVariables.notebookOutputTruncated, 'true');
    assert.equal(outputVariables.notebookOutput?.length, 32_000);
    assert.ok(outputVariables.notebookOutputFile);
  });

  it('shows what a failed notebook printed', async () => {
    await start();
    const cells = [{ number: 1, kind: 'python', source: 'print(3)', output: 'read 891 rows\n' }];
    const outcome = failed({ error: 'ValueError: no rows', errorTrace: 'ValueError: no rows', cells });
    workspace.createJob({ name: 'train', tasks: [task('train')] }, ends(outcome));
    const step = await run();
    assert.equal(step.result, 'Failed');
    assert.ok(
      step.log.some((line) => line.includes('read 891 rows')),
      step.log.join('\n'),
    );
  });

  it('keeps the whole trace and the executed notebook with the run', async () => {
    await start();
    workspace.createJob({ name: 'train', tasks: [task('train')] }, ends(BROKEN));
    const { attachments } = await run({ exportHtml: 'true' }, { workFolder: join(folder, 'agent') });
    const text = (name: string) =>
      readFileSync(attachments.find((attachment) => attachment.name === name)!.path, 'utf8');
    assert.equal(text('train-trace.txt'), 'Traceback\nValueError: no rows');
    assert.match(text('train.html'), /<title>train<\/title>/);
  });

  it('says that a token has expired, and that a user may not', async () => {
    let expired = false;
    await start({ isTokenValid: () => !expired });
    workspace.createJob({ name: 'train', tasks: [task('train')] }, ends(succeeded()));
    workspace.intercept(({ path }) =>
      path.endsWith('/jobs/get')
        ? { answer: { status: 403, body: { error_code: 'PERMISSION_DENIED', message: 'No view' } } }
        : undefined,
    );
    assert.match(errorsOf(await run()), /user may not read job.*No view.*'Can View' on the job/);
    workspace.intercept(() => ({
      answer: { status: 401, body: { error_code: 401, message: 'Access token has expired' } },
    }));
    assert.match(errorsOf(await run()), /The token has expired/);
    workspace.intercept(() => undefined);
    expired = true;
    assert.match(errorsOf(await run()), /does not accept the token.*neither expired nor been revoked/);
  });
});
