import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../../../tasks/common/databricks/json';
import { compare, doubledTasks, readDefinition } from '../../../tasks/DatabricksRunJob/job-definition';

describe('the file of a job definition', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'definition-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  function read(text: string, job = 'train') {
    const file = join(folder, 'job.json');
    writeFileSync(file, text);
    return readDefinition(file, job);
  }

  it('holds settings, or what Databricks shows of a job', () => {
    assert.deepEqual(read('\ufeff{"timeout_seconds":60}'), { timeout_seconds: 60 });
    assert.deepEqual(read('{"job_id":5,"settings":{"name":"train"}}'), { name: 'train' });
  });

  it('keeps every digit of ids in it', () => {
    assert.deepEqual(read('{"tasks":[{"task_key":"a","run_job_task":{"job_id":8795400285113916203}}]}'), {
      tasks: [{ task_key: 'a', run_job_task: { job_id: 8795400285113916203n } }],
    });
  });

  it('may rename a job that is given by its id', () => {
    assert.deepEqual(read('{"name":"other"}', '5'), { name: 'other' });
  });

  const mistakes: [title: string, text: string, message: RegExp][] = [
    ['no JSON', '{"a":', /not valid JSON/],
    ['no object', '[]', /holds no JSON object/],
    ['tasks that are no list', '{"tasks":{}}', /'tasks' is \w+ \w+, where a list should be.*"task_key"/],
    ['a task without a key', '{"tasks":[{"notebook_task":{}}]}', /'tasks' must be a list.*'task_key'/],
    ['a task twice', '{"tasks":[{"task_key":"a"},{"task_key":"a"}]}', /'tasks' has 'a' twice/],
    [
      'version 2.0’s form',
      '{"name":"train","existing_cluster_id":"1","notebook_task":{"notebook_path":"/a"}}',
      /version 2\.0.*'notebook_task', 'existing_cluster_id' into an element of 'tasks'/,
    ],
    ['a bundle’s resources', '{"resources":{"jobs":{}}}', /file of a bundle.*bundle deploy/],
    ['a request to run', '{"job_id":1,"notebook_params":{"a":"b"}}', /request to run a job.*'parameters'/],
    ['permissions', '{"tasks":[],"access_control_list":[]}', /'access_control_list' is no setting of a job/],
    ['a bundle’s permissions', '{"tasks":[],"permissions":[]}', /'permissions' is no setting of a job/],
    ['another name', '{"name":"other"}', /names the job 'other', while input 'job' is 'train'/],
  ];
  for (const [title, text, message] of mistakes) {
    it(`is refused with ${title}`, () => assert.match(String(read(text)), message));
  }

  it('is refused as YAML, with what to write', () => {
    const file = join(folder, 'job.yml');
    writeFileSync(file, 'tasks:\n- task_key: a\n');
    assert.match(
      String(readDefinition(file, 'train')),
      /which is YAML.*JSON file.*"task_key".*bundle deploy/,
    );
  });

  it('is read without what the service says and never takes', () => {
    assert.deepEqual(read('{"format":"MULTI_TASK","timeout_seconds":1}'), { timeout_seconds: 1 });
  });

  it('is refused when it is a folder', () => {
    assert.match(String(readDefinition(folder, 'train')), /no such file/);
  });
});

describe('a job compared with its definition', () => {
  const settings: JsonObject = {
    name: 'train',
    timeout_seconds: 0,
    schedule: { quartz_cron_expression: '0 0 * * * ?', pause_status: 'PAUSED' },
    tasks: [
      {
        task_key: 'load',
        notebook_task: { notebook_path: '/load', base_parameters: { a: '1', b: '2' } },
        depends_on: [],
      },
      { task_key: 'train', notebook_task: { notebook_path: '/train', source: 'WORKSPACE' } },
    ],
    tags: { team: 'ml' },
  };

  it('is the same when everything in the file is so already', () => {
    const changes = compare(settings, {
      name: 'train',
      tasks: [{ notebook_task: { notebook_path: '/train' }, task_key: 'train' }],
    });
    assert.deepEqual([changes.changed, changes.removed, changes.lines], [[], [], []]);
    assert.deepEqual(changes.settings, settings);
  });

  it('keeps what the file does not mention, at every depth', () => {
    const { changed, settings: after } = compare(settings, {
      tasks: [{ task_key: 'load', notebook_task: { base_parameters: { a: '9' } } }],
      schedule: { pause_status: 'UNPAUSED' },
    });
    assert.deepEqual(changed, ['tasks', 'schedule']);
    assert.deepEqual(after.tasks, [
      {
        task_key: 'load',
        notebook_task: { notebook_path: '/load', base_parameters: { a: '9', b: '2' } },
        depends_on: [],
      },
      (settings.tasks as JsonObject[])[1],
    ]);
    assert.deepEqual(after.schedule, { quartz_cron_expression: '0 0 * * * ?', pause_status: 'UNPAUSED' });
    assert.deepEqual(after.tags, { team: 'ml' });
  });

  it('shows each difference with what was before', () => {
    const { lines } = compare(settings, {
      timeout_seconds: 60,
      schedule: null,
      tasks: [
        { task_key: 'load', depends_on: [{ task_key: 'x' }] },
        { task_key: 'new', notebook_task: { notebook_path: '/n' } },
      ],
    });
    assert.deepEqual(lines, [
      'timeout_seconds: 0 → 60',
      'schedule: {"quartz_cron_expression":"0 0 * * * ?","pause_status":"PAUSED"} → (none)',
      'tasks[load].depends_on: [] → [{"task_key":"x"}]',
      'tasks[new]: (none) → {"task_key":"new","notebook_task":{"notebook_path":"/n"}}',
    ]);
  });

  it('replaces lists of texts, of whatever name', () => {
    const live = {
      tasks: [{ task_key: 'a', spark_python_task: { python_file: 'a.py', parameters: ['--old'] } }],
    };
    const wanted = { tasks: [{ task_key: 'a', spark_python_task: { parameters: ['--a', '1'] } }] };
    for (const before of [live, {}] as JsonObject[]) {
      const [task] = compare(before, wanted).settings.tasks as { spark_python_task: JsonObject }[];
      assert.deepEqual(task!.spark_python_task.parameters, ['--a', '1']);
    }
    assert.deepEqual(compare(live, wanted).lines, [
      'tasks[a].spark_python_task.parameters: ["--old"] → ["--a","1"]',
    ]);
  });

  it('is the same where only what is empty is missing', () => {
    const { changed } = compare({ name: 'train' }, { name: 'train', tags: {}, parameters: [] });
    assert.deepEqual(changed, []);
  });

  it('names the settings that null removes', () => {
    const { changed, removed } = compare(settings, { schedule: null, timeout_seconds: 60, missing: null });
    assert.deepEqual([changed, removed], [['timeout_seconds'], ['schedule']]);
  });

  const equals: [title: string, live: JsonObject, wanted: JsonObject][] = [
    [
      'dependencies in another order',
      { tasks: [{ task_key: 'c', depends_on: [{ task_key: 'a' }, { task_key: 'b' }] }] },
      { tasks: [{ task_key: 'c', depends_on: [{ task_key: 'b' }, { task_key: 'a' }] }] },
    ],
    [
      'dependencies in another order within a for-each task',
      {
        tasks: [
          {
            task_key: 'c',
            for_each_task: { task: { task_key: 'd', depends_on: [{ task_key: 'a' }, { task_key: 'b' }] } },
          },
        ],
      },
      {
        tasks: [
          { task_key: 'c', for_each_task: { task: { depends_on: [{ task_key: 'b' }, { task_key: 'a' }] } } },
        ],
      },
    ],
    [
      'webhooks in another order',
      { webhook_notifications: { on_failure: [{ id: '1' }, { id: '2' }] } },
      { webhook_notifications: { on_failure: [{ id: '2' }, { id: '1' }] } },
    ],
    [
      'what the service consumes in a cluster',
      { job_clusters: [{ job_cluster_key: 'm', new_cluster: { policy_id: 'p' } }] },
      {
        job_clusters: [
          { job_cluster_key: 'm', new_cluster: { policy_id: 'p', apply_policy_default_values: true } },
        ],
      },
    ],
    [
      'numbers and flags as texts',
      { timeout_seconds: 60, queue: { enabled: true } },
      { timeout_seconds: '60', queue: { enabled: 'true' } },
    ],
    [
      'a provider in other letters',
      { git_source: { git_provider: 'azureDevOpsServices' } },
      { git_source: { git_provider: 'AZUREDEVOPSSERVICES' } },
    ],
  ];
  for (const [title, live, wanted] of equals) {
    it(`is the same with ${title}`, () => assert.deepEqual(compare(live, wanted).lines, []));
  }

  it('sends what the service consumes along with what differs', () => {
    const live = { job_clusters: [{ job_cluster_key: 'm', new_cluster: { num_workers: 1 } }] };
    const wanted = {
      job_clusters: [
        { job_cluster_key: 'm', new_cluster: { num_workers: 2, apply_policy_default_values: true } },
      ],
    };
    const { settings: after, lines } = compare(live, wanted);
    assert.deepEqual(after, wanted);
    assert.deepEqual(lines, ['job_clusters[m].new_cluster.num_workers: 1 → 2']);
  });

  it('still differs where a dependency is another', () => {
    const live = { tasks: [{ task_key: 'c', depends_on: [{ task_key: 'a' }, { task_key: 'b' }] }] };
    assert.equal(
      compare(live, { tasks: [{ task_key: 'c', depends_on: [{ task_key: 'b' }] }] }).lines.length,
      1,
    );
  });

  it('knows a task that was renamed in the file by its notebook', () => {
    const task = (key: string, path: string) => ({ task_key: key, notebook_task: { notebook_path: path } });
    const definition = { tasks: [task('new', '/live/train')] };
    const wanted = {
      tasks: [task('old', '/live/train'), task('load', '/live/load'), task('new', '/live/train')],
    };
    assert.match(
      doubledTasks(wanted, definition).join('|'),
      /^The job keeps task 'old'.*beside 'new'.*'\/live\/train'/,
    );
    assert.deepEqual(doubledTasks(definition, definition), []);
  });
});
