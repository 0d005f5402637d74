import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '../../../local/databricks/clock';
import { type JsonObject, parseJson, writeJson } from '../../../local/databricks/json';
import { startWorkspace, type Workspace, type WorkspaceOptions } from '../../../local/databricks/workspace';

export interface Answer {
  readonly status: number;
  readonly body: JsonObject;
  readonly text: string;
}

/** A workspace whose time stands still, and somebody who talks to it as any client would: over HTTP. */
export class Client {
  private constructor(
    readonly workspace: Workspace,
    readonly clock: ManualClock,
    private readonly folder: string,
  ) {}

  static async start(options: Partial<WorkspaceOptions> = {}): Promise<Client> {
    const folder = await mkdtemp(join(tmpdir(), 'workspace-'));
    const clock = new ManualClock();
    return new Client(await startWorkspace({ folder, clock, ...options }), clock, folder);
  }

  async stop(): Promise<void> {
    await this.workspace.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Sends fields as Databricks' clients do: in the query of a GET, as JSON in all else. */
  async send(
    request: string,
    fields: JsonObject = {},
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const [method = '', path = ''] = request.split(' ');
    const url = new URL(path, this.workspace.url);
    if (method === 'GET')
      for (const [name, value] of Object.entries(fields)) url.searchParams.set(name, String(value));
    const response = await fetch(url, {
      method,
      headers: { Authorization: `Bearer ${this.workspace.token}`, ...headers },
      ...(method !== 'GET' && { body: writeJson(fields) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type') === 'application/json' && text;
    return { status: response.status, text, body: isJson ? (parseJson(text) as JsonObject) : {} };
  }

  /** Sends what must succeed, and returns the answer's JSON. */
  async ok(request: string, fields?: JsonObject): Promise<JsonObject> {
    const { status, text, body } = await this.send(request, fields);
    if (status !== 200) throw new Error(`${request} answered ${status}: ${text}`);
    return body;
  }

  /** Sends what must be refused, and returns status, error code and message in one line. */
  async refused(request: string, fields?: JsonObject): Promise<string> {
    const { status, body } = await this.send(request, fields);
    return `${status} ${body.error_code}: ${body.message}`;
  }

  async import(path: string, fields: JsonObject = {}): Promise<Answer> {
    const content = Buffer.from('print(1)').toString('base64');
    return this.send('POST /api/2.0/workspace/import', { path, content, language: 'PYTHON', ...fields });
  }

  /** Runs a job and returns the run's id. */
  async runNow(jobId: string, fields: JsonObject = {}): Promise<bigint> {
    const { run_id } = await this.ok('POST /api/2.2/jobs/run-now', { job_id: BigInt(jobId), ...fields });
    return run_id as bigint;
  }

  async run(runId: bigint): Promise<Run> {
    return (await this.ok('GET /api/2.2/jobs/runs/get', { run_id: runId })) as unknown as Run;
  }

  async output(taskRunId: bigint): Promise<JsonObject> {
    return this.ok('GET /api/2.2/jobs/runs/get-output', { run_id: taskRunId });
  }
}

/** What tests look at in a run or in a task of it. */
export interface Run {
  readonly run_id: bigint;
  readonly task_key: string;
  readonly attempt_number: number;
  readonly run_page_url: string;
  readonly state: {
    readonly life_cycle_state?: string;
    readonly result_state?: string;
    readonly state_message: string;
    readonly user_cancelled_or_timedout: boolean;
  };
  readonly status: {
    readonly state: string;
    readonly termination_details?: { readonly code: string; readonly type: string; readonly message: string };
    readonly queue_details?: { readonly code: string };
  };
  readonly end_time: number;
  readonly tasks: readonly Run[];
  readonly next_page_token?: string;
  readonly repair_history?: readonly JsonObject[];
}

/** `RUNNING`, or `TERMINATED/SUCCESS` when over. */
export function stateOf(run: Run): string {
  return [run.state.life_cycle_state, run.state.result_state].filter(Boolean).join('/');
}
