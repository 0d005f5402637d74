import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabricksClient, PATIENCE } from '../../../tasks/common/databricks/client';
import { DatabricksError } from '../../../tasks/common/databricks/errors';
import type { HttpAnswer } from '../../../tasks/common/http';
import {
  createJob,
  getSettings,
  listJobs,
  readSettings,
  runNow,
} from '../../../tasks/DatabricksRunJob/databricks/jobs';
import {
  exportNotebook,
  getLatestRepair,
  getOutput,
  getRun,
  listEndedRuns,
} from '../../../tasks/DatabricksRunJob/databricks/runs';
import { exportObject, getObject, listFolder } from '../../../tasks/DatabricksRunJob/databricks/workspace';
import { readDefinition } from '../../../tasks/DatabricksRunJob/job-definition';
import { withWrongTypes } from '../../support/wrong-types';
import { ACCESS, answer, collectLog, FakeClock, FakeDatabricks, ORIGIN } from './support';

/** A client of a workspace that takes all of a step's patience for each answer, so that none is asked for again. */
function slowClient(route: string, reply: HttpAnswer): DatabricksClient {
  const clock = new FakeClock();
  const http = new FakeDatabricks().on(route, async () => {
    await clock.sleep(PATIENCE.forMilliseconds, signal);
    return reply;
  });
  return new DatabricksClient({
    workspace: { origin: ORIGIN, workspaceId: undefined },
    token: async () => 'dapi-secret',
    access: ACCESS,
    http,
    log: collectLog().log,
    signal,
    clock,
  });
}

const { signal } = new AbortController();

async function all<T>(items: AsyncGenerator<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const STATE = {
  state: {
    life_cycle_state: 'TERMINATED',
    result_state: 'FAILED',
    state_message: 'a',
    queue_reason: 'b',
  },
  status: {
    state: 'TERMINATED',
    termination_details: { code: 'c', type: 'd', message: 'e' },
    queue_details: { code: 'f', message: 'g' },
  },
};

const RUN = { ...STATE, run_id: 11, start_time: 1, end_time: 2 };

const TASK = {
  task_key: 'train',
  notebook_task: { notebook_path: '/live/train', source: 'WORKSPACE' },
  spark_python_task: { python_file: 'a.py', source: 'GIT' },
};

/** An answer to each kind of request, with all that is read of it, and who reads it. */
const ANSWERS: Record<string, [route: string, good: object, read: (client: DatabricksClient) => unknown]> = {
  'a list of jobs': [
    'GET jobs/list',
    { jobs: [{ job_id: 7, creator_user_name: 'a', created_time: 1, settings: { name: 'train' } }] },
    (client) => all(listJobs(client)),
  ],
  'a job': [
    'GET jobs/get',
    {
      settings: {
        name: 'train',
        tasks: [TASK, { task_key: 'each', for_each_task: { task: TASK } }],
        parameters: [{ name: 'a' }],
        git_source: { git_url: 'a', git_branch: 'b', git_tag: 'c', git_commit: 'd' },
      },
      run_as_user_name: 'robot',
    },
    async (client) => readSettings((await getSettings(client, '7')).settings),
  ],
  'a new job': ['POST jobs/create', { job_id: 7 }, (client) => createJob(client, { name: 'train' })],
  'a new run': [
    'POST jobs/run-now',
    { run_id: 11 },
    (client) =>
      runNow(client, {
        ...{ jobId: '7', idempotencyToken: 'a', waitsForTurn: true },
        ...{ notebookParameters: {}, jobParameters: {} },
      }),
  ],
  'a run': [
    'GET runs/get',
    {
      ...RUN,
      tasks: [
        {
          ...RUN,
          ...{ task_key: 'train', attempt_number: 0, queue_duration: 1, setup_duration: 1 },
          ...{ execution_duration: 1, cluster_instance: { cluster_id: 'a' }, existing_cluster_id: 'b' },
          ...{ job_cluster_key: 'c', environment_key: 'd', notebook_task: { notebook_path: '/live/train' } },
          run_job_task: { job_id: 8 },
          for_each_task: { stats: { error_message_stats: [{ error_message: 'a', count: 2 }] } },
        },
      ],
    },
    (client) => getRun(client, '11'),
  ],
  'a list of runs': ['GET runs/list', { runs: [RUN] }, (client) => all(listEndedRuns(client, '7'))],
  'the output of a run': [
    'GET runs/get-output',
    {
      notebook_output: { result: 'a', truncated: false },
      ...{ error: 'b', error_trace: 'c', logs: 'd', run_job_output: { run_id: 12 } },
    },
    (client) => getOutput(client, '11'),
  ],
  'the page of a run': [
    'GET runs/export',
    { views: [{ content: '<html>', type: 'NOTEBOOK' }] },
    (client) => exportNotebook(client, '11'),
  ],
  'the repairs of a run': [
    'GET runs/get',
    { repair_history: [{ id: 1 }, { id: 2 }] },
    (client) => getLatestRepair(client, '11'),
  ],
  'an object': [
    'GET workspace/get-status',
    { object_type: 'NOTEBOOK', language: 'PYTHON' },
    (client) => getObject(client, '/live/train'),
  ],
  'a folder': [
    'GET workspace/list',
    { objects: [{ path: '/live/train', object_type: 'NOTEBOOK', language: 'PYTHON' }] },
    (client) => listFolder(client, '/live'),
  ],
  'the content of an object': [
    'GET workspace/export',
    { content: 'YQ==' },
    (client) => exportObject(client, '/live/train', 'SOURCE'),
  ],
};

describe("Databricks' answers", () => {
  for (const [what, [route, good, read]] of Object.entries(ANSWERS)) {
    it(`are refused by the name of what is wrong in them: ${what}`, async () => {
      const ask = (reply: unknown) => read(slowClient(route, answer(200, JSON.stringify(reply))));
      await ask(good);
      for (const { place, value, wrong } of withWrongTypes(good)) {
        // Tasks' own runs are only asked for.
        if (place === 'tasks[0].run_id' && wrong === 'text') continue;
        await assert.rejects(
          async () => ask(value),
          (error) => {
            assert.ok(error instanceof DatabricksError, `${place}: ${(error as Error).stack}`);
            if (place) assert.ok(error.message.includes(` '${place}`), `${place}: ${error.message}`);
            return true;
          },
        );
      }
    });
  }

  it('that are refusals are read as far as they make sense', async () => {
    const refusal = {
      ...{ error_code: 'NO', message: 'Not today.', error: 'no', detail: 'no', scimType: 'no' },
      details: [{ metadata: { a: 'b' } }],
    };
    for (const { place, value } of withWrongTypes(refusal)) {
      const client = slowClient('GET runs/get', answer(400, JSON.stringify(value)));
      await assert.rejects(getRun(client, '11'), (error) => {
        assert.ok(error instanceof DatabricksError, `${place}: ${(error as Error).stack}`);
        assert.doesNotMatch(error.message, /\[object|undefined/);
        return true;
      });
    }
  });

  it('and the file of a definition, which is of the same form, are read by the same check', () => {
    const folder = mkdtempSync(join(tmpdir(), 'definition-'));
    const file = join(folder, 'job.json');
    const good = {
      name: 'train',
      tasks: [TASK, { task_key: 'each', for_each_task: { task: TASK } }],
      parameters: [{ name: 'a' }],
      git_source: { git_url: 'a', git_branch: 'b' },
    };
    try {
      for (const { place, value } of withWrongTypes(good)) {
        writeFileSync(file, JSON.stringify(value));
        const read = readDefinition(file, 'train');
        assert.equal(typeof read, 'string', place);
        assert.doesNotMatch(String(read), /\[object|undefined|is not a function/);
      }
      writeFileSync(file, '['.repeat(500_000));
      assert.match(String(readDefinition(file, 'train')), /not valid JSON: it nests too deeply/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
