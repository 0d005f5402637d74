import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Transport } from '../../../tasks/common/databricks/client';
import type { AgentLog } from '../../../tasks/common/log';
import type { Inputs } from '../../../tasks/DatabricksRunJob/inputs';
import { runJob } from '../../../tasks/DatabricksRunJob/run-job';
import { ACCESS, collectLog, FakeClock, FakeDatabricks, failure, inTurn, ORIGIN } from './support';

export const RUN_PAGE = `${ORIGIN}/jobs/5/runs/77?o=42`;

export const task = (key: string, result: string, more: object = {}) => ({
  run_id: `${key}-1`,
  task_key: key,
  state: { life_cycle_state: 'TERMINATED', result_state: result },
  notebook_task: { notebook_path: '/live/train' },
  start_time: 1_700_000_000_000,
  end_time: 1_700_000_065_000,
  ...more,
});

export const ended = (result: string, tasks: object[] = [task('main', result)], more: object = {}) => ({
  run_id: 77,
  state: { life_cycle_state: 'TERMINATED', result_state: result, state_message: 'Said by the run.' },
  start_time: 1_700_000_000_000,
  end_time: 1_700_000_065_000,
  tasks,
  ...more,
});

export const running = { run_id: 77, state: { life_cycle_state: 'RUNNING' } };

/** A workspace with one job, of which every run ends well. */
export const workspace = () =>
  new FakeDatabricks()
    .on('GET workspace/export', failure(404, 'RESOURCE_DOES_NOT_EXIST', "Path (/live/train) doesn't exist."))
    .on('POST workspace/import', {})
    .on('GET jobs/list', { jobs: [{ job_id: 5, settings: { name: 'train' } }] })
    .on('GET jobs/get', {
      job_id: 5,
      settings: {
        name: 'train',
        tasks: [{ task_key: 'main', notebook_task: { notebook_path: '/live/train' } }],
      },
    })
    .on('POST jobs/run-now', { run_id: 77 })
    .on('GET runs/get', inTurn(running, ended('SUCCESS')))
    .on('GET runs/get-output', { notebook_output: { result: 'stored 1.0.0', truncated: false } })
    .on('POST runs/cancel', {});

export interface RunSetting {
  /** The agent's folder for the job, where tries of a step meet. */
  readonly jobFolder?: string;
  readonly clock?: FakeClock;
  /** What sends the step's requests, in place of handing them to the scripted workspace. */
  readonly connect?: (log: AgentLog, signal: AbortSignal) => Transport;
}

/** Runs the step's story on a scripted workspace, with a notebook that is there for as long as the suite. */
export function useRunJob() {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'run-job-'));
    writeFileSync(join(folder, 'train.py'), '# Databricks notebook source\n');
  });
  after(() => rmSync(folder, { recursive: true }));

  return function run(
    fake: FakeDatabricks,
    changes: Partial<Inputs> = {},
    { jobFolder = mkdtempSync(join(folder, 'job-')), clock = new FakeClock(), connect }: RunSetting = {},
  ) {
    const { log, lines, text } = collectLog();
    const cancel = new AbortController();
    const outputs: Record<string, unknown> = {};
    const order: string[] = [];
    const summaries: string[] = [];
    const attachments: Record<string, string> = {};
    const options: Inputs = {
      signIn: {
        workspace: { origin: ORIGIN, workspaceId: '42' },
        credential: { kind: 'token', token: 'dapi' },
        access: ACCESS,
      },
      notebookFile: join(folder, 'train.py'),
      notebookPath: '/live/train',
      copyPath: undefined,
      copiesPath: undefined,
      job: 'train',
      jobDefinition: undefined,
      parameters: {},
      waitForCompletion: true,
      timeoutMinutes: 0,
      onCancel: 'cancelRun',
      whenBusy: 'queue',
      onPartialSuccess: 'warn',
      repairAttempts: 0,
      exportHtml: false,
      metricsGate: [],
      attempt: 1,
      stepIdentity: ['pipeline', 'step'],
      ...changes,
    };
    const outcome = runJob(options, {
      log,
      signal: cancel.signal,
      http: connect?.(log, cancel.signal) ?? {
        send: async (request) => {
          order.push(`${request.method} ${new URL(request.url).pathname}`);
          return fake.send({ signal: cancel.signal, ...request });
        },
      },
      clock,
      setOutput(name, value) {
        order.push(`output ${name}`);
        outputs[name] = value;
      },
      uploadSummary: (_title, summary) => summaries.push(summary.toString()),
      attach(name, text) {
        attachments[name] = text;
      },
      tempFolder: folder,
      oidcToken: async () => 'oidc',
      variable: (name) => (name === 'Agent.TempDirectory' ? jobFolder : undefined),
    });
    return { outcome, outputs, attachments, order, summaries, lines, text, cancel };
  };
}
