import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../../local/databricks/json';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { call, runNotebook, waitForEnd } from '../support/notebook-run';
import { examplePython } from '../support/python';

/** A notebook as Databricks writes it to git: the text of each cell, already with its `# MAGIC`. */
const notebook = (...cells: string[]) =>
  `# Databricks notebook source\n${cells.join('\n\n# COMMAND ----------\n\n')}\n`;

describe('A notebook as Databricks writes it, in the local workspace', function () {
  this.timeout(300_000); // the first time, Python packages have to be fetched

  let folder: string;
  let workspace: Workspace;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'notebook-source-'));
    const { python } = await examplePython();
    workspace = await startWorkspace({
      python,
      folder,
      timing: { pending: 0, terminating: 0, cancel: 0 },
    });
    await put('helpers', notebook('def double(x):\n    return 2 * x', 'size = dbutils.widgets.get("size")'));
    await put('child', notebook('dbutils.notebook.exit(dbutils.widgets.get("name") + " done")'));
    await put('failing', notebook('raise ValueError("no rows")'));
    await put('plain.py', 'def triple(x):\n    return 3 * x\n', { format: 'AUTO' });
  });
  after(async () => {
    await workspace?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const put = async (name: string, source: string, more: JsonObject = { language: 'PYTHON' }) => {
    await call(workspace, 'POST /api/2.0/workspace/mkdirs', { path: '/live' });
    const content = Buffer.from(source).toString('base64');
    await call(workspace, 'POST /api/2.0/workspace/import', { path: `/live/${name}`, content, ...more });
  };

  /** Each with the value that it exits with, or the error that it fails with. */
  const cases: Record<string, [string, string | RegExp]> = {
    'a title before a cell': [notebook('# DBTITLE 1,Load\nx = 1', 'dbutils.notebook.exit(x)'), '1'],
    'a title before a magic command': [
      notebook('# DBTITLE 1,Words\n# MAGIC %md\n# MAGIC # not Python', 'dbutils.notebook.exit(1)'),
      '1',
    ],
    'a hidden title before %pip': [
      notebook('# DBTITLE 0,Install\n# MAGIC %pip install pandas', 'dbutils.notebook.exit(1)'),
      '1',
    ],
    '%python': [notebook('# MAGIC %python\n# MAGIC x = 2', 'dbutils.notebook.exit(x)'), '2'],
    '%pip over several lines': [
      notebook(
        '# MAGIC %pip install --quiet \\\n# MAGIC   pandas \\\n# MAGIC   numpy',
        'dbutils.notebook.exit(1)',
      ),
      '1',
    ],
    '%pip in mid-cell': [
      notebook(
        'x = 1\n# MAGIC %pip install --quiet pandas\nimport pandas\nx = 3',
        'dbutils.notebook.exit(x)',
      ),
      '3',
    ],
    '%pip within an if': [
      notebook('if True:\n    %pip install --quiet pandas\n    x = 4', 'dbutils.notebook.exit(x)'),
      '4',
    ],
    'a text that looks like a command': [
      notebook('x = """\n%pip install nothing\n!exit\n"""', 'dbutils.notebook.exit(x.count("%"))'),
      '1',
    ],
    'a percent sign that is a remainder': [
      notebook('x = (7\n%4)\ny = 7 \\\n%4', 'dbutils.notebook.exit(x + y)'),
      '6',
    ],
    '%run of a notebook beside it, with what that is given': [
      notebook('# MAGIC %run ./helpers $size="5"', 'dbutils.notebook.exit(f"{double(4)} {size}")'),
      '8 5',
    ],
    '%run of a whole path in quotes': [
      notebook('# MAGIC %run "/Workspace/live/helpers" $size="a b"', 'dbutils.notebook.exit(size)'),
      'a b',
    ],
    '%run of what is not there': [
      notebook('# MAGIC %run ./missing'),
      /Unable to find the notebook \/live\/missing/,
    ],
    '%run beside other lines': [notebook('# MAGIC %run ./helpers\n# MAGIC x = 1'), /%run stands alone/],
    'an import of a file beside it': [
      notebook('from plain import triple', 'dbutils.notebook.exit(triple(3))'),
      '9',
    ],
    'a file under /Workspace': [
      notebook('dbutils.notebook.exit(open("/Workspace/live/plain.py").read()[:3])'),
      'def',
    ],
    '%fs': [
      notebook('# MAGIC %fs mkdirs /made/by/fs', 'dbutils.notebook.exit(dbutils.fs.ls("/made")[0].path)'),
      'dbfs:/made/by/',
    ],
    displayHTML: [notebook('displayHTML("<h1>Title</h1>")', 'dbutils.notebook.exit(1)'), '1'],
    getArgument: [notebook('dbutils.notebook.exit(getArgument("a", "otherwise"))'), 'otherwise'],
    '!command': [
      notebook(
        '!echo from the shell > made.txt',
        '!false',
        'dbutils.notebook.exit(open("made.txt").read().strip())',
      ),
      'from the shell',
    ],
    'lines = !command': [
      notebook('name = "x"\nlines = !echo {name} $name && echo y', 'dbutils.notebook.exit(lines)'),
      "['x x', 'y']",
    ],
    'top-level await': [
      notebook(
        'import asyncio\nawait asyncio.sleep(0)\nasync def f():\n    return 5',
        'x = await f()',
        'dbutils.notebook.exit(x)',
      ),
      '5',
    ],
    'async with at the top': [
      notebook(
        'import asyncio\nlock = asyncio.Lock()\nasync with lock:\n    x = 6',
        'dbutils.notebook.exit(x)',
      ),
      '6',
    ],
    'commands that only show': [
      notebook('%matplotlib inline\n%load_ext autoreload\n%autoreload 2', 'dbutils.notebook.exit(1)'),
      '1',
    ],
    '%time and %%time': [notebook('%time x = 7', '%%time\ny = x', 'dbutils.notebook.exit(y)'), '7'],
    'an unknown command': [notebook('%nonsense 1'), /does not know the command %nonsense/],
    'dbutils.notebook.run': [
      notebook('r = dbutils.notebook.run("./child", 60, {"name": "it"})', 'dbutils.notebook.exit(r)'),
      'it done',
    ],
    'dbutils.notebook.run of one that fails': [
      notebook('dbutils.notebook.run("failing", 60)'),
      /WorkflowException: \/live\/failing: FAILED: ValueError: no rows/,
    ],
    'a restart of Python, which forgets': [
      notebook('x = 1\ndbutils.library.restartPython()', 'dbutils.notebook.exit("x" in globals())'),
      'False',
    ],
  };
  for (const [what, [source, expected]] of Object.entries(cases)) {
    it(`may have ${what}`, async () => {
      const run = await runNotebook(workspace, source);
      if (typeof expected === 'string') {
        assert.equal(run.error, undefined, run.errorTrace);
        assert.equal(run.exitValue, expected);
      } else assert.match(String(run.error), expected);
    });
  }

  it('shows what it displays as HTML, as text', async () => {
    const { page } = await runNotebook(workspace, notebook('displayHTML("<h1>Big title</h1>")'));
    assert.match(page, /Big title/);
  });

  it('names the line of its own source in an error after a command over several lines', async () => {
    const run = await runNotebook(workspace, notebook('%pip install --quiet \\\n  pandas\nx = 1\n1 / 0'));
    assert.match(
      run.errorTrace!.replace(/\u001b\[[\d;]*m/g, ''),
      /command-1>, line 4\n[\s\S]*----> 4 1 \/ 0/,
    );
  });

  it('passes values from task to task, and into parameters', async () => {
    await put(
      'first',
      notebook('dbutils.jobs.taskValues.set("rows", 3)\ndbutils.jobs.taskValues.set(key="name", value="a")'),
    );
    await put(
      'second',
      notebook(`
values = dbutils.jobs.taskValues
rows = values.get(taskKey="first", key="rows")
other = values.get("first", "other", default=0)
dbutils.notebook.exit(f"{rows} {other} {dbutils.widgets.get('name')}")`),
    );
    await put('third', notebook('dbutils.jobs.taskValues.get("first", "other")'));
    const after = [{ task_key: 'first' }];
    const job_id = workspace.createJob({
      tasks: [
        { task_key: 'first', notebook_task: { notebook_path: '/live/first' } },
        {
          task_key: 'second',
          depends_on: after,
          notebook_task: {
            notebook_path: '/live/second',
            base_parameters: { name: '{{tasks.first.values.name}}' },
          },
        },
        { task_key: 'third', depends_on: after, notebook_task: { notebook_path: '/live/third' } },
      ],
    });
    const { run_id } = await call(workspace, 'POST /api/2.2/jobs/run-now', { job_id });
    const { tasks } = await waitForEnd(workspace, run_id as bigint);
    const output = (key: string) => {
      const task = (tasks as JsonObject[]).find((one) => one.task_key === key)!;
      return call(workspace, 'GET /api/2.2/jobs/runs/get-output', { run_id: task.run_id! });
    };
    assert.equal(((await output('second')).notebook_output as JsonObject).result, '3 0 a');
    assert.match(String((await output('third')).error), /'first' has left no value of the key 'other'/);
  });
});
