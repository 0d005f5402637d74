import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';
import { taskEnvironment } from '../../local/agent/worker/context/environment';
import { succeeded } from '../../local/databricks/runs/outcome';
import { startWorkspace } from '../../local/databricks/workspace';
import { startRegistry } from '../../local/registry/registry';
import { vsixFile } from '../../scripts/paths';
import { BlobServer } from '../support/blob-server';
import { TestProxy } from '../support/proxy';

/**
 * What has Node and the libraries in the tasks print what they do. (With `module`, Node names the modules that it loads before
 * any code of the task runs; that holds no secret.)
 */
const NOISE = {
  NODE_DEBUG: 'http,https,net,tls,stream,worker,fs,child_process,timer',
  DEBUG: '*',
  AZURE_LOG_LEVEL: 'verbose',
  NODE_OPTIONS: '--trace-warnings --trace-deprecation',
  Q_DEBUG: '1',
  SYSTEM_DEBUG: 'true',
};

const LOGIN = { username: 'robot', password: 'pr~xy#/"wörd' };

/** Lines of a task: its own commands, and texts, none of which a library writes. */
const FOREIGN =
  /^([A-Z]+ \d+: |[\w:-]+:(info|verbose|warning|error) |\S+Z [\w-]+ |\(node:)|[Aa]uthorization:/;

describe('the raw output of a packed task', function () {
  this.timeout(60_000);
  let folder: string;
  let proxy: TestProxy;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'raw-output-'));
    for (const [path, content] of Object.entries(unzipSync(readFileSync(vsixFile)))) {
      if (!path.startsWith('tasks/')) continue;
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      writeFileSync(join(folder, path), content);
    }
    proxy = await TestProxy.start({ login: LOGIN });
  });

  after(async () => {
    await proxy.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a task as the agent's process does, and returns all that it writes. */
  function run(task: string, inputs: Record<string, string>): Promise<{ output: string; errors: string }> {
    const temp = mkdtempSync(join(folder, 'temp-'));
    const env = taskEnvironment({
      agent: { PATH: process.env.PATH },
      step: { ...NOISE, AGENT_TEMPDIRECTORY: temp },
      variables: [
        { name: 'Agent.ProxyUrl', value: proxy.url, secret: false },
        { name: 'Agent.ProxyUsername', value: LOGIN.username, secret: false },
        { name: 'Agent.ProxyPassword', value: LOGIN.password, secret: true },
      ].map((variable) => ({ ...variable, preserveCase: false, readOnly: false })) as never,
      inputs: new Map(Object.entries(inputs)),
      prependedPaths: [],
      system: { url: 'https://dev.azure.com/org/', accessToken: 'job~token-of-this-job' },
    });
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [join(folder, 'tasks', task, 'index.js')], { env, cwd: folder });
      const [output, errors]: [string[], string[]] = [[], []];
      child.stdout.on('data', (chunk) => output.push(String(chunk)));
      child.stderr.on('data', (chunk) => errors.push(String(chunk)));
      child
        .on('error', reject)
        .on('close', () => resolve({ output: output.join(''), errors: errors.join('') }));
    });
  }

  function assertClean(
    { output, errors }: { output: string; errors: string },
    secrets: readonly string[],
  ): void {
    assert.equal(errors, '');
    const lines = output.split('\n').filter((line) => !line.startsWith('##vso[task.setsecret]'));
    assert.match(lines.join('\n'), /##vso\[task\.complete result=Succeeded/);
    for (const secret of [...secrets, LOGIN.password, 'job~token-of-this-job']) {
      for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]) {
        assert.ok(!lines.some((line) => line.includes(form)), `${form} in\n${lines.join('\n')}`);
      }
    }
    assert.deepEqual(
      lines.filter((line) => FOREIGN.test(line)),
      [],
    );
  }

  it('of ModelRegistryDownload is its log alone, whatever a library would print', async () => {
    const server = await BlobServer.start();
    server.put('titanic', '1.0.0/model.pkl', 'the model');
    try {
      const step = await run('ModelRegistryDownload', {
        storageAccount: server.account,
        storageKey: server.key,
        blobEndpoint: server.endpoint,
        modelName: 'titanic',
        modelVersion: 'latest',
        destinationFolder: join(folder, 'pickles'),
      });
      assertClean(step, [server.key]);
      assert.ok(proxy.tunnels.length > 0);
    } finally {
      await server.stop();
    }
  });

  it('of DatabricksRunJob is its log alone, whatever a library would print', async () => {
    const workspace = await startWorkspace({
      folder: mkdtempSync(join(folder, 'w-')),
      timing: { pending: 1, terminating: 1 },
    });
    workspace.createJob(
      { name: 'train', tasks: [{ task_key: 'train', notebook_task: { notebook_path: '/live/train' } }] },
      { task: () => ({ outcome: succeeded({ exitValue: 'stored' }) }) },
    );
    try {
      const step = await run('DatabricksRunJob', {
        databricksHost: workspace.url,
        databricksToken: workspace.token,
        job: 'train',
      });
      assertClean(step, [workspace.token]);
    } finally {
      await workspace.stop();
    }
  });

  it('of AcrBuildPush is its log alone, whatever a library would print', async () => {
    const context = mkdtempSync(join(folder, 'context-'));
    writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');
    const registry = await startRegistry({
      folder: mkdtempSync(join(folder, 'r-')),
      username: 'myregistry',
      password: 'pa55~w#rd/of"it',
    });
    try {
      const step = await run('AcrBuildPush', {
        acrName: 'myregistry',
        acrPassword: registry.password,
        loginServer: registry.loginServer,
        repository: 'titanic-model-api',
        tags: '1.0.0',
        dockerfile: join(context, 'Dockerfile'),
        builder: 'direct',
      });
      assertClean(step, [registry.password]);
    } finally {
      await registry.stop();
    }
  });
});
