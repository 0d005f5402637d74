import { setMaxListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../tasks/common/clock';
import { HttpClient, type HttpRequest } from '../../../tasks/common/http';
import { InputReader } from '../../../tasks/common/inputs';
import { createLogger } from '../../../tasks/common/log';
import { requestOidcToken } from '../../../tasks/common/pipeline-oidc';
import type { Outcome, TaskContext } from '../../../tasks/common/task';
import type { Entra } from './entra';
import type { Relay, Service } from './relay';
import { wait } from './time';

/** How a step ended, and what of it can be seen. */
export interface Ending {
  readonly outcome: Outcome | undefined;
  readonly error: unknown;
  /** All that it printed, and the pages that it left. */
  readonly output: string;
  /** What is wrong with what it did; empty where nothing is. */
  readonly effect: readonly string[];
}

/** A task with a service behind it, for one run. */
export interface Stage extends Service {
  readonly secrets: readonly string[];
  /** Runs the task by way of the relay. */
  run(relay: Relay): Promise<Ending>;
  stop(): Promise<void>;
}

export type Story = () => Promise<Stage>;

/**
 * Milliseconds of silence that a step of a test waits for, whatever its task would: little where silence is the fault, and
 * where it is not, more than a busy machine takes for an answer.
 */
export function patienceFor({ isSilent }: Relay): number {
  return isSilent ? 1_500 : LONG_PATIENCE;
}

const LONG_PATIENCE = 15_000;

/** Runs a task's story in this process, with its own log and client. */
export async function play(
  inputs: Record<string, string>,
  folder: string,
  relay: Relay,
  story: (task: TaskContext) => Promise<Outcome>,
  entra?: Entra,
): Promise<Omit<Ending, 'effect'>> {
  const lines: string[] = [];
  const pages: string[] = [];
  const log = createLogger((line) => {
    if (!line.startsWith('##vso[task.setsecret]')) lines.push(line);
  });
  const { network } = relay;
  const cancel = new AbortController();
  setMaxListeners(0, cancel.signal);
  const client = new HttpClient({ log, signal: cancel.signal, network, userAgent: 'test' });
  const http = {
    send(request: HttpRequest) {
      // Only where silence is to come is it waited for shortly: the process does much else at the same time.
      const silence = relay.isNextHit(request) ? patienceFor(relay) : LONG_PATIENCE;
      return client.send({ ...request, idleTimeout: Math.min(request.idleTimeout ?? silence, silence) });
    },
    close: () => client.close(),
  } as HttpClient;
  const tempFolder = mkdtempSync(join(folder, 'temp-'));
  const variables: Record<string, string> = {
    'Agent.WorkFolder': join(folder, 'work'),
    'System.OidcRequestUri': `${relay.origin}/oidctoken`,
  };
  const variable = (name: string) => variables[name];
  const task: TaskContext = {
    log,
    signal: cancel.signal,
    http,
    network,
    tempFolder,
    version: '1.0.0',
    inputs: new InputReader(
      (name) => inputs[name]?.trim() || undefined,
      log,
      entra?.connection(relay.origin) ?? (() => undefined),
    ),
    variable,
    secretVariables: () => new Map(),
    oidcToken: (id, limits) =>
      requestOidcToken({ http, log, accessToken: 'job~of-the-matrix', variable }, id, limits),
    setOutput: (name, value) => pages.push(`${name}=${value}`),
    setTaskVariable: () => undefined,
    uploadSummary: (title, summary) => pages.push(title, summary.toString()),
    attach: (name) => pages.push(name),
  };
  let outcome: Outcome | undefined;
  let error: unknown;
  try {
    outcome = await story(task);
  } catch (failure) {
    error = failure;
    log.error(failure instanceof Error ? failure.message : String(failure));
    for (const detail of (failure as { details?: readonly string[] }).details ?? []) log.info(detail);
  } finally {
    cancel.abort();
    client.close();
  }
  return { outcome, error, output: [...lines, ...pages].join('\n') };
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'matrix-'));
}

/** A clock that is as late as it was asked to wait, though waiting takes a millisecond. */
export function quickClock(): Clock {
  let time = 0;
  return {
    now: () => time,
    async sleep(milliseconds) {
      time += milliseconds;
      await wait(milliseconds, () => new Promise<void>((resolve) => setTimeout(resolve, 1)));
    },
  };
}

/** Removes a service's folder. What a broken request was about to write may still come, for a moment after the service ended. */
export function removeFolder(folder: string): void {
  for (let tries = 1; ; tries++) {
    try {
      rmSync(folder, { recursive: true, force: true, maxRetries: 2, retryDelay: 50 });
      return;
    } catch (error) {
      // Node tries again to remove a folder, but not what has come into it meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY' || tries === 10) throw error;
    }
  }
}
