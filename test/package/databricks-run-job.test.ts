import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scenario } from '../../local/databricks/jobs/scenario';
import { failed, succeeded } from '../../local/databricks/runs/outcome';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { errorsOf, nodeVersions, runStep, type StepOptions } from '../support/extension';

describe('DatabricksRunJob, packed,', () => {
  let folder: string;
  let workspace: Workspace;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'databricks-'));
    writeFileSync(join(folder, 'train.py'), '# Databricks notebook source\nprint("training")\n');
    writeFileSync(join(folder, 'empty.py'), '');
    mkdirSync(join(folder, 'notebooks'));
    writeFileSync(join(folder, 'notebooks', 'README.md'), 'Notebooks');
    workspace = await startWorkspace({ folder, timing: { pending: 1, terminating: 1, cancel: 1 } });
    const job = (name: string, scenario: Scenario, path = '/live/train') =>
      workspace.createJob(
        { name, tasks: [{ task_key: 'train', notebook_task: { notebook_path: path } }] },
        scenario,
      );
    job('train', {
      task: ({ parameters }) => ({ outcome: succeeded({ exitValue: `stored ${parameters.model_version}` }) }),
    });
    job('broken', {
      task: () => ({
        outcome: failed({
          error: 'ValueError: no such column: fare',
          errorTrace:
            '\u001b[0;31mValueError\u001b[0m: no such column: fare\n##vso[task.setvariable variable=stolen]yes',
        }),
      }),
    });
    job('long', { task: () => ({ running: 3_600_000, outcome: succeeded() }) });
    workspace.createJob({
      name: 'from-git',
      git_source: { git_url: 'https://example.org/models', git_provider: 'gitHub', git_branch: 'main' },
      tasks: [{ task_key: 'train', notebook_task: { notebook_path: 'live/train' } }],
    });
    for (const creation of ['first', 'second'])
      job('twice', { task: () => ({ outcome: failed({ error: creation }) }) });
    job('other', { task: () => ({ outcome: succeeded() }) }, '/live/another');
  });

  after(async () => {
    await workspace.stop();
    rmSync(folder, { recursive: true });
  });

  const run = (inputs: Record<string, string>, options: StepOptions = {}) =>
    runStep(
      'DatabricksRunJob',
      {
        databricksHost: workspace.url,
        databricksToken: '$(databricks-token)',
        notebookFile: 'train.py',
        notebookPath: '/live/train',
        job: 'train',
        ...inputs,
      },
      {
        sources: folder,
        variableGroups: { secrets: { 'databricks-token': { value: workspace.token, isSecret: true } } },
        ...options,
      },
    );

  for (const nodeVersion of nodeVersions) {
    it(`imports, runs, follows and reports under Node ${nodeVersion}`, async () => {
      const step = await run({ parameters: 'model_version=1.0.0' }, { nodeVersion });
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));
      assert.match(step.nodeVersion!, new RegExp(`^${nodeVersion}\\.`));
      assert.equal(step.outputVariables.notebookOutput, 'stored 1.0.0');
      assert.equal(step.outputVariables.notebookOutputTruncated, 'false');
      assert.equal(step.outputVariables.resultState, 'SUCCESS');
      assert.match(
        step.outputVariables.runUrl!,
        new RegExp(`${workspace.url}.*${step.outputVariables.runId}`),
      );
      assert.ok(step.log.includes('The notebook returned: stored 1.0.0'));
      assert.equal(step.summaries.length, 1);
    });
  }

  it('fails with the error and the trace of the notebook, and obeys no command in it', async () => {
    const step = await run({ job: 'broken' });
    assert.equal(step.result, 'Failed');
    assert.match(errorsOf(step), /ValueError: no such column: fare/);
    assert.match(step.outputVariables.errorMessage!, /ValueError: no such column: fare/);
    assert.ok(step.log.some((line) => line.includes('##_vso[task.setvariable variable=stolen]yes')));
    assert.equal(step.outputVariables.stolen, undefined);
  });

  it('cancels the run when the step is cancelled', async () => {
    const cancel = new AbortController();
    const step = await run(
      { job: 'long' },
      {
        signal: cancel.signal,
        onLine: (line) => {
          if (line.includes('RUNNING')) cancel.abort();
        },
      },
    );
    assert.equal(step.result, 'Canceled');
    const cancelled = workspace.requests.find(({ path }) => path.endsWith('/jobs/runs/cancel'));
    assert.equal(cancelled?.status, 200);
  });

  it('keeps the token out of everything it leaves behind', async () => {
    const step = await run({}, { variables: { 'system.debug': 'true' } });
    assert.ok(step.log.some((line) => line.startsWith('##[debug]')));
    assert.ok(!JSON.stringify(step).includes(workspace.token));
  });

  const mistakes: [what: string, inputs: Record<string, string>, message: RegExp][] = [
    ['a notebook that is not there', { notebookFile: 'none.py' }, /'notebookFile'.*none\.py/],
    ['an empty notebook', { notebookFile: 'empty.py' }, /'notebookFile'.*empty/],
    [
      'a folder without the notebook that the job runs',
      { notebookFile: 'notebooks' },
      /runs '\/live\/train' .*'notebookFile' has no such notebook/,
    ],
    ['a notebook that is left out', { notebookFile: '' }, /'notebookFile' is missing/],
    ['a path that is not absolute', { notebookPath: 'live/train' }, /'notebookPath'/],
    ['a job that is not there', { job: 'trane' }, /trane[\s\S]*train/],
    ['a job that runs another notebook', { job: 'other' }, /\/live\/another/],
    [
      'a job that takes its notebooks from git',
      { job: 'from-git' },
      /from git.*example\.org\/models at main/,
    ],
    ['a job of which there are two', { job: 'twice' }, /2 jobs named 'twice'.*'job' to the id/],
    ['a number too long for an id', { job: '9223372036854775808' }, /'job'.*too long/],
    ['a parameter that is no plain value', { parameters: '{"a":[1]}' }, /'parameters' sets 'a'/],
    [
      'parameters that are too large',
      { parameters: `a=${'x'.repeat(10_000)}` },
      /10,008 bytes.*largest: a \(10/,
    ],
    [
      'the account console',
      { databricksHost: 'accounts.azuredatabricks.net' },
      /account console, which is no workspace/,
    ],
    ['a definition that is not there', { jobDefinition: 'none.json' }, /'jobDefinition'.*none\.json/],
    ['a wrong token', { databricksToken: 'dapi-wrong' }, /databricksToken/],
    [
      'a variable that nobody defined',
      { databricksHost: '$(databricks-host)' },
      /'databricksHost' holds \$\(databricks-host\)/,
    ],
    ['parameters that are no object', { parameters: '[1]' }, /'parameters'/],
  ];
  for (const [what, inputs, message] of mistakes) {
    it(`says plainly what is wrong with ${what}, and starts no run`, async () => {
      const before = workspace.requests.length;
      const step = await run(inputs);
      assert.equal(step.result, 'Failed');
      assert.equal(step.exitCode, 0);
      assert.match(errorsOf(step), message);
      const started = workspace.requests.slice(before).filter(({ path }) => path.endsWith('/run-now'));
      assert.deepEqual(started, []);
    });
  }

  it('says that Private Link turned it away', async () => {
    const headers = { Location: '/login.html?error=private-link-validation-error:1' };
    workspace.intercept(() => ({ answer: { status: 302, headers } }));
    try {
      assert.match(errorsOf(await run({})), /Private Link.*private network/);
    } finally {
      workspace.intercept(() => undefined);
    }
  });
});
