import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { inOwnGroup } from '../../local/processes';
import { preparePython } from '../../local/python';
import { root } from '../../scripts/paths';
import { call, runNotebook } from '../support/notebook-run';
import { skip } from '../support/skip';

/** A notebook in source format. */
const cells = (...sources: string[]) =>
  ['# Databricks notebook source', sources.join('\n\n# COMMAND ----------\n\n')].join('\n');
const magic = (source: string) =>
  source
    .split('\n')
    .map((line) => `# MAGIC ${line}`)
    .join('\n');
const exit = (expression: string) => `dbutils.notebook.exit(${expression})`;

/** Starts a process that ends when its connection does, and waits for it. */
const lastingChild = (port: number) => `
import subprocess, sys
subprocess.run([sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', ${port})).recv(1)"])`;

describe('A notebook in the local Databricks workspace', function () {
  this.timeout(600_000); // the first time, Python packages have to be fetched

  let python: string;
  let workspace: Workspace;
  let folder: string;
  const printed: string[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'notebooks-'));
    ({ python } = await preparePython({
      folder: join(root, '.local/python'),
      requirements: [join(root, 'local/requirements.txt')],
      log: () => {},
    }));
    workspace = await startWorkspace({
      python,
      folder,
      secrets: { mine: { password: 'pass<word>', other: 'pass' } },
      timing: { pending: 0, terminating: 0, cancel: 0 },
      log: (line) => printed.push(line),
    });
  });
  after(async () => {
    await workspace?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const exitValue = async (...sources: string[]) => {
    const run = await runNotebook(workspace, cells(...sources));
    assert.equal(run.error, undefined, run.errorTrace);
    return run.exitValue;
  };
  const failure = async (...sources: string[]) => {
    const run = await runNotebook(workspace, cells(...sources));
    assert.equal(run.resultState, 'FAILED');
    return { error: run.error!, trace: run.errorTrace!.replace(/\u001b\[[\d;]*m/g, ''), run };
  };

  describe('runs its cells', () => {
    it('one after another, in one namespace, up to its exit', async () => {
      assert.equal(await exitValue('a = 1', 'b = a + 1', exit('b'), 'raise Exception("never reached")'), '2');
    });

    it('without an exit value when it calls no exit', async () => {
      assert.equal(await exitValue('a = 1'), undefined);
    });

    it('and lets no handler of its own catch the exit', async () => {
      assert.equal(
        await exitValue(`try:\n    ${exit('"out"')}\nexcept Exception:\n    ${exit('"caught"')}`),
        'out',
      );
    });

    it('as one, when the file is no notebook but a plain script', async () => {
      const run = await runNotebook(workspace, `import json\n${exit('json.dumps([1])')}`);
      assert.equal(run.exitValue, '[1]');
    });

    it('of a Jupyter notebook too', async () => {
      const notebook = {
        metadata: { language_info: { name: 'python' } },
        cells: [
          { cell_type: 'markdown', source: ['# Title'] },
          { cell_type: 'code', source: ['a = 1\n', 'b = 2\n'] },
          { cell_type: 'code', source: exit('a + b') },
        ],
      };
      const run = await runNotebook(workspace, JSON.stringify(notebook), { import: { format: 'JUPYTER' } });
      assert.equal(run.exitValue, '3');
    });

    it('and keeps what each printed', async () => {
      const run = await runNotebook(workspace, cells(magic('%md\n# Title'), 'print("größer")', '6 * 7'));
      assert.match(run.page, /größer/);
      assert.match(run.page, /42/);
      assert.ok(printed.includes('größer'));
    });

    it('so that pickle finds the classes it defines', async () => {
      const source = 'import pickle\nclass Model:\n    size = 7\n';
      assert.equal(await exitValue(`${source}${exit('pickle.loads(pickle.dumps(Model())).size')}`), '7');
    });
  });

  describe('has dbutils', () => {
    it('with widgets, whose defaults give way to parameters', async () => {
      const source = `
dbutils.widgets.text("version", "0")
dbutils.widgets.dropdown("size", "small", ["small", "large"])
${exit('f\'{dbutils.widgets.get("version")} {dbutils.widgets.get("size")} {dbutils.widgets.get("extra")}\'')}`;
      const run = await runNotebook(workspace, cells(source), {
        parameters: { version: '1.0.0', extra: "it's" },
      });
      assert.equal(run.exitValue, "1.0.0 small it's");
    });

    it('that names the widget there is not', async () => {
      const { error } = await failure('dbutils.widgets.get("nothing")');
      assert.equal(error, 'InputWidgetNotDefined: No input widget named nothing is defined');
    });

    it('with secrets, which are never shown', async () => {
      const { error, run } = await failure(
        'password = dbutils.secrets.get("mine", "password")\nprint("it is", password)\nraise ValueError(password)',
      );
      assert.equal(error, 'ValueError: [REDACTED]');
      assert.match(run.page, /it is \[REDACTED\]/);
      assert.doesNotMatch(run.page + run.errorTrace + printed.join(), /word&gt;|word>/);
    });

    it('that names the secret there is not', async () => {
      const { error } = await failure('dbutils.secrets.get(scope="mine", key="nothing")');
      assert.equal(error, 'ValueError: Secret does not exist with scope: mine and key: nothing');
    });

    it('that knows the run', async () => {
      const run = await runNotebook(
        workspace,
        cells(`
import json
context = json.loads(dbutils.notebook.entry_point.getDbutils().notebook().getContext().toJson())
${exit('context["tags"]["multitaskParentRunId"] + " " + context["extraContext"]["notebook_path"]')}`),
        { path: '/live/knows' },
      );
      assert.equal(run.exitValue, `${run.runId} /live/knows`);
    });

    it('with files of DBFS', async () => {
      const value = await exitValue(
        'dbutils.fs.put("/made/a.txt", "größer")\ndbutils.fs.cp("dbfs:/made/a.txt", "/made/b.txt")\ndbutils.fs.rm("/made/a.txt")',
        exit('str([f.path for f in dbutils.fs.ls("/made")]) + dbutils.fs.head("/made/b.txt")'),
      );
      assert.equal(value, "['dbfs:/made/b.txt']größer");
    });

    it('that says what it cannot do', async () => {
      const whole = await failure('dbutils.data.summarize()');
      assert.equal(whole.error, 'AttributeError: This local workspace has no dbutils.data.');
      const part = await failure('dbutils.credentials.showRoles()');
      assert.equal(part.error, 'AttributeError: This local workspace has no dbutils.credentials.showRoles.');
    });

    it('that names the service credential there is not', async () => {
      const { error } = await failure('dbutils.credentials.getServiceCredentialsProvider("model-registry")');
      assert.equal(
        error,
        "ValueError: Service credential 'model-registry' does not exist, or you lack ACCESS on it.",
      );
    });
  });

  describe('finds DBFS under /dbfs', () => {
    const ways = {
      open: 'open("/dbfs/in.txt").read()',
      pathlib: 'pathlib.Path("/dbfs/in.txt").read_text()',
      'pandas.read_csv': 'pandas.read_csv("/dbfs/in.txt").columns[0]',
      'os.listdir': '"in" if "in.txt" in os.listdir("/dbfs") else "out"',
      'os.path.exists':
        '"in" if os.path.exists("/dbfs/in.txt") and not os.path.exists("/dbfs/out.txt") else "out"',
      'os.walk': '[file for _, _, files in os.walk("/dbfs") for file in files if file == "in.txt"][0][:2]',
      glob: '"in" if glob.glob("/dbfs/i*.txt") == ["/dbfs/in.txt"] else "out"',
      shutil: 'open(shutil.copy("/dbfs/in.txt", "/dbfs/copy.txt")).read()',
    };
    for (const [way, expression] of Object.entries(ways)) {
      it(`by ${way}`, async () => {
        await writeFile(join(workspace.dbfs, 'in.txt'), 'in');
        assert.equal(
          await exitValue('import glob, os, pathlib, shutil', needed(way), exit(expression)),
          'in',
        );
      });
    }

    it('to write there as well, and nowhere else', async () => {
      await exitValue(
        'import os\nos.makedirs("/dbfs/deep/er")\nopen("/dbfs/deep/er/out.txt", "w").write("out")',
      );
      assert.equal(await readFile(join(workspace.dbfs, 'deep/er/out.txt'), 'utf8'), 'out');
    });

    const needed = (way: string) => (way.startsWith('pandas') ? 'import pandas' : 'pass');
  });

  describe('runs magic commands', () => {
    it('such as %pip for a package that is there', async () => {
      const run = await runNotebook(workspace, cells(`${magic('%pip install pandas')}\nx = 1`, exit('x')));
      assert.equal(run.exitValue, '1');
      assert.match(run.page, /Requirement already satisfied: pandas/);
    });

    it('such as %sh, and fails with them', async () => {
      const { error, run } = await failure(magic('%sh\necho from the shell\nexit 3'));
      assert.match(run.page, /from the shell/);
      assert.match(error, /^RuntimeError: Command exited with code 3/);
    });

    it('but not those of other languages', async () => {
      const { error } = await failure('pass', magic('%scala\nprintln(1)'));
      assert.match(
        error,
        /^NotSupported: Cell 2 is in %scala\. This local workspace runs cells of Python, SQL/,
      );
    });
  });

  describe('fails', () => {
    it('with the exception, and where in which cell it was raised', async () => {
      const { error, trace, run } = await failure('def divide(a):\n    return a / 0', 'one = 1\ndivide(one)');
      assert.equal(error, 'ZeroDivisionError: division by zero');
      assert.match(run.errorTrace!, /^\u001b\[0;31m---/);
      assert.match(trace, /File <command-2>, line 2\n +1 one = 1\n +----> 2 divide\(one\)/);
      assert.match(
        trace,
        /File <command-1>, line 2, in divide\n +1 def divide\(a\):\n +----> 2 {5}return a \/ 0/,
      );
      assert.doesNotMatch(trace, /run_notebook\.py/);
    });

    it('with what led to the exception', async () => {
      const { trace } = await failure(
        'try:\n    {}["a"]\nexcept KeyError as error:\n    raise ValueError("b") from error',
      );
      assert.match(trace, /KeyError: 'a'\n\nThe above exception was the direct cause[\s\S]*ValueError: b$/);
    });

    it('with the place of a syntax error', async () => {
      const { error, trace } = await failure('x = 1', 'y = = 2');
      assert.match(error, /^SyntaxError: invalid syntax \(<command-2>, line 1\)/);
      assert.match(trace, /----> 1 y = = 2/);
    });

    it('when it leaves Python by sys.exit', async () => {
      assert.equal((await failure('import sys\nsys.exit(0)')).error, 'SystemExit: 0');
    });

    it('when its process ends under it', async () => {
      const { error } = await failure('import os\nprint("so far", flush=True)\nos._exit(7)');
      assert.equal(error, "The Python process exited with code 7 before the notebook's end.");
    });

    it('with a plain sentence when it is written in another language', async () => {
      const run = await runNotebook(workspace, 'SELECT 1', {
        path: '/live/query',
        import: { language: 'SQL' },
      });
      assert.match(
        run.error!,
        /\/live\/query is a notebook in SQL\. This local workspace runs Python notebooks only/,
      );
    });
  });

  describe('leaves nothing running', () => {
    let server: Server;
    let port: number;
    beforeEach(async () => {
      server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      port = (server.address() as AddressInfo).port;
    });
    afterEach(() => server.close());

    /** Waits for the notebook's child; resolves to what waits for its end. */
    const childComes = async () => {
      const [socket] = (await once(server, 'connection')) as [Socket];
      const gone = once(socket.on('error', () => {}).resume(), 'close');
      return { gone };
    };

    it('when its run is cancelled', async () => {
      const coming = childComes();
      const run = await runNotebook(workspace, cells(lastingChild(port)), {
        async onStart(run_id) {
          const { gone } = await coming;
          await call(workspace, 'POST /api/2.2/jobs/runs/cancel', { run_id });
          await gone;
        },
      });
      assert.equal(run.resultState, 'CANCELED');
    });

    it('when the workspace stops', async () => {
      const own = await startWorkspace({ python, folder: join(folder, 'own'), timing: { pending: 0 } });
      const coming = childComes();
      const running = runNotebook(own, cells(lastingChild(port))).catch(() => {});
      const { gone } = await coming;
      await own.stop();
      await Promise.all([gone, running]);
    });

    it('when the process that wanted its result dies', async function () {
      if (process.platform === 'win32') skip(this, 'Windows has no process groups to end');
      const runner = spawn(python, [join(root, 'local/databricks/runner/run_notebook.py')], {
        ...inOwnGroup,
        stdio: ['pipe', 'ignore', 'inherit'],
      });
      await writeFile(join(folder, 'lasting'), cells(lastingChild(port)));
      const order = {
        workspace: folder,
        notebooks: { '/lasting': { format: 'SOURCE', language: 'PYTHON' } },
        parameters: {},
        taskValues: {},
        secrets: {},
        credentials: {},
        dbfs: folder,
        packages: folder,
        context: { notebookPath: '/lasting' },
        result: join(folder, 'result.json'),
      };
      const coming = childComes();
      runner.stdin!.write(`${JSON.stringify(order)}\n`);
      const { gone } = await coming;
      runner.stdin!.end();
      await Promise.all([gone, once(runner, 'close')]);
    });
  });
});
