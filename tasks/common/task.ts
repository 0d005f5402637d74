import { setMaxListeners } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  readAccessToken,
  readInput,
  readNetworkSettings,
  readSecretVariables,
  readServiceConnection,
  readVariable,
} from './agent';
import { documentationOf } from './documentation';
import { CancelledError, describeError, TaskError } from './errors';
import { HttpClient } from './http';
import { InputReader } from './inputs';
import { type AgentLog, createLogger, type Logger } from './log';
import type { NetworkSettings } from './network';
import { afterOutput, printLine } from './output';
import { requestOidcToken } from './pipeline-oidc';
import type { SignInLimits } from './renewal';
import { redact, rememberSecret } from './secrets';
import type { Summary } from './summary';

/** How a task ended well; a task that fails throws. */
export interface Outcome {
  readonly result: 'Succeeded' | 'SucceededWithIssues';
  readonly message: string;
}

/** What the run wrapper hands to a task's story. */
export interface TaskContext {
  readonly log: Logger;
  /** Aborted when the step is cancelled. The task then has {@link CANCEL_LIMIT} milliseconds to clean up. */
  readonly signal: AbortSignal;
  readonly inputs: InputReader;
  readonly http: HttpClient;
  /** How connections leave this agent, for clients of services that do not go through {@link http}. */
  readonly network: NetworkSettings;
  /** A folder of this step's own for passing files, private to this user. The agent empties it after the job. */
  readonly tempFolder: string;
  /** Of this task: `1.0.0`. */
  readonly version: string;
  variable(name: string): string | undefined;
  /** The pipeline's secret variables, by name. */
  secretVariables(): ReadonlyMap<string, string>;
  /**
   * A fresh token by which Azure DevOps vouches for this pipeline, or for a service connection that the step was given;
   * see {@link requestOidcToken}.
   */
  oidcToken(serviceConnectionId?: string, limits?: SignInLimits): Promise<string>;
  setOutput(name: string, value: string | number | boolean): void;
  /** Leaves word for the part of this task that runs at the end of the job. */
  setTaskVariable(name: string, value: string): void;
  /** Shows a page on the run's Extensions tab; its title is the name of the file that is uploaded. */
  uploadSummary(title: string, summary: Summary): void;
  /** Keeps a text with the run, secrets masked; the reader finds it by its name in the logs' download. */
  attach(name: string, text: string): void;
}

/**
 * How the agent cancels a step: first Ctrl-C, then what is stronger; SIGBREAK is Windows' Ctrl-Break, which comes second
 * there.
 */
const CANCEL_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGBREAK'] as const;

/** Milliseconds from the first of these signals to the end. The agent waits 7.5 s before it sends the next signal. */
const CANCEL_LIMIT = 4_500;

/** The agent's type of attachments that the logs' download contains. */
const FILE_ATTACHMENT = 'DistributedTask.Core.FileAttachment';

/**
 * Runs a task from the agent's environment to its result, and ends the process. Whatever happens, the exit code is 0
 * and the result goes out as a logging command: the agent takes any other exit code for a fault of its own machine.
 */
export async function runTask(story: (task: TaskContext) => Promise<Outcome>): Promise<void> {
  const log = createLogger(printLine);
  const cancel = new AbortController();
  // Every request listens, and more than ten at a time are no leak.
  setMaxListeners(0, cancel.signal);
  listenForCancel(cancel, log);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error) => {
      // What is broken off by a cancel has nothing to tell; the story goes on cleaning up, and has its own end.
      if (cancel.signal.aborted) log.debug(describeError(error));
      else finish(() => reportFailure(log, error));
    });
  }

  try {
    const outcome = await story(createContext(log, cancel.signal));
    finish(() => {
      if (outcome.result === 'SucceededWithIssues') log.warning(outcome.message);
      else log.info(outcome.message);
      log.complete(outcome.result, outcome.message);
    });
  } catch (error) {
    finish(() => {
      if (cancel.signal.aborted) reportCancel(log, error);
      else reportFailure(log, error);
    });
  }
}

function createContext(log: AgentLog, signal: AbortSignal): TaskContext {
  const { name, version } = readTaskJson();
  const ownVersion = `${version.Major}.${version.Minor}.${version.Patch}`;
  const userAgent = `ModelPipelineTasks/${ownVersion} (${name})`;
  const network = readNetworkSettings(log.maskSecret);
  for (const secret of [...readSecretVariables().values(), readAccessToken()]) {
    if (secret) rememberSecret(secret);
  }
  const tempFolder = mkdtempSync(join(readVariable('Agent.TempDirectory') ?? tmpdir(), `${name}-`));
  const http = new HttpClient({ log, signal, network, userAgent });
  return {
    log,
    signal,
    inputs: new InputReader(readInput, log, readServiceConnection),
    http,
    network,
    tempFolder,
    version: ownVersion,
    variable: readVariable,
    secretVariables: readSecretVariables,
    oidcToken: (serviceConnectionId, limits) =>
      requestOidcToken(
        { http, log, variable: readVariable, accessToken: readAccessToken() },
        serviceConnectionId,
        limits,
      ),
    setOutput(output, value) {
      log.command('task.setvariable', { variable: output, isoutput: 'true' }, String(value));
    },
    setTaskVariable(variable, value) {
      log.command('task.settaskvariable', { variable }, value);
    },
    uploadSummary(title, summary) {
      const file = join(tempFolder, fileName(`${title}.md`));
      writeFileSync(file, summary.toString());
      log.command('task.uploadsummary', {}, file);
    },
    attach(attachment, text) {
      const file = join(tempFolder, fileName(attachment));
      writeFileSync(file, redact(text));
      log.command('task.addattachment', { type: FILE_ATTACHMENT, name: fileName(attachment) }, file);
    },
  };
}

function readTaskJson(): {
  readonly name: string;
  readonly helpUrl: string;
  readonly version: { readonly Major: number; readonly Minor: number; readonly Patch: number };
} {
  return JSON.parse(readFileSync(join(__dirname, 'task.json'), 'utf8'));
}

/** Characters of a file's name: file systems allow 255 bytes. */
const LONGEST_NAME = 150;

/** A title as the name of a file, on every platform. */
function fileName(title: string): string {
  const [, stem = '', extension = ''] = /^(.*?)(\.\w{1,5})?$/.exec(title.replace(/[^\w .-]+/g, '-'))!;
  return stem.slice(0, LONGEST_NAME) + extension;
}

function listenForCancel(cancel: AbortController, log: AgentLog): void {
  for (const name of CANCEL_SIGNALS) {
    process.on(name, () => {
      if (cancel.signal.aborted) return;
      log.info('Cancelling.');
      cancel.abort();
      setTimeout(
        () => finish(() => reportCancel(log, new Error('Cleaning up took too long.'))),
        CANCEL_LIMIT,
      ).unref();
    });
  }
}

function reportCancel(log: AgentLog, reason: unknown): void {
  if (!(reason instanceof CancelledError)) reportError(log, reason);
  log.complete('Canceled', 'The step was canceled.');
}

function reportFailure(log: AgentLog, error: unknown): void {
  log.complete('Failed', reportError(log, error));
}

function reportError(log: AgentLog, error: unknown): string {
  const known = error instanceof TaskError || error instanceof CancelledError;
  const page = error instanceof TaskError ? documentationOf(error, readTaskJson().helpUrl) : undefined;
  const message = known
    ? error.message + (page ? ` See ${page}` : '')
    : `The task met an error that it does not know: ${error instanceof Error ? error.message : String(error)}`;
  if (error instanceof TaskError) for (const detail of error.details) log.info(detail);
  if (error instanceof Error) log.debug(error.stack ?? '');
  const issues = error instanceof TaskError && error.issues.length > 1 ? error.issues : [message];
  for (const issue of issues) log.error(issue);
  return message;
}

let finished = false;

/** Lets only the first ending count, and leaves once it is written. */
function finish(report: () => void): void {
  if (finished) return;
  finished = true;
  report();
  afterOutput(() => process.exit(0));
}
