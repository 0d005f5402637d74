import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { infrastructureFailed, succeeded } from '../../../local/databricks/runs/outcome';
import { startWorkspace } from '../../../local/databricks/workspace';
import { startRegistry } from '../../../local/registry/registry';
import { buildAndPush } from '../../../tasks/AcrBuildPush/build-and-push';
import { readInputs as readBuildInputs } from '../../../tasks/AcrBuildPush/inputs';
import type { TaskContext } from '../../../tasks/common/task';
import { readInputs as readRunInputs } from '../../../tasks/DatabricksRunJob/inputs';
import { runJob } from '../../../tasks/DatabricksRunJob/run-job';
import { downloadModel } from '../../../tasks/ModelRegistryDownload/download-model';
import { readInputs as readDownloadInputs } from '../../../tasks/ModelRegistryDownload/inputs';
import { PATIENCES } from '../../../tasks/ModelRegistryDownload/registry/persist';
import { BlobServer } from '../../support/blob-server';
import { APPLICATION, startEntra } from './entra';
import {
  type Ending,
  patienceFor,
  play,
  quickClock,
  removeFolder,
  type Stage,
  type Story,
  temporaryFolder,
} from './step';

const MODEL = Buffer.alloc(50_000, 'model');

/** A model in two folders, whose files come through the workspace, or by links to the cloud's storage. */
async function catalogStory(by: 'links' | 'workspace'): Promise<Stage> {
  const folder = temporaryFolder();
  const secret = `dose~${randomUUID()}`;
  const workspace = await startWorkspace({
    folder,
    signIn: { servicePrincipals: [{ clientId: 'principal', secret }] },
  });
  workspace.catalog.register('main.ml.titanic', { 'old.pkl': 'old' });
  const files = { 'model.pkl': MODEL, 'code/flags.pkl': Buffer.from('flags') };
  // The storage tells MD5s; the workspace tells no checksum, and a version can state its own.
  const sums = Object.entries(files).map(([path, content]) => ({ path, sha256: sha256Of(content) }));
  workspace.catalog.register('main.ml.titanic', {
    ...files,
    ...(by === 'workspace' && { 'metadata.json': JSON.stringify({ files: sums }) }),
  });
  workspace.givesLinks = by === 'links';
  return {
    target: workspace.url,
    parts: { '/metastore/': workspace.storage.url },
    name: 'adb-1234567890123456.7.azuredatabricks.net',
    get secrets() {
      return [secret, ...workspace.storage.signatures.flatMap((one) => [one, encodeURIComponent(one)])];
    },
    async run(relay) {
      workspace.storage.publicUrl = relay.origin;
      const destination = join(folder, 'sources/pickles');
      mkdirSync(join(folder, 'sources'), { recursive: true });
      const inputs = {
        registryType: 'unityCatalog',
        authType: 'servicePrincipal',
        databricksHost: relay.origin,
        clientId: 'principal',
        clientSecret: secret,
        modelName: 'main.ml.titanic',
        modelVersion: 'latest',
        destinationFolder: destination,
      };
      const silence = patienceFor(relay);
      const patience = { ...PATIENCES.unityCatalog, idle: silence };
      const ending = await play(inputs, folder, relay, (task) =>
        downloadModel(readDownloadInputs(task), task, patience),
      );
      return { ...ending, effect: judgeModel(ending, destination, ['model.pkl', 'code/flags.pkl']) };
    },
    async stop() {
      await workspace.stop();
      removeFolder(folder);
    },
  };
}

function sha256Of(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** What is wrong with a destination, given how the step ended. */
function judgeModel(
  { outcome }: Pick<Ending, 'outcome'>,
  destination: string,
  [modelName, flagsName]: readonly [string, string],
): string[] {
  const read = (name: string) => {
    try {
      return readFileSync(join(destination, name));
    } catch {
      return undefined;
    }
  };
  const [model, flags] = [read(modelName), read(flagsName)];
  const isThere = Boolean(model?.equals(MODEL)) && flags?.toString() === 'flags';
  return [
    ...(outcome && !isThere ? ['well, without the model'] : []),
    ...(!outcome && (model ?? flags) ? ['failed, and left something'] : []),
  ];
}

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
      name: 'adb-1234567890123456.7.azuredatabricks.net',
      secrets: [secret],
      async run(relay) {
        const ending = await play(
          {
            authType: 'servicePrincipal',
            databricksHost: relay.origin,
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
          relay,
          (task) => runJob(readRunInputs(task), { ...task, clock: quickClock() }),
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
        removeFolder(folder);
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
      name: 'storage.example.com',
      secrets: [server.key],
      async run(relay) {
        const destination = join(folder, 'sources/pickles');
        mkdirSync(join(folder, 'sources'), { recursive: true });
        const inputs = {
          storageAccount: server.account,
          storageKey: server.key,
          blobEndpoint: `${relay.origin}/${server.account}`,
          modelName: 'titanic',
          modelVersion: 'latest',
          destinationFolder: destination,
        };
        const silence = patienceFor(relay);
        const patience = { ...PATIENCES.blob, idle: silence };
        const ending = await play(inputs, folder, relay, (task) =>
          downloadModel(readDownloadInputs(task), task, patience),
        );
        return { ...ending, effect: judgeModel(ending, destination, ['model.pkl', 'flags.pkl']) };
      },
      async stop() {
        await server.stop();
        removeFolder(folder);
      },
    };
  },

  'ModelRegistryDownload of the latest version in Unity Catalog, by links': () => catalogStory('links'),

  'ModelRegistryDownload of the latest version in Unity Catalog': () => catalogStory('workspace'),

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
      name: 'myregistry.azurecr.io',
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
        const ending = await play(inputs, folder, relay, (task) => buildAndPush(readBuildInputs(task), task));
        const headers = {
          Authorization: `Basic ${Buffer.from(`myregistry:${password}`).toString('base64')}`,
        };
        const found = await fetch(`${registry.url}/v2/titanic-model-api/manifests/1.0.0`, { headers });
        const digest = /imageDigest=(\S+)/.exec(ending.output)?.[1];
        const stored = `sha256:${sha256Of(Buffer.from(await found.arrayBuffer()))}`;
        const effect = [
          ...(ending.outcome && found.status !== 200 ? [`well, and the tag answers ${found.status}`] : []),
          ...(ending.outcome && digest !== stored ? [`${digest} was told, and ${stored} is stored`] : []),
        ];
        return { ...ending, effect };
      },
      async stop() {
        await registry.stop();
        removeFolder(folder);
      },
    };
  },

  'DatabricksRunJob by a federated connection': async () => {
    const folder = temporaryFolder();
    const workspace = await startWorkspace({ folder, timing: { pending: 1, terminating: 1 } });
    const notebook = { notebook_path: '/live/train' };
    workspace.createJob(
      { name: 'train', tasks: [{ task_key: 'train', notebook_task: notebook }] },
      { task: () => ({ outcome: succeeded({ exitValue: 'stored' }) }) },
    );
    const entra = startEntra('WorkloadIdentityFederation', workspace.token);
    return {
      target: workspace.url,
      name: 'adb-1234567890123456.7.azuredatabricks.net',
      ...entra,
      async run(relay) {
        const inputs = {
          authType: 'azureServiceConnection',
          azureServiceConnection: 'connection',
          databricksHost: relay.origin,
          job: 'train',
        };
        const story = (task: TaskContext) => runJob(readRunInputs(task), { ...task, clock: quickClock() });
        return { ...(await play(inputs, folder, relay, story, entra)), effect: [] };
      },
      async stop() {
        await workspace.stop();
        removeFolder(folder);
      },
    };
  },

  'ModelRegistryDownload by a connection with a secret': async () => {
    const folder = temporaryFolder();
    const server = await BlobServer.start();
    server.put('titanic', '1.2.0/model.pkl', MODEL);
    const entra = startEntra('ServicePrincipal');
    return {
      target: server.endpoint,
      name: 'storage.example.com',
      ...entra,
      async run(relay) {
        mkdirSync(join(folder, 'sources'), { recursive: true });
        const inputs = {
          authType: 'azureServiceConnection',
          azureServiceConnection: 'connection',
          storageAccount: server.account,
          blobEndpoint: `${relay.origin}/${server.account}`,
          modelName: 'titanic',
          modelVersion: '1.2.0',
          destinationFolder: join(folder, 'sources/pickles'),
        };
        const patience = { ...PATIENCES.blob, idle: patienceFor(relay) };
        const story = (task: TaskContext) => downloadModel(readDownloadInputs(task), task, patience);
        return { ...(await play(inputs, folder, relay, story, entra)), effect: [] };
      },
      async stop() {
        await server.stop();
        removeFolder(folder);
      },
    };
  },

  'AcrBuildPush by a connection with a secret': async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
    const entra = startEntra('ServicePrincipal');
    const claims = { aud: 'https://management.azure.com', tid: entra.tenantId, appid: APPLICATION };
    const registry = await startRegistry({
      folder: join(folder, 'registry'),
      username: 'myregistry',
      password: randomUUID(),
      identities: {
        tenantId: entra.tenantId,
        claims: (token) => (token === entra.accessToken ? claims : undefined),
        rights: () => ['pull', 'push', 'metadata_read', 'metadata_write'],
      },
    });
    return {
      target: registry.url,
      name: 'myregistry.azurecr.io',
      ...entra,
      async run(relay) {
        const inputs = {
          authType: 'azureServiceConnection',
          azureServiceConnection: 'connection',
          acrName: 'myregistry',
          loginServer: relay.host,
          repository: 'titanic-model-api',
          tags: '1.0.0',
          dockerfile: join(folder, 'Dockerfile'),
          buildContext: folder,
          builder: 'direct',
        };
        const story = (task: TaskContext) => buildAndPush(readBuildInputs(task), task);
        return { ...(await play(inputs, folder, relay, story, entra)), effect: [] };
      },
      async stop() {
        await registry.stop();
        removeFolder(folder);
      },
    };
  },
};
