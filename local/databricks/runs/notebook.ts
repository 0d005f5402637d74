import { spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from '../../../scripts/paths';
import { inOwnGroup, killTree } from '../../processes';
import { canonical, type WorkspaceFiles } from '../files/tree';
import { type Json, type JsonObject, writeJson } from '../json';
import type { Secrets, ServiceCredentials } from '../secrets';
import { type CellOutput, failed, notStarted, type Outcome, succeeded } from './outcome';
import { notebookParameters, taskValues } from './parameters';
import type { Run, TaskRun, Work } from './run';

/** Where what a notebook needs on demand is kept from one run to the next. */
const PACKAGES = join(root, '.local');

const RUNNER = fileURLToPath(new URL('../runner/run_notebook.py', import.meta.url));

export interface NotebookOptions {
  /** Python with the libraries that notebooks import. */
  readonly python: string | undefined;
  /** What notebooks see as /dbfs. */
  readonly dbfs: string;
  /** Where each notebook gets a folder of its own to run in, for as long as it runs. */
  readonly folder: string;
  readonly files: WorkspaceFiles;
  readonly secrets: Secrets;
  readonly credentials: ServiceCredentials;
  /** Takes what notebooks print, line by line. */
  readonly log: (line: string) => void;
}

/** The result file of runner/run_notebook.py. */
interface NotebookResult {
  readonly exitValue: string | null;
  readonly error: string | null;
  readonly errorTrace: string | null;
  readonly cells: readonly CellOutput[];
  /** What it leaves for the tasks after it. */
  readonly taskValues: Readonly<Record<string, Json>>;
}

/** Runs the notebook of a task in a Python process of its own. */
export function notebookWork(options: NotebookOptions): Work {
  return async (task, run, signal) => {
    const { notebookPath, notebookSource } = task.settings;
    if (!options.python || !notebookPath || notebookSource !== 'WORKSPACE') {
      return notStarted(
        'INVALID_RUN_CONFIGURATION',
        `Task ${task.key} is none that this local workspace can run: it runs notebooks of the workspace, with the Python it was started with`,
      );
    }
    const notebook = options.files.notebook(notebookPath);
    if (!notebook) {
      return notStarted(
        'RESOURCE_NOT_FOUND',
        `Unable to access the notebook "${notebookPath}". Either it does not exist, or the identity used to run this job lacks the required permissions`,
      );
    }
    const folder = join(options.folder, String(task.id));
    const workspace = join(folder, 'workspace');
    await mkdir(workspace, { recursive: true });
    try {
      const notebooks = await options.files.writeTo(workspace);
      const result = join(folder, 'result.json');
      const order = writeOrder(task, run, options, { workspace, notebooks, result });
      const end = await runPython(options.python, order, folder, options.log, signal);
      return await readOutcome(result, end);
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  };
}

function writeOrder(
  task: TaskRun,
  run: Run,
  options: NotebookOptions,
  place: { workspace: string; notebooks: JsonObject; result: string },
): string {
  return writeJson({
    ...place,
    parameters: notebookParameters(run, task),
    taskValues: taskValues(run),
    secrets: options.secrets.values(),
    credentials: { ...options.credentials },
    dbfs: options.dbfs,
    packages: PACKAGES,
    context: {
      notebookPath: canonical(task.settings.notebookPath!),
      tags: {
        jobId: String(run.job.id),
        jobName: run.settings.name,
        runId: String(task.id),
        multitaskParentRunId: String(run.id),
        taskKey: task.key,
        jobTriggerType: 'manual',
      },
    },
  });
}

/** Starts Python, gives it its orders, and resolves with how it ended when it has. */
function runPython(
  python: string,
  order: string,
  folder: string,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, [RUNNER], {
      ...inOwnGroup,
      cwd: folder,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: environment(),
    });
    const kill = () => killTree(child);
    signal.addEventListener('abort', kill, { once: true });

    const lastLines: string[] = [];
    let line = '';
    const take = (text: string) => {
      const lines = (line + text).split(/\r?\n/);
      line = lines.pop()!;
      for (const complete of lines) log(complete);
      lastLines.push(...lines);
      lastLines.splice(0, lastLines.length - 10);
    };
    child.stdout!.setEncoding('utf8').on('data', take);
    child.stderr!.setEncoding('utf8').on('data', take);
    // It may end before it has read everything; how it ended tells why.
    child.stdin!.on('error', () => {});
    // Left open: when this process dies, however that happens, the runner sees its input close, and ends.
    child.stdin!.write(`${order}\n`);

    child.on('error', (error) => reject(new Error(`Python could not be started: ${error.message}`)));
    child.on('close', (code, killedBy) => {
      signal.removeEventListener('abort', kill);
      const how = killedBy ? `was ended by ${killedBy}` : `exited with code ${code}`;
      resolve([`The Python process ${how} before the notebook's end.`, ...lastLines, line].join('\n').trim());
    });
  });
}

function environment(): NodeJS.ProcessEnv {
  // Services that notebooks use here are on this machine, whatever the proxy for others is.
  const direct = [process.env.NO_PROXY, process.env.no_proxy, '127.0.0.1,localhost']
    .filter(Boolean)
    .join(',');
  return {
    ...process.env,
    NO_PROXY: direct,
    no_proxy: direct,
    PYTHONUTF8: '1',
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
  };
}

async function readOutcome(resultFile: string, end: string): Promise<Outcome> {
  const text = await readFile(resultFile, 'utf8').catch(() => undefined);
  if (text === undefined) return failed({ error: end.split('\n', 1)[0]!, errorTrace: end });
  const { exitValue, error, errorTrace, cells, taskValues } = JSON.parse(text) as NotebookResult;
  if (error !== null) return failed({ error, errorTrace: errorTrace ?? error, cells, taskValues });
  return succeeded({ cells, taskValues, ...(exitValue !== null && { exitValue }) });
}
