import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { infrastructureFailed, succeeded } from '../../local/databricks/runs/outcome';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { startRegistry } from '../../local/registry/registry';
import { BlobServer } from '../support/blob-server';
import { runStep } from '../support/extension';
import { installFakeDocker } from '../support/fake-docker';
import { portion, RUNS_ALL, SEED } from '../support/seeded';

/**
 * Every request that a task makes goes wrong once, in one way at a time: the task must come through, and do what it
 * does once. Servers that ask to be tried again at once keep the tests quick. `npm test` takes the status of a request that
 * was turned away, and one of those that may have been carried out; `npm run test:faults:all` takes all.
 */
const statuses = [429, ...portion([408, 500, 502, 503, 504], 1)];

/** Says of each request whether it is the first of its kind. */
function firstTime(): (request: string) => boolean {
  const seen = new Set<string>();
  return (request) => !seen.has(request) && Boolean(seen.add(request));
}

function failEachOnce(workspace: Workspace, fault: number | 'connection cut' | 'answer lost'): void {
  const isFirst = firstTime();
  workspace.intercept(({ method, path }) => {
    if (!isFirst(`${method} ${path}`)) return undefined;
    if (fault === 'connection cut') return {};
    if (fault === 'answer lost') return { afterHandling: true };
    return { answer: { status: fault, headers: { 'Retry-After': '0' } } };
  });
}

/** What the workspace lists at an address of its jobs. */
async function list(workspace: Workspace, what: string): Promise<Record<string, unknown[]>> {
  const headers = { Authorization: `Bearer ${workspace.token}` };
  const answer = await fetch(`${workspace.url}/api/2.2/jobs/${what}`, { headers });
  return (await answer.json()) as Record<string, unknown[]>;
}

describe('every request failing once', function () {
  this.timeout(60_000);
  let folder: string;

  before(() => console.log(`SEED=${SEED}${RUNS_ALL ? ', all of it' : ''}`));

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'faults-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  for (const fault of [...statuses, 'connection cut', 'answer lost'] as const) {
    it(`with ${fault}: DatabricksRunJob starts exactly one run and reports it`, async () => {
      writeFileSync(join(folder, 'train.py'), '# Databricks notebook source\n');
      const workspace = await startWorkspace({ folder, timing: { pending: 1, terminating: 1 } });
      const notebook = { notebook_path: '/live/train' };
      workspace.createJob(
        { name: 'train', tasks: [{ task_key: 'train', notebook_task: notebook }] },
        { task: () => ({ outcome: succeeded({ exitValue: 'stored' }) }) },
      );
      failEachOnce(workspace, fault);
      try {
        const step = await runStep(
          'DatabricksRunJob',
          {
            databricksHost: workspace.url,
            databricksToken: workspace.token,
            notebookFile: 'train.py',
            notebookPath: '/live/train',
            job: 'train',
          },
          { sources: folder },
        );
        assert.equal(step.result, 'Succeeded', step.log.join('\n'));
        assert.equal(step.outputVariables.notebookOutput, 'stored');
        workspace.intercept(() => undefined);
        assert.equal((await list(workspace, 'runs/list')).runs!.length, 1);
      } finally {
        await workspace.stop();
      }
    });
  }

  for (const fault of [503, 'connection cut', 'answer lost'] as const) {
    it(`with ${fault}: DatabricksRunJob starts exactly one run of a copy, and removes the copy`, async () => {
      writeFileSync(join(folder, 'train.py'), '# Databricks notebook source\n');
      const scenario = { task: () => ({ outcome: succeeded({ exitValue: 'stored' }) }) };
      const workspace = await startWorkspace({ folder, timing: { pending: 1, terminating: 1 }, scenario });
      const notebook = { notebook_path: '/live/train' };
      workspace.createJob({ name: 'train', tasks: [{ task_key: 'train', notebook_task: notebook }] });
      failEachOnce(workspace, fault);
      try {
        const step = await runStep(
          'DatabricksRunJob',
          {
            ...{ databricksHost: workspace.url, databricksToken: workspace.token, isolate: 'true' },
            ...{ notebookFile: 'train.py', notebookPath: '/live/train', job: 'train' },
          },
          { sources: folder },
        );
        assert.equal(step.result, 'Succeeded', step.log.join('\n'));
        assert.equal(step.outputVariables.notebookOutput, 'stored');
        workspace.intercept(() => undefined);
        assert.equal((await list(workspace, 'runs/list')).runs!.length, 1);
        const deleted = workspace.requests.filter(({ path }) => path.endsWith('/workspace/delete')).at(-1)!;
        const status = await fetch(
          `${workspace.url}/api/2.0/workspace/get-status?path=${encodeURIComponent(String(deleted.fields.path))}`,
          { headers: { authorization: `Bearer ${workspace.token}` } },
        );
        assert.equal(status.status, 404);
      } finally {
        await workspace.stop();
      }
    });
  }

  for (const fault of [...statuses, 'connection cut', 'answer lost'] as const) {
    it(`with ${fault}: DatabricksRunJob signs in, creates one job, repairs its run and exports it`, async () => {
      writeFileSync(join(folder, 'train.py'), '# Databricks notebook source\n');
      const notebook = { notebook_path: '/live/train' };
      writeFileSync(
        join(folder, 'job.json'),
        JSON.stringify({ tasks: [{ task_key: 'train', notebook_task: notebook }] }),
      );
      const workspace = await startWorkspace({
        folder,
        timing: { pending: 1, terminating: 1 },
        signIn: { servicePrincipals: [{ clientId: 'principal', secret: 'dose-secret' }] },
        scenario: {
          task: ({ attempt }) => ({
            outcome:
              attempt === 0 ? infrastructureFailed('CLUSTER_ERROR', 'The cluster is gone') : succeeded(),
          }),
        },
      });
      failEachOnce(workspace, fault);
      try {
        const step = await runStep(
          'DatabricksRunJob',
          {
            authType: 'servicePrincipal',
            databricksHost: workspace.url,
            clientId: 'principal',
            clientSecret: 'dose-secret',
            notebookFile: 'train.py',
            notebookPath: '/live/train',
            job: 'train',
            jobDefinition: 'job.json',
            repairAttempts: '1',
            exportHtml: 'true',
          },
          { sources: folder },
        );
        assert.equal(step.result, 'Succeeded', step.log.join('\n'));
        workspace.intercept(() => undefined);
        assert.equal((await list(workspace, 'list')).jobs!.length, 1);
        assert.equal((await list(workspace, 'runs/list')).runs!.length, 1);
      } finally {
        await workspace.stop();
      }
    });
  }

  for (const fault of [...statuses, 'connection cut', 'cut in the body'] as const) {
    it(`with ${fault}: ModelRegistryDownload brings the model whole`, async () => {
      const server = await BlobServer.start();
      server.put('titanic', '1.0.0/model.pkl', Buffer.alloc(50_000, 'm'));
      server.put('titanic', '1.0.0/flags.pkl', 'flags');
      const isFirst = firstTime();
      server.fault = ({ kind, blob }) => {
        if (!isFirst(`${kind} ${blob}`)) return undefined;
        if (fault === 'connection cut') return { resetAfter: 0 };
        if (fault === 'cut in the body') return kind === 'read' ? { resetAfter: 3 } : undefined;
        return { status: fault, code: 'ServerBusy', headers: { 'Retry-After': '0' } };
      };
      try {
        const step = await runStep('ModelRegistryDownload', {
          storageAccount: server.account,
          storageKey: server.key,
          blobEndpoint: server.endpoint,
          modelName: 'titanic',
          modelVersion: '1.0.0',
          destinationFolder: join(folder, 'pickles'),
        });
        assert.equal(step.result, 'Succeeded', step.log.join('\n'));
        assert.ok(readFileSync(join(folder, 'pickles/model.pkl')).equals(Buffer.alloc(50_000, 'm')));
        assert.equal(readFileSync(join(folder, 'pickles/flags.pkl'), 'utf8'), 'flags');
      } finally {
        await server.stop();
      }
    });
  }

  for (const fault of [...statuses, 'connection cut', 'answer lost'] as const) {
    it(`with ${fault}: ModelRegistryDownload brings the model of Unity Catalog whole`, async () => {
      const workspace = await startWorkspace({ folder });
      const content = Buffer.alloc(50_000, 'm');
      workspace.catalog.register('main.ml.titanic', { 'model.pkl': content, 'code/flags.pkl': 'flags' });
      workspace.givesLinks = false;
      failEachOnce(workspace, fault);
      try {
        const step = await runStep('ModelRegistryDownload', {
          registryType: 'unityCatalog',
          databricksHost: workspace.url,
          databricksToken: workspace.token,
          modelName: 'main.ml.titanic',
          modelVersion: 'latest',
          destinationFolder: join(folder, 'pickles'),
        });
        assert.equal(step.result, 'Succeeded', step.log.join('\n'));
        assert.ok(readFileSync(join(folder, 'pickles/model.pkl')).equals(content));
        assert.equal(readFileSync(join(folder, 'pickles/code/flags.pkl'), 'utf8'), 'flags');
      } finally {
        await workspace.stop();
      }
    });
  }

  for (const fault of [...statuses, 'connection cut'] as const) {
    for (const [builder, what] of [
      ['docker', 'signs in, checks the tag, and goes on to the engine'],
      ['direct', 'builds an image by itself, and publishes it'],
    ] as const) {
      it(`with ${fault}: AcrBuildPush ${what}`, async () => {
        writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
        const isFirst = firstTime();
        const registry = await startRegistry({
          folder: join(folder, 'registry'),
          username: 'myregistry',
          password: 'pa55-word',
          intercept: ({ method, url, socket }, response) => {
            // Each upload has a name of its own.
            const request = `${method} ${url?.replace(/uploads\/.+/, 'uploads/…')}`;
            if (!isFirst(request)) return false;
            if (fault === 'connection cut') socket.destroy();
            else response.writeHead(fault, { 'Retry-After': '0' }).end();
            return true;
          },
        });
        try {
          const step = await runStep(
            'AcrBuildPush',
            {
              acrName: 'myregistry',
              acrPassword: 'pa55-word',
              loginServer: registry.loginServer,
              repository: 'titanic-model-api',
              tags: '1.0.0\nlatest',
              dockerfile: 'Dockerfile',
              builder,
              lockTag: 'true',
            },
            { sources: folder, environment: installFakeDocker(folder) },
          );
          if (builder === 'direct') {
            assert.equal(step.result, 'Succeeded', step.log.join('\n'));
            assert.equal(step.outputVariables.imageTags, '1.0.0,latest');
            assert.ok(step.log.some((line) => line.endsWith('Locked 1.0.0.')));
          } else
            assert.ok(
              step.log.some((line) => line.includes('Step 1/1')),
              step.log.join('\n'),
            );
        } finally {
          await registry.stop();
        }
      });
    }
  }
});
