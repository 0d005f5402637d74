import assert from 'node:assert/strict';
import type { JsonObject } from '../../../local/databricks/json';
import { Client } from './client';

const NOTEBOOK_TASK = { task_key: 'train', notebook_task: { notebook_path: '/live/model' } };
const CLUSTER = { spark_version: '15.4.x-scala2.12', num_workers: 1 };
const CREATE = 'POST /api/2.2/jobs/create';

describe('Settings of jobs in the local Databricks workspace', () => {
  let client: Client;
  beforeEach(async () => {
    client = await Client.start();
  });
  afterEach(() => client.stop());

  const get = async (job_id: JsonObject['job_id']) =>
    (await client.ok('GET /api/2.2/jobs/get', { job_id: job_id! })).settings as JsonObject;
  const created = async (settings: JsonObject) => get((await client.ok(CREATE, settings)).job_id);

  /** A change of a job's settings, and whether a client sees what it sent when it looks again. */
  const unseen: Record<string, JsonObject> = {
    'a setting nobody knows': { max_concurent_runs: 5 },
    'a setting nobody knows of a task': { tasks: [{ ...NOTEBOOK_TASK, max_retrys: 2 }] },
    'a setting nobody knows of a notebook task': {
      tasks: [
        { task_key: 'train', notebook_task: { notebook_path: '/live/model', base_params: { a: '1' } } },
      ],
    },
    'the permissions of a bundle': { permissions: [{ level: 'CAN_VIEW', group_name: 'users' }] },
    access_control_list: { access_control_list: [{ group_name: 'users', permission_level: 'CAN_VIEW' }] },
    'apply_policy_default_values of a job cluster': {
      job_clusters: [
        { job_cluster_key: 'small', new_cluster: { ...CLUSTER, apply_policy_default_values: true } },
      ],
      tasks: [NOTEBOOK_TASK],
    },
    'apply_policy_default_values of a task': {
      tasks: [{ ...NOTEBOOK_TASK, new_cluster: { ...CLUSTER, apply_policy_default_values: true } }],
    },
    'apply_policy_default_values within a loop': {
      tasks: [
        {
          task_key: 'loop',
          for_each_task: {
            inputs: '[1]',
            task: { ...NOTEBOOK_TASK, new_cluster: { ...CLUSTER, apply_policy_default_values: true } },
          },
        },
      ],
    },
    'an empty list': { tasks: [{ ...NOTEBOOK_TASK, depends_on: [] }] },
    'an empty map': { tags: {} },
    null: { description: null },
  };
  for (const [what, settings] of Object.entries(unseen)) {
    it(`never give back ${what}`, async () => {
      const shown = JSON.stringify(await created({ name: 'train', ...settings }));
      const [name] =
        /max_concurent_runs|max_retrys|base_params|permissions|access_control_list|apply_policy_default_values|depends_on|tags|description/.exec(
          JSON.stringify(settings),
        )!;
      assert.ok(!shown.includes(name), shown);
    });
  }

  it('say MULTI_TASK, whatever format was sent', async () => {
    assert.equal((await created({ format: 'SINGLE_TASK' })).format, 'MULTI_TASK');
  });

  it('give dependencies and webhooks back in another order than they were sent in', async () => {
    const tasks = [
      { ...NOTEBOOK_TASK, task_key: 'b' },
      { ...NOTEBOOK_TASK, task_key: 'a' },
      { ...NOTEBOOK_TASK, depends_on: [{ task_key: 'b' }, { task_key: 'a' }] },
    ];
    const settings = await created({
      tasks,
      webhook_notifications: { on_failure: [{ id: '2' }, { id: '1' }] },
    });
    const train = (settings.tasks as JsonObject[]).find((task) => task.task_key === 'train');
    assert.deepEqual(train?.depends_on, [{ task_key: 'a' }, { task_key: 'b' }]);
    assert.deepEqual(settings.webhook_notifications, { on_failure: [{ id: '1' }, { id: '2' }] });
  });

  it('get what Azure fills in for a cluster', async () => {
    const { job_clusters } = await created({
      tasks: [NOTEBOOK_TASK],
      job_clusters: [{ job_cluster_key: 'small', new_cluster: CLUSTER }],
    });
    const { new_cluster } = (job_clusters as { new_cluster: JsonObject }[])[0]!;
    assert.equal((new_cluster.azure_attributes as JsonObject).availability, 'ON_DEMAND_AZURE');
    assert.equal(new_cluster.enable_elastic_disk, true);
  });

  it('keep the identity of the runs when they are reset', async () => {
    const run_as = { service_principal_name: 'principal' };
    const { job_id } = await client.ok(CREATE, { name: 'before', run_as });
    await client.ok('POST /api/2.2/jobs/reset', { job_id, new_settings: { name: 'after' } });
    assert.deepEqual((await get(job_id)).run_as, run_as);
    const { run_as_user_name } = await client.ok('GET /api/2.2/jobs/get', { job_id: job_id! });
    assert.equal(run_as_user_name, 'principal');
  });

  const task = (more: JsonObject) => ({ tasks: [{ ...NOTEBOOK_TASK, ...more }] });
  const refused: Record<string, [JsonObject, RegExp]> = {
    'more concurrent runs than there can be': [{ max_concurrent_runs: 1001 }, /between 0 and 1000/],
    'a text for a number': [{ max_concurrent_runs: 'many' }, /Expected integer .*, found STRING/],
    'a number for a parameter': [
      task({ notebook_task: { notebook_path: '/a', base_parameters: { a: 1 } } }),
      /MALFORMED_REQUEST.*Expected string for field 'base_parameters', found NUMBER/,
    ],
    'a word that is none': [task({ run_if: 'ALWAYS' }), /Unknown value 'ALWAYS' for field 'run_if'/],
    'a notebook path that is not absolute': [
      task({ notebook_task: { notebook_path: 'live/model' } }),
      /Only absolute paths are currently supported\. Paths must begin with '\/'/,
    ],
    'a cluster that is not there': [
      task({ job_cluster_key: 'small' }),
      /Job cluster 'small' is not defined in field 'job_clusters'/,
    ],
    'a cluster without a size': [
      task({ new_cluster: { spark_version: '15.4.x-scala2.12' } }),
      /Missing required field: settings\.cluster_spec\.new_cluster\.size/,
    ],
    'two clusters for a task': [
      task({ existing_cluster_id: '1', new_cluster: CLUSTER }),
      /more than one cluster/,
    ],
    'clusters and no task': [
      { job_clusters: [{ job_cluster_key: 'small', new_cluster: CLUSTER }] },
      /Shared job cluster feature is only supported in multi-task jobs/,
    ],
    'an environment that is not there': [task({ environment_key: 'default' }), /Environment 'default'/],
    'a task that does two things': [
      task({ spark_python_task: { python_file: '/a.py' } }),
      /notebook_task and spark_python_task/,
    ],
    'a task that does nothing': [{ tasks: [{ task_key: 'train' }] }, /exactly one thing to do/],
    'a task key with a space': [task({ task_key: 'train it' }), /Invalid task key 'train it'/],
    'a parameter twice': [{ parameters: [{ name: 'a' }, { name: 'a' }] }, /Duplicate name 'a'/],
    'a source in git without its provider': [
      { git_source: { git_url: 'https://host/a', git_branch: 'main' } },
      /git_source\.git_provider must be one of: github,/,
    ],
    'a schedule as Unix writes it': [
      { schedule: { quartz_cron_expression: '0 2 * * *', timezone_id: 'UTC' } },
      /Invalid quartz_cron_expression/,
    ],
    'a schedule in no time zone': [
      { schedule: { quartz_cron_expression: '0 0 2 * * ?', timezone_id: 'Mars' } },
      /Invalid timezone_id/,
    ],
    'a level of permission that is none': [
      { access_control_list: [{ group_name: 'users', permission_level: 'CAN_RUN' }] },
      /Permission level CAN_RUN/,
    ],
  };
  for (const [what, [settings, expected]] of Object.entries(refused)) {
    it(`are refused with ${what}`, async () => {
      const message = await client.refused(CREATE, settings);
      assert.match(message, /^400 /);
      assert.match(message, expected);
      assert.deepEqual(await client.ok('GET /api/2.2/jobs/list'), {});
    });
  }
});
