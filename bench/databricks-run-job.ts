import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { failed, type Outcome, succeeded } from '../local/databricks/runs/outcome';
import { startWorkspace, type Workspace } from '../local/databricks/workspace';
import { buildFolder } from '../scripts/paths';
import { sdkPython } from '../test/support/python';
import { median } from './measure';

/*
 * DatabricksRunJob beside the loop that it replaces, on the local workspace and in real time. The task is the packed
 * one, a process of its own; the loop is the original's, rendered request by request in this process. What the original
 * does first, installing Python and the Databricks CLI, is left out in its favour. Databricks' CLI itself is not
 * measured: this project does not install it. Memory is that of six hours in which only the clock is not real.
 * Needs: npm run package.
 */

/** Milliseconds of the runs that are followed, all at the same time. */
const SHORT = [1, 2, 3, 5, 7, 9, 12, 15, 19, 24, 29, 35, 41, 48, 55].map((seconds) => seconds * 1_000);
const LONG = [90_000, 150_000];
const STARTS = 15;
const LOOP_INTERVAL = 20_000;
/** A contender that has not ended so long after its run is taken for one that never does. */
const PATIENCE = 45_000;

const taskFile = join(buildFolder, 'tasks', 'DatabricksRunJob', 'index.js');
const notebook = '# Databricks notebook source\nprint(1)\n';

/** Imports the notebook, runs the job and waits for its end; resolves when a pipeline would go on. */
type Contender = (workspace: Workspace, folder: string, signal: AbortSignal) => Promise<void>;

const task: Contender = (workspace, folder, signal) =>
  new Promise((resolve, reject) => {
    const env = {
      ...process.env,
      AGENT_TEMPDIRECTORY: folder,
      INPUT_DATABRICKSHOST: workspace.url,
      INPUT_DATABRICKSTOKEN: workspace.token,
      INPUT_NOTEBOOKFILE: join(folder, 'train.py'),
      INPUT_NOTEBOOKPATH: '/Shared/train',
      INPUT_JOB: 'train',
      INPUT_PARAMETERS: 'model_version=1.0.0',
    };
    const child = spawn(process.execPath, [taskFile], { env, stdio: 'ignore', signal });
    child.on('error', reject).on('exit', () => resolve());
  });

const { python } = await sdkPython(console.log);

const sdk: Contender = (workspace, folder, signal) =>
  new Promise((resolve, reject) => {
    const script = fileURLToPath(new URL('databricks-run-job/sdk.py', import.meta.url));
    const args = [script, workspace.url, workspace.token, join(folder, 'train.py')];
    spawn(python, args, { stdio: 'ignore', signal })
      .on('error', reject)
      .on('exit', () => resolve());
  });

const loop: Contender = async (workspace, _folder, signal) => {
  const headers = { Authorization: `Bearer ${workspace.token}` };
  const send = async (path: string, body?: string) => {
    const request = body === undefined ? { headers, signal } : { method: 'POST', headers, body, signal };
    return (await fetch(`${workspace.url}${path}`, request)).text();
  };
  const content = Buffer.from(notebook).toString('base64');
  await send(
    '/api/2.0/workspace/import',
    JSON.stringify({ path: '/Shared/train', content, language: 'PYTHON', overwrite: true }),
  );
  const [, jobId] = /"job_id":(\d+)/.exec(await send('/api/2.1/jobs/list'))!;
  await send('/api/2.1/jobs/run-now', `{"job_id":${jobId},"notebook_params":{"model_version":"1.0.0"}}`);
  for (;;) {
    await sleep(LOOP_INTERVAL, undefined, { signal });
    const { runs } = JSON.parse(await send(`/api/2.1/jobs/runs/list?job_id=${jobId}`));
    // It leaves on this state alone: not on INTERNAL_ERROR, and not on SKIPPED.
    if (runs[0].state.life_cycle_state === 'TERMINATED') return;
  }
};

interface Measured {
  /** Milliseconds from the start of the step to the creation of the run. */
  readonly toRun: number;
  readonly requestsToRun: number;
  /** Milliseconds from the end of the run to the end of the step; undefined when that did not come. */
  readonly toEnd: number | undefined;
  readonly requests: number;
  /** Milliseconds that the run went on. */
  readonly duration: number;
}

async function measure(
  contender: Contender,
  running: number,
  outcome: Outcome = succeeded(),
): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  writeFileSync(join(folder, 'train.py'), notebook);
  const workspace = await startWorkspace({ folder });
  const notebookTask = { task_key: 'train', notebook_task: { notebook_path: '/Shared/train' } };
  workspace.createJob({ name: 'train', tasks: [notebookTask] }, { task: () => ({ running, outcome }) });
  const isStart = (path: string) => path.endsWith('/run-now');
  let created = 0;
  workspace.intercept(({ path }) => {
    if (isStart(path)) created = Date.now();
    return undefined;
  });
  try {
    const begin = Date.now();
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), running + PATIENCE);
    const ended = await contender(workspace, folder, stop.signal).then(
      () => Date.now(),
      () => undefined,
    );
    clearTimeout(timer);
    const requests = workspace.requests.length;
    const requestsToRun = workspace.requests.findIndex(({ path }) => isStart(path)) + 1;
    const end = await endOfRun(workspace);
    return {
      toRun: created - begin,
      requestsToRun,
      toEnd: ended && ended - end,
      requests,
      duration: end - created,
    };
  } finally {
    await workspace.stop();
    rmSync(folder, { recursive: true });
  }
}

async function endOfRun({ url, token }: Workspace): Promise<number> {
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await fetch(`${url}/api/2.2/jobs/runs/list`, { headers });
  return ((await answer.json()) as { runs: { end_time: number }[] }).runs[0]!.end_time;
}

/** Six hours of a run, in the task's own code with a clock that does not wait. */
async function rememberSixHours(): Promise<{ hours: number; looks: number; megabytes: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const workspace = await startWorkspace({ folder });
  try {
    writeFileSync(join(folder, 'train.py'), notebook);
    const bundle = join(folder, 'six-hours.cjs');
    await build({
      entryPoints: [fileURLToPath(new URL('six-hours.ts', import.meta.url))],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      logLevel: 'error',
    });
    const notebookTask = { task_key: 'train', notebook_task: { notebook_path: '/Shared/train' } };
    workspace.createJob(
      { name: 'train', tasks: [notebookTask] },
      { task: () => ({ running: 3_600_000, outcome: succeeded() }) },
    );
    const child = spawn(process.execPath, [bundle, workspace.url, workspace.token, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    for await (const chunk of child.stdout) output += chunk;
    const looks = workspace.requests.filter(({ path }) => path.endsWith('/runs/get')).length;
    return { looks, ...JSON.parse(output) };
  } finally {
    await workspace.stop();
    rmSync(folder, { recursive: true });
  }
}

/** `median (least to most)` */
function spread(values: readonly (number | undefined)[], unit: string, digits = 0): string {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0) return 'never';
  const [middle, least, most] = [median(known), Math.min(...known), Math.max(...known)].map((value) =>
    value.toFixed(digits),
  );
  return `${middle} ${unit} (${least} to ${most})`;
}

/** Requests a second from the creation of the runs on, those for their outputs included. */
function rateOf(measured: readonly Measured[]): number {
  const requests = measured.reduce((sum, one) => sum + one.requests - one.requestsToRun, 0);
  return requests / (measured.reduce((sum, { duration }) => sum + duration, 0) / 1000);
}

const alone = async (contender: Contender) => {
  const measured: Measured[] = [];
  for (let round = 0; round < STARTS; round++) measured.push(await measure(contender, 0));
  return measured;
};
const starts = { task: await alone(task), sdk: await alone(sdk) };

const contenders = [task, sdk, loop];
console.log(
  `Following ${SHORT.length + LONG.length} runs by each of three, of 1 s to 150 s: this takes three minutes.`,
);
const all = (lengths: readonly number[]) =>
  Promise.all(
    contenders.map((contender) => Promise.all(lengths.map((length) => measure(contender, length)))),
  );
const broken = failed({ error: 'ValueError: no rows', errorTrace: 'ValueError: no rows' });
const [short, long, failing, memory] = await Promise.all([
  all(SHORT),
  all(LONG),
  Promise.all(contenders.map((contender) => measure(contender, 5_000, broken))),
  rememberSixHours(),
]);
const each = short.map((measured, index) => [...measured, ...long[index]!]);

const seconds = (measured: readonly Measured[]) =>
  measured.flatMap(({ toEnd }) => (toEnd === undefined ? [] : [toEnd / 1000]));
const toRun = (measured: readonly Measured[]) =>
  spread(
    measured.map((one) => one.toRun),
    'ms',
  );
const counts = (measured: readonly (readonly Measured[])[], count: (one: Measured) => number) =>
  measured.map((some) => spread(some.map(count), ''));
const ends = (measured: readonly (readonly Measured[])[]) =>
  measured.map((some) => spread(seconds(some), 's', 1));
const rates = (measured: readonly (readonly Measured[])[]) =>
  measured.map((some) => `${rateOf(some).toFixed(2)} /s`);

const rows: [what: string, goal: string, cells: readonly string[]][] = [
  [
    'step start to run created, alone',
    '300 ms',
    [toRun(starts.task), toRun(starts.sdk), 'no process of its own'],
  ],
  ['requests until the run is created', '5', counts(short, (one) => one.requestsToRun)],
  ['run end to step end, runs under a minute', 'median 1.5 s', ends(short)],
  ['run end to step end, 90 s and 150 s', '15 s', ends(long)],
  ['requests a second while runs go on, of all together', '0.5 /s', rates(each)],
  ['the same, of runs under a minute', '', rates(short)],
  ['requests for one run', '', counts(each, (one) => one.requests)],
  [
    `run end to step end, notebook fails on serverless; given up after ${PATIENCE / 1000} s`,
    '',
    ends(failing.map((one) => [one])),
  ],
  ['bundle', '350 KB', [`${Math.round(statSync(taskFile).size / 1000)} KB`, '', '']],
  [
    `memory after ${memory.hours.toFixed(1)} simulated hours, ${memory.looks} looks`,
    '90 MB',
    [`${memory.megabytes.toFixed(0)} MB`, '', ''],
  ],
];
console.log(`Node ${process.version}. Median (least to most).\n`);
console.log(
  "| | goal | DatabricksRunJob | Databricks' client for Python | loop of 20 s |\n|---|---|---|---|---|",
);
for (const [what, goal, cells] of rows) console.log(`| ${[what, goal, ...cells].join(' | ')} |`);
const [taskEnd, ...otherEnds] = short.map((measured) => median(seconds(measured)));
console.log(
  `\nFor runs under a minute, the steps of the others go on ${otherEnds.map((end) => (end / taskEnd!).toFixed(1)).join(' and ')} times as long after the run.`,
);
