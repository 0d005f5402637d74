import { setTimeout as wait } from 'node:timers/promises';
import { type JsonObject, parseJson, writeJson } from '../../local/databricks/json';
import type { Workspace } from '../../local/databricks/workspace';

export interface NotebookOptions {
  readonly path?: string;
  readonly import?: JsonObject;
  readonly baseParameters?: Record<string, string>;
  readonly parameters?: Record<string, string>;
  /** Called as soon as the run has begun, with its id. */
  readonly onStart?: (runId: bigint) => Promise<void>;
}

export interface NotebookRun {
  readonly runId: bigint;
  readonly resultState?: string;
  readonly exitValue?: string;
  readonly error?: string;
  readonly errorTrace?: string;
  /** The executed notebook as HTML. */
  readonly page: string;
}

/** Imports a notebook into a workspace, runs it as the only task of a new job, and waits for its end. */
export async function runNotebook(
  workspace: Workspace,
  source: string,
  options: NotebookOptions = {},
): Promise<NotebookRun> {
  const path = options.path ?? '/live/notebook';
  const content = Buffer.from(source).toString('base64');
  await call(workspace, 'POST /api/2.0/workspace/mkdirs', { path: '/live' });
  await call(workspace, 'POST /api/2.0/workspace/import', {
    path,
    content,
    language: 'PYTHON',
    overwrite: true,
    ...options.import,
  });
  const notebook_task = { notebook_path: path, base_parameters: options.baseParameters ?? {} };
  const job_id = workspace.createJob({ tasks: [{ task_key: 'only', notebook_task }] });
  const started = await call(workspace, 'POST /api/2.2/jobs/run-now', {
    job_id,
    notebook_params: options.parameters ?? {},
  });
  const run_id = started.run_id as bigint;
  await options.onStart?.(run_id);
  const { state } = (await waitForEnd(workspace, run_id)) as { state: { result_state?: string } };
  const output = await call(workspace, 'GET /api/2.2/jobs/runs/get-output', { run_id });
  const { views } = await call(workspace, 'GET /api/2.2/jobs/runs/export', { run_id });
  return {
    runId: run_id,
    resultState: state.result_state,
    exitValue: (output.notebook_output as JsonObject).result,
    error: output.error,
    errorTrace: output.error_trace,
    page: (views as { content: string }[])[0]!.content,
  } as NotebookRun;
}

/** Sends a request that must succeed. */
export async function call(workspace: Workspace, request: string, fields: JsonObject): Promise<JsonObject> {
  const [method = '', path = ''] = request.split(' ');
  const url = new URL(path, workspace.url);
  if (method === 'GET')
    for (const [name, value] of Object.entries(fields)) url.searchParams.set(name, String(value));
  const response = await fetch(url, {
    method,
    headers: { Authorization: `Bearer ${workspace.token}` },
    ...(method === 'POST' && { body: writeJson(fields) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${request} answered ${response.status}: ${text}`);
  return text ? (parseJson(text) as JsonObject) : {};
}

/** Waits for the end of a run, and returns it. */
export async function waitForEnd(workspace: Workspace, run_id: bigint): Promise<JsonObject> {
  for (;;) {
    const run = await call(workspace, 'GET /api/2.2/jobs/runs/get', { run_id });
    if (run.end_time !== 0) return run;
    await wait(25);
  }
}
