import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { taskNames } from '../../scripts/paths';
import { AZURE_TYPE } from '../support/designer/azurerm';
import {
  bindingsOf,
  databricksType,
  type Endpoint,
  listOptions,
  type Send,
  verify,
} from '../support/designer/data-source';

const PRINCIPAL = { username: '5b7c6f0a-2d3e-4f5a-8b9c-0d1e2f3a4b5c', password: 'dose-of-the-designer' };
const SUBSCRIPTION = '8ac2f2a9-6a3c-4d52-8d8e-7b1f6c1d2e30';

const bindingOf = (task: string, target: string) =>
  bindingsOf(task).find((binding) => binding.target === target)!;
const seen = new Set<string>();
const listOf = (task: string, target: string) => {
  seen.add(`${task} ${target}`);
  return bindingOf(task, target);
};

describe('The lists of the designer, as the service fills them', () => {
  let folder: string;
  let workspace: Workspace;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'designer-'));
    workspace = await startWorkspace({
      folder,
      signIn: { servicePrincipals: [{ clientId: PRINCIPAL.username, secret: PRINCIPAL.password }] },
    });
  });
  after(async () => {
    await workspace.stop();
    rmSync(folder, { recursive: true });
  });

  const byToken = (more: Partial<Endpoint> = {}): Endpoint => ({
    url: workspace.url,
    scheme: 'token',
    values: { apitoken: workspace.token },
    ...more,
  });

  describe('Verify of a connection to Databricks', () => {
    const type = databricksType();

    it('is content with a token that the workspace takes, though it has no jobs', async () => {
      assert.equal(await verify(type, byToken()), true);
    });

    it('is not with another token', async () => {
      assert.equal(await verify(type, byToken({ values: { apitoken: 'dapi-of-nobody' } })), false);
    });

    it('takes an address as it was pasted', async () => {
      for (const slashes of ['/', '//']) {
        assert.equal(await verify(type, byToken({ url: workspace.url + slashes })), true);
      }
      const paths = workspace.requests.map(({ path }) => path).filter((path) => path.startsWith('//'));
      assert.deepEqual(paths, []);
    });

    it('tells the OAuth secret of a service principal from another', async () => {
      assert.equal(await verify(type, byToken({ scheme: 'basic', values: PRINCIPAL })), true);
      const wrong = { ...PRINCIPAL, password: 'another' };
      assert.equal(await verify(type, byToken({ scheme: 'basic', values: wrong })), false);
    });

    it('has nothing to ask with before a pipeline runs, so it refuses federation, as its help says', async () => {
      assert.equal(await verify(type, byToken({ scheme: 'none', values: { clientId: 'c' } })), false);
    });
  });

  describe('of jobs', () => {
    const type = databricksType();
    const names = [
      'say "hi"',
      'back\\slash',
      'two\nlines',
      'tab\there',
      '<b>&amp;',
      "o'clock",
      '$(x)',
      '{{y}}',
      '日本',
    ];
    const ids = new Map<string, string>();

    before(() => {
      for (const name of names) ids.set(name, workspace.createJob({ name, tasks: [] }));
      for (let index = 0; index < 141; index++) workspace.createJob({ name: `job ${index}`, tasks: [] });
    });

    it('holds every job under its id, and shows it by name and id', async () => {
      const options = await listOptions(listOf('DatabricksRunJob', 'job'), type, byToken());
      assert.equal(options.length, 150);
      for (const name of names) {
        const id = ids.get(name)!;
        assert.deepEqual(
          options.find(({ value }) => value === id),
          { value: id, text: `${name} (${id})` },
        );
      }
    });

    it('would be shown raw by a template that does not escape names', async () => {
      const binding = {
        ...bindingOf('DatabricksRunJob', 'job'),
        resultTemplate: '{ "Value": "{{{job_id}}}", "DisplayValue": "{{{settings.name}}}" }',
      };
      const options = await listOptions(binding, type, byToken());
      assert.ok(options.some(({ value }) => value.startsWith('{ "Value"')));
    });

    it('holds 500 jobs at most, by five calls', async () => {
      for (let index = 0; index < 400; index++) workspace.createJob({ name: `more ${index}`, tasks: [] });
      const before = workspace.requests.length;
      const options = await listOptions(listOf('DatabricksRunJob', 'job'), type, byToken());
      assert.equal(new Set(options.map(({ value }) => value)).size, 500);
      assert.equal(workspace.requests.length - before, 5);
    });

    it('keeps every digit of an id', async () => {
      const job = { job_id: 'ID', settings: { name: 'long' } };
      const body = JSON.stringify({ jobs: [job] }).replace('"ID"', '9007199254740993');
      const send: Send = async () => new Response(body);
      const [option] = await listOptions(listOf('DatabricksRunJob', 'job'), type, byToken(), {}, send);
      assert.deepEqual(option, { value: '9007199254740993', text: 'long (9007199254740993)' });
    });
  });

  describe('of what is in Azure', () => {
    let azure: Server;
    let url: string;
    const asked: string[] = [];
    /** Whatever the service asks for is here, whichever host has it. */
    const send: Send = (address, init) => {
      asked.push(address);
      const { pathname, search } = new URL(address);
      return fetch(`${url}${pathname}${search}`, init);
    };
    const endpoint: Endpoint = {
      url: 'https://management.azure.com/',
      scheme: 'workload-identity-federation',
      values: {
        subscriptionId: SUBSCRIPTION,
        token: 'token-of-arm',
        StorageEndpointSuffix: 'core.windows.net',
        serviceprincipalid: 'app',
        serviceprincipalkey: 'app-secret',
      },
    };
    const provider = (path: string, version: string) =>
      `/subscriptions/${SUBSCRIPTION}/providers/${path}?api-version=${version}`;
    const answers: Readonly<Record<string, unknown>> = {
      [provider('Microsoft.Databricks/workspaces', '2018-04-01')]: {
        value: [
          { name: 'ml-live', properties: { workspaceUrl: 'adb-1.2.azuredatabricks.net' } },
          { name: 'ml-test', properties: { workspaceUrl: 'adb-3.4.azuredatabricks.net' } },
        ],
      },
      [provider('Microsoft.Storage/storageAccounts', '2015-06-15')]: {
        value: [{ name: 'contosomodels' }, { name: 'contosologs' }],
      },
      [provider('Microsoft.ContainerRegistry/registries', '2017-10-01')]: {
        value: [{ name: 'contoso', properties: { loginServer: 'contoso-e7gge.azurecr.io' } }],
      },
      '/?comp=list':
        '<?xml version="1.0"?><EnumerationResults><Containers><Container><Name>titanic</Name></Container><Container><Name>batcomputer</Name></Container></Containers></EnumerationResults>',
      '/v2/_catalog': { repositories: ['titanic-model-api', 'team/batcomputer-api'] },
    };

    before(async () => {
      azure = createServer(({ url: path = '', headers: { authorization } }, response) => {
        const basic = `Basic ${Buffer.from('app:app-secret').toString('base64')}`;
        const wanted = path === '/v2/_catalog' ? basic : 'Bearer token-of-arm';
        const answer = answers[path];
        response.statusCode = authorization !== wanted ? 401 : answer === undefined ? 404 : 200;
        response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
      }).listen(0, '127.0.0.1');
      await once(azure, 'listening');
      url = `http://127.0.0.1:${(azure.address() as AddressInfo).port}`;
    });
    after(() => azure.close());

    const cases: [
      task: string,
      target: string,
      inputs: Record<string, string>,
      host: string,
      options: string[][],
    ][] = [
      [
        'DatabricksRunJob',
        'databricksHost',
        {},
        'management.azure.com',
        [
          ['https://adb-1.2.azuredatabricks.net', 'ml-live (https://adb-1.2.azuredatabricks.net)'],
          ['https://adb-3.4.azuredatabricks.net', 'ml-test (https://adb-3.4.azuredatabricks.net)'],
        ],
      ],
      [
        'ModelRegistryDownload',
        'storageAccount',
        {},
        'management.azure.com',
        [
          ['contosomodels', 'contosomodels'],
          ['contosologs', 'contosologs'],
        ],
      ],
      [
        'ModelRegistryDownload',
        'modelName',
        { storageAccount: 'contosomodels' },
        'contosomodels.blob.core.windows.net',
        [
          ['titanic', 'titanic'],
          ['batcomputer', 'batcomputer'],
        ],
      ],
      [
        'AcrBuildPush',
        'acrName',
        {},
        'management.azure.com',
        [['contoso-e7gge.azurecr.io', 'contoso (contoso-e7gge.azurecr.io)']],
      ],
      [
        'AcrBuildPush',
        'repository',
        { acrName: 'contoso-e7gge.azurecr.io' },
        'contoso-e7gge.azurecr.io',
        [
          ['titanic-model-api', 'titanic-model-api'],
          ['team/batcomputer-api', 'team/batcomputer-api'],
        ],
      ],
    ];
    for (const [task, target, inputs, host, wanted] of cases) {
      it(`fill ${target} of ${task}`, async () => {
        const options = await listOptions(listOf(task, target), AZURE_TYPE, endpoint, inputs, send);
        assert.deepEqual(
          options.map(({ value, text }) => [value, text]),
          wanted,
        );
        assert.equal(new URL(asked.at(-1)!).host, host);
      });
    }
  });

  describe('of all tasks', () => {
    it('were each evaluated here', () => {
      const all = taskNames.flatMap((task) => bindingsOf(task).map(({ target }) => `${task} ${target}`));
      assert.deepEqual([...seen].sort(), all.sort());
    });
  });
});
