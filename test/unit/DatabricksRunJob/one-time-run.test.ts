import assert from 'node:assert/strict';
import type { JsonObject } from '../../../tasks/common/databricks/json';
import { oneTimeRun, separateClusters } from '../../../tasks/DatabricksRunJob/one-time-run';

const NONE = { jobParameters: {}, notebookParameters: {} };
const COPY = { of: '/live/train', path: '/live/train-isolated-1' };
const FOLDER = { of: '/live/project', path: '/live/project/isolated-1' };
const CLUSTER = { spark_version: '15.4.x-scala2.12', num_workers: 1 };

describe('a one-time run in place of a job', () => {
  const tasksOf = (tasks: JsonObject[], more: JsonObject = {}, copy = COPY, parameters = NONE) =>
    oneTimeRun('train', { name: 'train', tasks, ...more }, copy, parameters).tasks as JsonObject[];

  const notebook = (path: string, more: JsonObject = {}): JsonObject => ({
    task_key: 'main',
    notebook_task: { notebook_path: path, source: 'WORKSPACE', ...more },
  });

  it('runs the copy wherever the job runs the notebook, and other notebooks as they are', () => {
    const tasks = [
      notebook('/live/train'),
      notebook('/Workspace/live/train'),
      notebook('/live/training'),
      { task_key: 'each', for_each_task: { inputs: '[1]', task: notebook('/live/train') } },
    ];
    const paths = tasksOf(tasks).map((task) => JSON.stringify(task).match(/"notebook_path":"([^"]*)"/)![1]);
    assert.deepEqual(paths, [COPY.path, `/Workspace${COPY.path}`, '/live/training', COPY.path]);
  });

  it('runs, installs and loads everything of a folder from its copy, and leaves parameters and git alone', () => {
    const tasks = [
      notebook('/live/project/sub/train', { base_parameters: { path: '/live/project/data' } }),
      {
        task_key: 'py',
        spark_python_task: { python_file: '/Workspace/live/project/a.py', parameters: ['/live/project/b'] },
      },
      { task_key: 'sql', sql_task: { file: { path: '/live/project/q.sql' }, warehouse_id: 'w' } },
      { task_key: 'git', spark_python_task: { python_file: 'live/project/a.py', source: 'GIT' } },
      { ...notebook('/live/project2/x'), libraries: [{ whl: '/Workspace/live/project/a.whl' }] },
    ];
    const environments = [
      {
        environment_key: 'e',
        spec: {
          client: '1',
          dependencies: [
            '/Workspace/live/project/a.whl',
            '-r /Workspace/live/project/requirements.txt',
            '-e/Workspace/live/project/package',
            '--constraint=/Workspace/live/project/pins.txt',
            '-r /Workspace/live/project2/requirements.txt',
            'numpy',
          ],
        },
      },
    ];
    const run = oneTimeRun('train', { tasks, environments }, FOLDER, NONE);
    const text = JSON.stringify(run);
    const copy = FOLDER.path;
    assert.ok(text.includes(`"${copy}/sub/train"`) && text.includes(`"${copy}/q.sql"`));
    // A program on the cluster finds a file of the workspace below /Workspace only.
    assert.ok(text.includes(`"/Workspace${copy}/a.py"`));
    assert.ok(text.includes(`{"whl":"/Workspace${copy}/a.whl"}`));
    assert.deepEqual(
      (run.environments as JsonObject[]).map(({ spec }) => (spec as JsonObject).dependencies),
      [
        [
          `/Workspace${copy}/a.whl`,
          `-r /Workspace${copy}/requirements.txt`,
          `-e/Workspace${copy}/package`,
          `--constraint=/Workspace${copy}/pins.txt`,
          '-r /Workspace/live/project2/requirements.txt',
          'numpy',
        ],
      ],
    );
    assert.deepEqual(text.match(/"(\/live\/project|live\/project)\/(data|b|a\.py)"/g), [
      '"/live/project/data"',
      '"/live/project/b"',
      '"live/project/a.py"',
    ]);
    assert.ok(text.includes('"/live/project2/x"') && text.includes('"numpy"'));
  });

  it('gives each task a cluster of its own in place of one that they share', () => {
    const shared = { job_cluster_key: 'small' };
    const tasks = [
      { ...notebook('/live/train'), ...shared },
      { task_key: 'each', for_each_task: { inputs: '[1]', task: { ...notebook('/live/train'), ...shared } } },
      { ...notebook('/live/other'), existing_cluster_id: '0123-x' },
    ];
    const settings = { job_clusters: [{ job_cluster_key: 'small', new_cluster: CLUSTER }] };
    const run = oneTimeRun('train', { tasks, ...settings }, COPY, NONE);
    assert.equal('job_clusters' in run, false);
    const [first, each, other] = run.tasks as JsonObject[];
    assert.deepEqual(first!.new_cluster, CLUSTER);
    assert.equal('job_cluster_key' in first!, false);
    assert.deepEqual((each!.for_each_task as { task: JsonObject }).task.new_cluster, CLUSTER);
    assert.equal(other!.existing_cluster_id, '0123-x');
    assert.equal(separateClusters({ tasks, ...settings }), 2);
    assert.equal(separateClusters({ tasks: [tasks[0]!], ...settings }), 0);
  });

  it('hands the job’s parameters down as the job would, with their defaults, over those of the tasks', () => {
    const tasks = [
      notebook('/live/train', { base_parameters: { version: 'of the task', own: 'kept' } }),
      { task_key: 'wheel', python_wheel_task: { package_name: 'p', named_parameters: { a: '1' } } },
      {
        task_key: 'positional',
        python_wheel_task: { package_name: 'p', parameters: ['{{job.parameters.version}}'] },
      },
      { task_key: 'sql', sql_task: { query: { query_id: 'q' }, warehouse_id: 'w' } },
      { task_key: 'alert', sql_task: { alert: { alert_id: 'a' }, warehouse_id: 'w' } },
      { task_key: 'job', run_job_task: { job_id: 7 } },
      {
        task_key: 'if',
        condition_task: { op: 'EQUAL_TO', left: '{{ job.parameters.region }}', right: '{{job.run_id}}' },
      },
    ];
    const parameters = [
      { name: 'version', default: '0' },
      { name: 'region', default: 'west' },
      { name: 'empty' },
    ];
    const given = { jobParameters: { version: '1.0.0' }, notebookParameters: {} };
    const [main, wheel, positional, sql, alert, job, condition] = tasksOf(tasks, { parameters }, COPY, given);
    const values = { version: '1.0.0', region: 'west', empty: '' };
    assert.deepEqual((main!.notebook_task as JsonObject).base_parameters, { own: 'kept', ...values });
    assert.deepEqual((wheel!.python_wheel_task as JsonObject).named_parameters, { a: '1', ...values });
    assert.deepEqual((positional!.python_wheel_task as JsonObject).parameters, ['1.0.0']);
    assert.equal('named_parameters' in (positional!.python_wheel_task as JsonObject), false);
    assert.deepEqual((sql!.sql_task as JsonObject).parameters, values);
    assert.equal('parameters' in (alert!.sql_task as JsonObject), false);
    assert.deepEqual((job!.run_job_task as JsonObject).job_parameters, values);
    assert.deepEqual(condition!.condition_task, { op: 'EQUAL_TO', left: 'west', right: '{{job.run_id}}' });
  });

  it('resolves a default that refers to another parameter, and leaves a reference to none as it is', () => {
    const parameters = [
      { name: 'model', default: 'titanic' },
      { name: 'container', default: '{{job.parameters.model}}-models' },
    ];
    const [main] = tasksOf(
      [notebook('/live/train', { base_parameters: { x: '{{job.parameters.nobody}}' } })],
      { parameters },
    );
    assert.deepEqual((main!.notebook_task as JsonObject).base_parameters, {
      x: '{{job.parameters.nobody}}',
      model: 'titanic',
      container: 'titanic-models',
    });
  });

  it('hands parameters to the notebooks alone where the job declares none', () => {
    const tasks = [
      notebook('/live/train', { base_parameters: { version: '0', own: 'kept' } }),
      { task_key: 'job', run_job_task: { job_id: 7 } },
    ];
    const [main, job] = tasksOf(tasks, {}, COPY, { jobParameters: {}, notebookParameters: { version: '1' } });
    assert.deepEqual((main!.notebook_task as JsonObject).base_parameters, { version: '1', own: 'kept' });
    assert.deepEqual(job!.run_job_task, { job_id: 7 });
  });

  it('keeps the settings that a run has, and none that only a job has', () => {
    const run = oneTimeRun(
      'train',
      {
        name: 'train',
        tasks: [
          { ...notebook('/live/train'), depends_on: [{ task_key: 'a' }], run_if: 'ALL_DONE', max_retries: 2 },
        ],
        timeout_seconds: 60,
        run_as: { service_principal_name: 'sp' },
        email_notifications: { on_failure: ['a@b'] },
        ...{
          max_concurrent_runs: 1,
          schedule: {},
          tags: { a: 'b' },
          format: 'MULTI_TASK',
          queue: { enabled: true },
        },
        ...{ parameters: [], job_clusters: [], performance_target: 'STANDARD' },
      },
      COPY,
      NONE,
    );
    assert.deepEqual(Object.keys(run).sort(), [
      'email_notifications',
      'run_as',
      'run_name',
      'tasks',
      'timeout_seconds',
    ]);
    assert.equal(run.run_name, 'train');
    const [task] = run.tasks as JsonObject[];
    assert.deepEqual(
      [task!.run_if, task!.max_retries, task!.depends_on],
      ['ALL_DONE', 2, [{ task_key: 'a' }]],
    );
  });

  it('is refused for a job with a task that is turned off, by its name', () => {
    assert.throws(
      () =>
        tasksOf([notebook('/live/train'), { task_key: 'old', disabled: true, run_job_task: { job_id: 1 } }]),
      /turned off \('old'\).*'isolate'/,
    );
  });
});
