import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AcrTasks, type RunScript, startAcrTasks } from '../../local/acr-tasks/acr-tasks';
import { type Entra, startEntra } from '../../local/entra/entra';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { errorsOf, nodeVersions, runStep, type StepOptions } from '../support/extension';

const TENANT = '5f8c7c0e-0000-4000-8000-000000000001';
const CLIENT = '0aa1d0c4-0000-4000-8000-000000000003';
const SUBSCRIPTION = '7c9e6679-0000-4000-8000-000000000005';
const CONNECTION = 'b9a4c1de-0000-4000-8000-000000000002';

describe("AcrBuildPush, packed, with the registry's own service,", function () {
  this.timeout(60_000);

  let folder: string;
  let entra: Entra;
  let registry: Registry;
  let tasks: AcrTasks;
  let script: RunScript;
  let isByRepository: boolean;
  let intercept: (request: IncomingMessage, response: ServerResponse) => boolean;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'acr-tasks-'));
    for (const name of ['registry', 'sources', 'no-docker']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'sources', 'Dockerfile'), 'FROM scratch\nARG VERSION\nCOPY model.pkl /\n');
    writeFileSync(join(folder, 'sources', 'model.pkl'), 'a model');
    writeFileSync(join(folder, 'sources', 'notes.txt'), 'not for the image');
    writeFileSync(join(folder, 'sources', '.dockerignore'), 'notes.txt\nDockerfile\n');
    entra = await startEntra({
      tenantId: TENANT,
      applications: [{ clientId: CLIENT, secret: 'app-s3cret' }],
    });
    registry = await startRegistry({
      folder: join(folder, 'registry'),
      username: 'models',
      password: 'correct-horse-battery',
      identities: { tenantId: TENANT, claims: entra.accessTokenClaims, rights: () => ['pull', 'push'] },
    });
    tasks = await startAcrTasks({
      subscriptionId: SUBSCRIPTION,
      registry,
      accepts: (token) => entra.accessTokenClaims(token)?.aud === tasks.url,
      script: () => script,
      isByRepository: () => isByRepository,
      intercept: (request, response) => intercept(request, response),
    });
  });

  after(async () => {
    await Promise.all([tasks?.stop(), registry?.stop(), entra?.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });

  beforeEach(() => {
    script = {
      log: ['Step 1/3 : FROM scratch', ' ---> ', 'Step 3/3 : COPY model.pkl /', 'done'],
      status: 'Succeeded',
    };
    intercept = () => false;
    isByRepository = false;
  });

  function step(inputs: Record<string, string> = {}, options: Partial<StepOptions> = {}) {
    return runStep(
      'AcrBuildPush',
      {
        authType: 'azureServiceConnection',
        azureServiceConnection: 'azure',
        loginServer: registry.loginServer,
        repository: 'titanic',
        tags: '1.0.0\nlatest',
        dockerfile: 'Dockerfile',
        builder: 'acrTasks',
        ...inputs,
      },
      {
        sources: join(folder, 'sources'),
        serviceConnections: [
          {
            id: CONNECTION,
            name: 'azure',
            type: 'AzureRM',
            url: `${tasks.url}/`,
            scheme: 'ServicePrincipal',
            parameters: {
              tenantid: TENANT,
              serviceprincipalid: CLIENT,
              authenticationtype: 'spnKey',
              serviceprincipalkey: 'app-s3cret',
            },
            data: {
              environment: 'AzureCloud',
              subscriptionid: SUBSCRIPTION,
              activeDirectoryAuthority: entra.url,
            },
          },
        ],
        environment: { ...process.env, PATH: join(folder, 'no-docker') },
        ...options,
      },
    );
  }

  for (const nodeVersion of nodeVersions) {
    it(`under Node ${nodeVersion}, sends the context, shows the log, and publishes what was built under all tags`, async () => {
      const { result, outputVariables, log, ...rest } = await step({}, { nodeVersion });
      assert.equal(result, 'Succeeded', errorsOf({ result, outputVariables, log, ...rest }));
      assert.equal(outputVariables.builder, 'acrTasks');
      assert.match(outputVariables.imageDigest ?? '', /^sha256:/);
      assert.equal(outputVariables.imageTags, '1.0.0,latest');
      assert.ok(log.some((line) => line.includes('Step 3/3: COPY model.pkl /')));

      const { request, context } = tasks.runs.at(-1)!;
      assert.deepEqual(request.imageNames, ['titanic:1.0.0']);
      assert.deepEqual(request.arguments, [{ name: 'VERSION', value: '1.0.0', isSecret: false }]);
      const target = mkdtempSync(join(folder, 'context-'));
      execFileSync('tar', ['-xz', '-C', target], { input: context });
      assert.equal(readFileSync(join(target, 'model.pkl'), 'utf8'), 'a model');
      assert.throws(() => readFileSync(join(target, 'notes.txt')), /ENOENT/);
      const recipe = readFileSync(join(target, request.dockerFilePath), 'utf8');
      assert.match(recipe, /^FROM scratch\n[\s\S]*LABEL .*"org\.opencontainers\.image\.version"="1\.0\.0"/);
    });
  }

  it('runs as the caller where the registry gives rights by repository', async () => {
    isByRepository = true;
    const run = await step({ agentPool: 'inside', buildTimeoutMinutes: '20' });
    assert.equal(run.result, 'Succeeded', errorsOf(run));
    const { credentials, agentPoolName, timeout } = tasks.runs.at(-1)!.request;
    assert.deepEqual(credentials, { sourceRegistry: { identity: '[caller]' } });
    assert.deepEqual([agentPoolName, timeout], ['inside', 1_200]);
  });

  it('takes over by itself where there is no docker', async () => {
    writeFileSync(join(folder, 'sources', 'Dockerfile.run'), 'FROM scratch\nRUN make\n');
    const run = await step({ builder: 'auto', dockerfile: 'Dockerfile.run' });
    assert.equal(run.result, 'Succeeded', errorsOf(run));
    assert.equal(run.outputVariables.builder, 'acrTasks');
    assert.ok(
      run.log.some((line) =>
        /Docker is not installed .* So the registry's own service builds the image: line 2 .*RUN/.test(line),
      ),
    );
  });

  it('reports the failing line of the Dockerfile with the last lines of its output', async () => {
    script = {
      log: [
        'Step 1/3 : FROM scratch',
        'Step 3/3 : COPY model.pkl /',
        'COPY failed: file not found in build context or excluded by .dockerignore: stat model.pkl: file does not exist',
      ],
      status: 'Failed',
      errorMessage: 'failed to run step ID: build: exit status 1',
    };
    const run = await step();
    assert.equal(run.result, 'Failed');
    assert.match(errorsOf(run), /Dockerfile line 3: The build context has no 'model\.pkl'/);
  });

  it('is stopped with the step', async () => {
    script = { log: ['Step 1/3 : FROM scratch'], status: 'Running' };
    const cancel = new AbortController();
    intercept = ({ url }) => {
      if (url?.startsWith('/logs/')) cancel.abort();
      return false;
    };
    const run = await step({}, { signal: cancel.signal });
    assert.notEqual(run.result, 'Succeeded');
    assert.equal(tasks.runs.at(-1)!.status, 'Canceled');
  });

  it('sends a block of the context again when it did not arrive', async () => {
    let refused = false;
    intercept = ({ url }, response) => {
      if (refused || !url?.includes('comp=block&')) return false;
      refused = true;
      response.writeHead(503).end();
      return true;
    };
    const run = await step();
    assert.equal(run.result, 'Succeeded', errorsOf(run));
    assert.ok(refused);
  });

  for (const [code, message] of [
    [
      'AuthorizationFailed',
      /may not schedule a build\. Give its identity the role Container Registry Tasks Contributor/,
    ],
    ['TasksOperationsNotAllowed', /free and credit subscriptions may not/],
    ['SomethingElse', /Azure refused to schedule a build \(HTTP 403\)/],
  ] as const) {
    it(`explains ${code}`, async () => {
      intercept = ({ url }, response) => {
        if (!url?.includes('/scheduleRun')) return false;
        response.writeHead(403).end(JSON.stringify({ error: { code } }));
        return true;
      };
      assert.match(errorsOf(await step()), message);
    });
  }

  it('is refused without a connection to Azure, before anything is done', async () => {
    const before = tasks.requests.length;
    const run = await step({ authType: 'adminPassword', acrPassword: 'x-password', acrName: 'models' });
    assert.match(errorsOf(run), /Input 'builder' is 'acrTasks', which needs a service connection to Azure/);
    assert.equal(tasks.requests.length, before);
  });

  it('is refused what it would ignore', async () => {
    const run = await step({ buildSecrets: 'token=s3cret-value' });
    assert.match(errorsOf(run), /Input 'buildSecrets' can't be used with the builder acrTasks/);
  });

  it('is told of a subscription without the registry', async () => {
    intercept = ({ url }, response) => {
      if (!url?.includes('/registries?')) return false;
      response.end('{"value":[]}');
      return true;
    };
    assert.match(errorsOf(await step()), /There is no registry 127\.0\.0\.1:\d+ among those/);
  });

  it('comes through when every request fails once that may be sent twice', async () => {
    const failed = new Set<string>();
    intercept = ({ method, url }, response) => {
      const request = `${method} ${url?.replace(/[?].*|[0-9a-f-]{36}/g, '')}`;
      // A build that may have been scheduled must not be scheduled again.
      if (failed.has(request) || request.endsWith('/scheduleRun')) return false;
      failed.add(request);
      response.writeHead(503, { 'Retry-After': '0' }).end();
      return true;
    };
    const runs = tasks.runs.length;
    const run = await step();
    assert.equal(run.result, 'Succeeded', errorsOf(run));
    assert.equal(tasks.runs.length, runs + 1);
    assert.ok(failed.size >= 6, [...failed].join(', '));
  });
});
