import assert from 'node:assert/strict';
import type { JsonObject } from '../../../tasks/common/databricks/json';
import { TaskError } from '../../../tasks/common/errors';
import { type Job, readSettings } from '../../../tasks/DatabricksRunJob/databricks/jobs';
import { checkRunsFolder, checkRunsNotebook, findJob } from '../../../tasks/DatabricksRunJob/job';
import { answer, clientOf, FakeDatabricks, failure, type Received } from './support';

const BIG_ID = '8795400285113916203';

/** A listed job; the id is written raw, as the service does. */
const listed = (id: string, name: string, creator = 'ada@example.org') =>
  `{"job_id":${id},"creator_user_name":"${creator}","created_time":1700000000000,"settings":{"name":"${name}"}}`;

/** A workspace of listed jobs, in pages, with the service's filter: upper and lower case are one. */
function workspaceOf(...pages: string[][]): FakeDatabricks {
  const page = ({ query }: Received) => {
    const index = Number(query.page_token ?? 0);
    const wanted = query.name?.toLowerCase();
    const jobs = pages[index]!.filter(
      (job) => wanted === undefined || JSON.parse(job).settings.name.toLowerCase() === wanted,
    );
    const next = index + 1 < pages.length ? `,"next_page_token":"${index + 1}"` : '';
    return answer(200, `{${jobs.length > 0 ? `"jobs":[${jobs.join(',')}]` : '"x":0'}${next}}`);
  };
  return new FakeDatabricks()
    .on('GET jobs/list', page)
    .on('GET jobs/get', ({ query }) => answer(200, `{"job_id":${query.job_id},"settings":{"name":"found"}}`));
}

describe('finding a job', () => {
  it('by name asks for that name only, and keeps all digits of the id', async () => {
    const fake = workspaceOf([listed('1', 'other'), listed(BIG_ID, 'train')]);
    assert.equal((await findJob(clientOf(fake), 'train')).id, BIG_ID);
    assert.equal(fake.to('GET jobs/list')[0]?.query.name, 'train');
    assert.equal(fake.to('GET jobs/get')[0]?.query.job_id, BIG_ID);
  });

  it('by name tells upper from lower case, which the service does not', async () => {
    const fake = workspaceOf([listed('1', 'TRAIN'), listed('2', 'train'), listed('3', 'Train')]);
    assert.equal((await findJob(clientOf(fake), 'train')).id, '2');
  });

  it('by name goes through all pages, empty ones included', async () => {
    const fake = workspaceOf([listed('1', 'Train')], [], [listed('7', 'train')]);
    assert.equal((await findJob(clientOf(fake), 'train')).id, '7');
  });

  it('by id asks for that job only', async () => {
    const fake = workspaceOf([]);
    assert.equal((await findJob(clientOf(fake), BIG_ID)).id, BIG_ID);
    assert.equal(fake.to('GET jobs/list').length, 0);
  });

  it('lists the nearest names when there is none of the name', async () => {
    const fake = workspaceOf(
      [listed('1', 'deploy-api'), listed('2', 'train-titanic')],
      [listed('3', 'Train-Titanik')],
    );
    await assert.rejects(
      findJob(clientOf(fake), 'train-titanik'),
      /no job named 'train-titanik'.*nearest names: 'Train-Titanik', 'train-titanic', 'deploy-api'.*'job'/,
    );
  });

  it('says so when there is no job at all', async () => {
    await assert.rejects(
      findJob(clientOf(workspaceOf([])), 'train'),
      /sees no jobs.*https:\/\/adb-.*'Can View'/,
    );
  });

  it('lists ids, creators and dates when several have the name', async () => {
    const fake = workspaceOf([listed('1', 'train')], [listed(BIG_ID, 'train', 'bob@example.org')]);
    await assert.rejects(findJob(clientOf(fake), 'train'), (error) => {
      assert.ok(error instanceof TaskError);
      assert.match(error.message, /2 jobs named 'train'.*'job' to the id.*1, 8795400285113916203/);
      assert.deepEqual(error.details, [
        'Job 1: created by ada@example.org on 2023-11-14',
        `Job ${BIG_ID}: created by bob@example.org on 2023-11-14`,
      ]);
      return true;
    });
  });

  it('lists those without a date of which the service tells no time', async () => {
    const job = (id: number, time: string) =>
      `{"job_id":${id},"creator_user_name":"ada","created_time":${time},"settings":{"name":"train"}}`;
    const fake = workspaceOf([job(1, 'null'), job(2, '1e300')]);
    await assert.rejects(findJob(clientOf(fake), 'train'), (error) => {
      assert.deepEqual((error as TaskError).details, ['Job 1: created by ada', 'Job 2: created by ada']);
      return true;
    });
  });

  it('says that there is no job of an id, which the service answers with 400', async () => {
    const fake = new FakeDatabricks().on(
      'GET jobs/get',
      failure(400, 'INVALID_PARAMETER_VALUE', 'Job 5 does not exist.'),
    );
    await assert.rejects(findJob(clientOf(fake), '5'), /no job with the id 5.*'job'/);
  });

  it('names the permission that is missing', async () => {
    const denied = failure(403, 'PERMISSION_DENIED', 'User does not have View permissions');
    await assert.rejects(
      findJob(clientOf(new FakeDatabricks().on('GET jobs/get', denied)), '5'),
      /'Can View' on the job/,
    );
  });

  it('reads tasks and parameters from all pages', async () => {
    const task = (key: string) => ({ task_key: key, notebook_task: { notebook_path: `/live/${key}` } });
    const fake = new FakeDatabricks().on('GET jobs/get', ({ query }) =>
      query.page_token
        ? { settings: { name: 'big', tasks: [task('b')], parameters: [] } }
        : {
            settings: { name: 'big', tasks: [task('a')], parameters: [{ name: 'p' }] },
            next_page_token: 'x',
          },
    );
    const job = await findJob(clientOf(fake), '5');
    assert.deepEqual(
      job.notebooks.map(({ taskKey }) => taskKey),
      ['a', 'b'],
    );
    assert.deepEqual([job.name, job.parameters], ['big', ['p']]);
  });
});

describe('the check that a job runs the notebook', () => {
  async function check(settings: object, path = '/live/train'): Promise<void> {
    const fake = new FakeDatabricks().on('GET jobs/get', {
      job_id: 5,
      settings: { name: 'train', ...settings },
    });
    const job: Job = await findJob(clientOf(fake), '5');
    checkRunsNotebook(job, path);
  }
  const notebookTask = (path: string, source?: string) => ({
    task_key: 'main',
    notebook_task: { notebook_path: path, ...(source && { source }) },
  });

  it('passes for the same path, with or without /Workspace on either side', async () => {
    await check({ tasks: [notebookTask('/live/train')] });
    await check({ tasks: [notebookTask('/Workspace/live/train')] });
    await check({ tasks: [notebookTask('/live/train')] }, '/Workspace/live/train');
  });

  it('passes when one of several tasks runs it, in a loop too', async () => {
    await check({
      tasks: [{ task_key: 'jar', spark_jar_task: {} }, notebookTask('/other'), notebookTask('/live/train')],
    });
    await check({ tasks: [{ task_key: 'loop', for_each_task: { task: notebookTask('/live/train') } }] });
  });

  it('passes for a workspace task of a job that has a git source as well', async () => {
    await check({
      git_source: { git_url: 'https://example.org/r' },
      tasks: [notebookTask('/live/train', 'WORKSPACE')],
    });
  });

  it('refuses a job that runs another notebook, and says which', async () => {
    await assert.rejects(
      check({ tasks: [notebookTask('/live/Train')] }),
      /'train' does not run the notebook '\/live\/train'.*'\/live\/Train' \(task 'main'\).*'notebookPath' or 'job'/,
    );
  });

  it('refuses a job that runs no notebook', async () => {
    await assert.rejects(
      check({ tasks: [{ task_key: 'jar', spark_jar_task: {} }] }),
      /runs no notebook, but 'jar' \(spark_jar_task\).*leave inputs 'notebookFile' and 'notebookPath' empty/,
    );
    await assert.rejects(check({}), /has no tasks yet.*notebook task with that path/);
  });

  it('refuses a job that takes its notebooks from git, and says from where', async () => {
    const git = { git_source: { git_url: 'https://example.org/repo', git_branch: 'main' } };
    const message =
      /from git.*no effect.*'live\/train' from https:\/\/example\.org\/repo at main \(task 'main'\)/;
    await assert.rejects(check({ ...git, tasks: [notebookTask('live/train')] }), message);
    await assert.rejects(check({ ...git, tasks: [notebookTask('live/train', 'GIT')] }), message);
    await assert.rejects(check({ ...git, tasks: [notebookTask('/live/train')] }), /from git/);
  });
});

describe('the check that a job runs something of a folder', () => {
  const OBJECTS = [
    { name: 'train', isNotebook: true },
    { name: 'steps/plain.py', isNotebook: false },
  ];
  const check = (task: object, settings: object = {}) =>
    checkRunsFolder(
      readSettings({ name: 'train', tasks: [{ task_key: 'main', ...task }], ...settings } as JsonObject),
      '/live/x',
      OBJECTS,
    );
  const notebookTask = (path: string) => ({ notebook_task: { notebook_path: path } });

  it('passes for a notebook in it, and for a Python file', () => {
    check(notebookTask('/Workspace/live/x/train'));
    check({ spark_python_task: { python_file: '/Workspace/live/x/steps/plain.py' } });
  });

  it('refuses a job whose notebook the folder lacks, or has as a file', () => {
    assert.throws(
      () => check(notebookTask('/live/x/other')),
      /'\/live\/x\/other' \(task 'main'\), but the folder.*no such notebook\. Correct/,
    );
    assert.throws(
      () => check(notebookTask('/live/x/steps/plain')),
      /no such notebook\. Its file there is not one.*Add that line/,
    );
  });

  it('refuses a job of other things, of another folder, or from git', () => {
    const other = /runs nothing of the folder '\/live\/x'/;
    assert.throws(() => check(notebookTask('/live/xy/train')), other);
    assert.throws(() => check({ sql_task: {} }), /It runs a sql_task \(task 'main'\)/);
    const python = { spark_python_task: { python_file: '/live/x/steps/plain.py' } };
    assert.throws(() => check(python, { git_source: { git_url: 'https://example.org/r' } }), other);
  });
});
