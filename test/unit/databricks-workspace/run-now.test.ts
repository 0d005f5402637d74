import assert from 'node:assert/strict';
import type { JsonObject } from '../../../local/databricks/json';
import { succeeded } from '../../../local/databricks/runs/outcome';
import { Client } from './client';

const RUN_NOW = 'POST /api/2.2/jobs/run-now';

describe('Starting a run in the local Databricks workspace', () => {
  let client: Client;
  /** The parameters that notebooks have got, run by run. */
  let given: Record<string, string>[];
  beforeEach(async () => {
    client = await Client.start({ timing: { pending: 0 } });
    given = [];
  });
  afterEach(() => client.stop());

  const createJob = (settings: JsonObject = {}, base_parameters: JsonObject = {}) =>
    client.workspace.createJob(
      {
        name: 'train',
        max_concurrent_runs: 10,
        tasks: [{ task_key: 'train', notebook_task: { notebook_path: '/live/model', base_parameters } }],
        ...settings,
      },
      {
        task: ({ parameters }) => {
          given.push(parameters);
          return { outcome: succeeded() };
        },
      },
    );

  it('passes notebook parameters over those of the job', async () => {
    const jobId = createJob({}, { model_version: '0', storage_account: 'models' });
    await client.runNow(jobId, { notebook_params: { model_version: '1.0.0' } });
    await client.clock.advance(0);
    assert.deepEqual(given, [{ model_version: '1.0.0', storage_account: 'models' }]);
  });

  it('passes job parameters, which win over those of the task', async () => {
    const parameters = [
      { name: 'model_version', default: '0' },
      { name: 'region', default: 'west' },
    ];
    const jobId = createJob({ parameters }, { model_version: 'of the task' });
    const runId = await client.runNow(jobId, { job_parameters: { model_version: '1.0.0' } });
    await client.clock.advance(0);
    assert.deepEqual(given, [{ model_version: '1.0.0', region: 'west' }]);
    const { job_parameters } = await client.ok('GET /api/2.2/jobs/runs/get', { run_id: runId });
    assert.deepEqual(job_parameters, [
      { name: 'model_version', default: '0', value: '1.0.0' },
      { name: 'region', default: 'west', value: 'west' },
    ]);
  });

  it('fills in references to the run and the job', async () => {
    const jobId = createJob(
      {},
      {
        run: '{{job.run_id}}',
        page: '{{workspace.url}}/{{workspace.id}}',
        name: 'from {{ job.name }}',
        other: '{{job.nothing}}',
      },
    );
    const runId = await client.runNow(jobId);
    await client.clock.advance(0);
    assert.deepEqual(given, [
      {
        run: String(runId),
        page: `${client.workspace.url}/${client.workspace.id}`,
        name: 'from train',
        other: '{{job.nothing}}',
      },
    ]);
  });

  it('starts one run for one idempotency token, however often it is sent', async () => {
    const jobId = createJob();
    const first = await client.runNow(jobId, { idempotency_token: 'attempt-1' });
    await client.clock.advance(3_600_000);
    assert.equal(await client.runNow(jobId, { idempotency_token: 'attempt-1' }), first);
    assert.notEqual(await client.runNow(jobId, { idempotency_token: 'attempt-2' }), first);
    await client.clock.advance(0);
    assert.equal(given.length, 2);
  });

  it('finds the run again by its token when the answer got lost', async () => {
    const jobId = createJob();
    let lost = 0;
    client.workspace.intercept(({ path }) =>
      path.endsWith('/run-now') && lost++ === 0
        ? { answer: { status: 503, body: { error_code: 'TEMPORARILY_UNAVAILABLE' } }, afterHandling: true }
        : undefined,
    );
    const request = { job_id: jobId, idempotency_token: 'attempt-1' };
    assert.equal((await client.send(RUN_NOW, request)).status, 503);
    await client.ok(RUN_NOW, request);
    const { runs } = await client.ok('GET /api/2.2/jobs/runs/list', { job_id: jobId });
    assert.equal((runs as unknown[]).length, 1);
  });

  const refusals = [
    [
      'parameters as a string',
      { notebook_params: '{"a":"b"}' },
      "400 MALFORMED_REQUEST: Could not parse request object: Expected object for field 'notebook_params', found STRING",
    ],
    [
      'a number as parameter',
      { notebook_params: { version: 1 } },
      /Expected string for field 'notebook_params', found NUMBER/,
    ],
    [
      'a truth as job parameter',
      { job_parameters: { dry: true } },
      /Expected string for field 'job_parameters', found BOOLEAN/,
    ],
    [
      'more than 10,000 bytes',
      { notebook_params: { text: 'x'.repeat(10_000) } },
      /at most 10000 are allowed/,
    ],
    [
      'parameters of two kinds',
      { notebook_params: { a: 'b' }, jar_params: ['c'] },
      /cannot be given together/,
    ],
    ['a token of 65 characters', { idempotency_token: 'x'.repeat(65) }, /at most 64 are allowed/],
  ] as const;
  for (const [what, fields, expected] of refusals) {
    it(`is refused for ${what}, and nothing runs`, async () => {
      const message = await client.refused(RUN_NOW, {
        job_id: createJob(),
        ...(fields as unknown as JsonObject),
      });
      if (typeof expected === 'string') assert.equal(message, expected);
      else assert.match(message, expected);
      await client.clock.advance(0);
      assert.deepEqual(given, []);
    });
  }

  it('can refuse parameters that the job does not declare', async () => {
    const own = await Client.start({ refusesUndeclaredParameters: true });
    try {
      const jobId = BigInt(own.workspace.createJob({ parameters: [{ name: 'version', default: '' }] }));
      const refused = (fields: JsonObject) => own.refused(RUN_NOW, { job_id: jobId, ...fields });
      assert.match(
        await refused({ notebook_params: { version: '1' } }),
        /specifying task parameters is not allowed/,
      );
      assert.match(
        await refused({ job_parameters: { other: '1' } }),
        /does not define the job parameter 'other'/,
      );
      await own.runNow(String(jobId), { job_parameters: { version: '1' } });
    } finally {
      await own.stop();
    }
  });

  it('needs a job', async () => {
    assert.match(
      await client.refused(RUN_NOW),
      /^400 INVALID_PARAMETER_VALUE: Missing required field: job_id/,
    );
  });

  it('leads to a failed task when its notebook does not exist', async () => {
    const own = await Client.start({ python: 'python3', timing: { pending: 0 } });
    try {
      const task = { task_key: 'train', notebook_task: { notebook_path: '/live/nothing' } };
      const runId = await own.runNow(own.workspace.createJob({ tasks: [task] }));
      await own.clock.advance(3_600_000);
      const { state, status } = await own.run(runId);
      assert.equal(state.result_state, 'FAILED');
      assert.equal(status.termination_details?.code, 'RESOURCE_NOT_FOUND');
      assert.match(state.state_message, /Unable to access the notebook "\/live\/nothing"/);
    } finally {
      await own.stop();
    }
  });
});
