import { createHash, randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { infrastructureFailed, succeeded } from '../../../local/databricks/runs/outcome';
import { startWorkspace } from '../../../local/databricks/workspace';
import { startRegistry } from '../../../local/registry/registry';
import { buildAndPush } from '../../../tasks/AcrBuildPush/build-and-push';
import { readInputs as readBuildInputs } from '../../../tasks/AcrBuildPush/inputs';
import { HttpClient, type HttpRequest } from '../../../tasks/common/http';
import { InputReader } from '../../../tasks/common/inputs';
import { createLogger } from '../../../tasks/common/log';
import type { Outcome, TaskContext } from '../../../tasks/common/task';
import { readInputs as readRunInputs } from '../../../tasks/DatabricksRunJob/inputs';
import { runJob } from '../../../tasks/DatabricksRunJob/run-job';
import { downloadModel } from '../../../tasks/ModelRegistryDownload/download-model';
import { readInputs as readDownloadInputs } from '../../../tasks/ModelRegistryDownload/inputs';
import { PATIENCE } from '../../../tasks/ModelRegistryDownload/registry/persist';
import { BlobServer } from '../../support/blob-server';
import type { Relay } from './relay';

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
export interface Stage {
  /** Where the service is. */
  readonly target: string;
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
function patienceFor({ isSilent }: Relay): number {
  return isSilent ? 1_500 : 15_000;
}

/** Runs a task's story in this process, with its own log and client. */
async function play(
  inputs: Record<string, string>,
  folder: string,
  silence: number,
  story: (task: TaskContext) => Promise<Outcome>,
): Promise<Omit<Ending, 'effect'>> {
  const lines: string[] = [];
  const pages: string[] = [];
  const log = createLogger((line) => {
    if (!line.startsWith('##vso[task.setsecret]')) lines.push(line);
  });
  const network = { proxyFor: () => undefined, tls: {} };
  const cancel = new AbortController();
  setMaxListeners(0, cancel.signal);
  const client = new HttpClient({ log, signal: cancel.signal, network, userAgent: 'test' });
  const http = {
    send: (request: HttpRequest) =>
      client.send({ ...request, idleTimeout: Math.min(request.idleTimeout ?? silence, silence) }),
    close: () => client.close(),
  } as HttpClient;
  const tempFolder = mkdtempSync(join(folder, 'temp-'));
  const task: TaskContext = {
    log,
    signal: cancel.signal,
    http,
    network,
    tempFolder,
    inputs: new InputReader(
      (name) => inputs[name]?.trim() || undefined,
      log,
      () => undefined,
    ),
    variable: (name) => (name === 'Agent.WorkFolder' ? join(folder, 'work') : undefined),
    secretVariables: () => new Map(),
    oidcToken: () => Promise.reject(new Error('nobody vouches here')),
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

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'matrix-'));
}

const MODEL = Buffer.alloc(50_000, 'model');

export const STORIES: Record<string, Story> = {
  'DatabricksRunJob that signs in, creates its job, repairs and exports its run': async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'train.py'), '# Databricks notebook source\n');
    const tasks = [{ task_key: 'train', notebook_task: { notebook_path: '/live/train' } }];
    writeFileSync(join(folder, 'job.json'), JSON.stringify({ tasks }));
    const secret = `dose~${randomUUID()}`;
    const workspace = await startWorkspace({
      folder,
      timing: { pending: 1, terminating: 1 },
      signIn: { servicePrincipals: [{ clientId: 'principal', secret }] },
      scenario: {
        task: ({ attempt }) => ({
          outcome:
            attempt === 0
              ? infrastructureFailed('CLUSTER_ERROR', 'The cluster is gone')
              : succeeded({ exitValue: 'stored' }),
        }),
      },
    });
    return {
      target: workspace.url,
      secrets: [secret],
      async run(relay) {
        const ending = await play(
          {
            authType: 'servicePrincipal',
            databricksHost: `http://${relay.host}`,
            clientId: 'principal',
            clientSecret: secret,
            notebookFile: join(folder, 'train.py'),
            notebookPath: '/live/train',
            job: 'train',
            jobDefinition: join(folder, 'job.json'),
            repairAttempts: '1',
            exportHtml: 'true',
          },
          folder,
          patienceFor(relay),
          (task) => {
            let time = 0;
            const clock = {
              now: () => time,
              async sleep(milliseconds: number) {
                time += milliseconds;
                await new Promise((resolve) => setTimeout(resolve, 1));
              },
            };
            return runJob(readRunInputs(task), { ...task, clock });
          },
        );
        const list = async (what: string) => {
          const headers = { Authorization: `Bearer ${workspace.token}` };
          const answer = await fetch(`${workspace.url}/api/2.2/jobs/${what}`, { headers });
          return (
            ((await answer.json()) as Record<string, unknown[]>)[what === 'list' ? 'jobs' : 'runs'] ?? []
          );
        };
        const [jobs, runs] = [(await list('list')).length, (await list('runs/list')).length];
        const effect = [
          ...(jobs > 1 ? [`${jobs} jobs`] : []),
          ...(runs > 1 ? [`${runs} runs`] : []),
          ...(ending.outcome && (jobs !== 1 || runs !== 1)
            ? [`well, with ${jobs} jobs and ${runs} runs`]
            : []),
          ...(ending.outcome?.result === 'Succeeded' && !ending.output.includes('notebookOutput=stored')
            ? ['no output']
            : []),
        ];
        return { ...ending, effect };
      },
      async stop() {
        await workspace.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },

  'ModelRegistryDownload of the latest version': async () => {
    const folder = temporaryFolder();
    const server = await BlobServer.start();
    server.put('titanic', '1.0.0/old.pkl', 'old');
    server.put('titanic', '1.2.0/model.pkl', MODEL);
    server.put('titanic', '1.2.0/flags.pkl', 'flags');
    return {
      target: server.endpoint,
      secrets: [server.key],
      async run(relay) {
        const destination = join(folder, 'sources/pickles');
        mkdirSync(join(folder, 'sources'), { recursive: true });
        const inputs = {
          storageAccount: server.account,
          storageKey: server.key,
          blobEndpoint: `http://${relay.host}/${server.account}`,
          modelName: 'titanic',
          modelVersion: 'latest',
          destinationFolder: destination,
        };
        const silence = patienceFor(relay);
        const patience = { ...PATIENCE, idle: silence };
        const ending = await play(inputs, folder, silence, (task) =>
          downloadModel(readDownloadInputs(task), task, patience),
        );
        const read = (name: string) => {
          try {
            return readFileSync(join(destination, name));
          } catch {
            return undefined;
          }
        };
        const [model, flags] = [read('model.pkl'), read('flags.pkl')];
        const isThere = Boolean(model?.equals(MODEL)) && flags?.toString() === 'flags';
        const effect = [
          ...(ending.outcome && !isThere ? ['well, without the model'] : []),
          ...(!ending.outcome && (model ?? flags) ? ['failed, and left something'] : []),
        ];
        return { ...ending, effect };
      },
      async stop() {
        await server.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },

  'AcrBuildPush that builds directly and locks its tag': async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
    const password = `pa55~${randomUUID()}`;
    const registry = await startRegistry({
      folder: join(folder, 'registry'),
      username: 'myregistry',
      password,
    });
    return {
      target: registry.url,
      secrets: [password, Buffer.from(`myregistry:${password}`).toString('base64')],
      async run(relay) {
        const inputs = {
          acrName: 'myregistry',
          acrPassword: password,
          loginServer: relay.host,
          repository: 'titanic-model-api',
          tags: '1.0.0\nlatest',
          dockerfile: join(folder, 'Dockerfile'),
          buildContext: folder,
          builder: 'direct',
          lockTag: 'true',
        };
        const ending = await play(inputs, folder, patienceFor(relay), (task) =>
          buildAndPush(readBuildInputs(task), task),
        );
        const headers = {
          Authorization: `Basic ${Buffer.from(`myregistry:${password}`).toString('base64')}`,
        };
        const found = await fetch(`${registry.url}/v2/titanic-model-api/manifests/1.0.0`, { headers });
        const digest = /imageDigest=(\S+)/.exec(ending.output)?.[1];
        const stored = `sha256:${createHash('sha256')
          .update(Buffer.from(await found.arrayBuffer()))
          .digest('hex')}`;
        const effect = [
          ...(ending.outcome && found.status !== 200 ? [`well, and the tag answers ${found.status}`] : []),
          ...(ending.outcome && digest !== stored ? [`${digest} was told, and ${stored} is stored`] : []),
        ];
        return { ...ending, effect };
      },
      async stop() {
        await registry.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
};
