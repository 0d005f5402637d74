import assert from 'node:assert/strict';
import { ResourceManager } from '../../../../tasks/AcrBuildPush/azure/resource-manager';
import { buildWithTasks } from '../../../../tasks/AcrBuildPush/build/acr-tasks/tasks-build';
import type { EntraTokens } from '../../../../tasks/common/entra';
import { TaskError } from '../../../../tasks/common/errors';
import type { AzureServiceConnection } from '../../../../tasks/common/service-connection';
import { capturedLog, leastPlan, scriptedServer } from '../support';

const GIBBERISH = /undefined|\[object|TypeError|SyntaxError|not a function|Unexpected/;

/** What a proxy, or a service of another version, may say in place of Azure. */
const NONSENSE = {
  null: 'null',
  'a page': '<html>Sign in</html>',
  nothing: '',
  'an empty object': '{}',
  'a list': '[]',
  'a text': '"x"',
  'other types': '{"value":5,"nextLink":7,"uploadUrl":{},"relativePath":1,"properties":"x"}',
  'null within': '{"value":[null,{"properties":null}],"uploadUrl":null,"properties":null}',
  'no address': '{"uploadUrl":"here","relativePath":"a"}',
  'brackets within brackets': '['.repeat(100_000),
};

describe('answers of Azure that make no sense', () => {
  for (const [what, body] of Object.entries(NONSENSE)) {
    for (const call of ['find a registry', 'build'] as const) {
      it(`are told for what they are: ${what}, when asked to ${call}`, async () => {
        const server = await scriptedServer((_, response) => void response.writeHead(200).end(body));
        const connection = {
          resourceManagerUrl: `http://${server.host}`,
          subscriptionId: 's',
          input: 'azure',
        };
        const azure = new ResourceManager(
          connection as AzureServiceConnection,
          { token: async () => 'token' } as unknown as EntraTokens,
          server.http,
        );
        const { log } = capturedLog();
        const services = { azure, http: server.http, log, signal: new AbortController().signal };
        const registry = { id: '/r', loginServer: 'r.azurecr.io', isByRepository: false };
        const more = { agentPool: undefined, buildMinutes: 480, logins: [] };
        const build = { plan: leastPlan, registry, loginServer: 'r.azurecr.io', repository: 'a', ...more };
        try {
          await assert.rejects(
            call === 'build'
              ? buildWithTasks({ ...build, tag: '1', push: true }, services as never)
              : azure.findRegistry('r.azurecr.io'),
            (error: Error) => error instanceof TaskError && !GIBBERISH.test(error.message),
          );
        } finally {
          await server.stop();
        }
      });
    }
  }
});

describe('a registry', () => {
  const PAGES: Record<string, object> = {
    '1': {
      value: [{ id: '/s/registries/other', properties: { loginServer: 'other.azurecr.io' } }, {}],
      nextLink: '/2',
    },
    '2': {
      value: [
        {
          id: '/s/registries/Models',
          properties: {
            loginServer: 'Models-e7ggejfuhzhgedc8.azurecr.io',
            roleAssignmentMode: 'AbacRepositoryPermissions',
          },
        },
      ],
    },
  };

  /** @param versions of the API that this cloud has */
  async function find(loginServer: string, name?: string, versions = ['2025-11-01', '2023-07-01']) {
    const server = await scriptedServer((request, response) => {
      const version = new URL(request.url!, 'http://x').searchParams.get('api-version');
      if (version && !versions.includes(version)) {
        response.writeHead(400).end('{"error":{"code":"NoRegisteredProviderFound"}}');
        return;
      }
      const page = PAGES[request.url === '/2' ? '2' : '1'] as { nextLink?: string };
      const nextLink = page.nextLink && `http://${server.host}${page.nextLink}`;
      response.end(JSON.stringify({ ...page, ...(nextLink && { nextLink }) }));
    });
    const connection = { resourceManagerUrl: `http://${server.host}`, subscriptionId: 's', input: 'azure' };
    const azure = new ResourceManager(
      connection as AzureServiceConnection,
      { token: async () => 'token' } as unknown as EntraTokens,
      server.http,
    );
    try {
      return await azure.findRegistry(loginServer, name);
    } finally {
      server.stop();
    }
  }

  it('is found by its address, on whichever page, with the way in which it gives rights', async () => {
    assert.deepEqual(await find('models-e7ggejfuhzhgedc8.azurecr.io'), {
      id: '/s/registries/Models',
      loginServer: 'models-e7ggejfuhzhgedc8.azurecr.io',
      isByRepository: true,
    });
    assert.equal((await find('other.azurecr.io')).isByRepository, false);
  });

  it('is found by its name where its address has a hash, but only where it was given by its name', async () => {
    assert.equal((await find('models.azurecr.io', 'models')).id, '/s/registries/Models');
    await assert.rejects(find('models.azurecr.io'), {
      message: /There is no registry models\.azurecr\.io among/,
    });
  });

  it('is found in a cloud that has an older version of the service', async () => {
    assert.equal((await find('other.azurecr.io', undefined, ['2023-07-01'])).id, '/s/registries/other');
  });
});

describe("Azure's resource manager", () => {
  /** Asks for something, and tells what was sent and what came of it. */
  async function ask(
    status: number,
    body: string,
    method: 'GET' | 'POST' = 'GET',
    headers: Record<string, string> = {},
  ) {
    const sent: string[] = [];
    const server = await scriptedServer((request, response) => {
      const said: string[] = [];
      request.on('data', (part) => said.push(String(part)));
      request.on('end', () => {
        sent.push(`${request.method} ${request.url} ${request.headers.authorization} ${said.join('')}`);
        response.writeHead(status, headers).end(body);
      });
    });
    const connection = { resourceManagerUrl: `http://${server.host}`, subscriptionId: 's', input: 'azure' };
    const scopes: string[] = [];
    const token = async (scope: string) => {
      scopes.push(scope);
      return 'a-token';
    };
    const azure = new ResourceManager(
      connection as AzureServiceConnection,
      { token } as unknown as EntraTokens,
      server.http,
    );
    try {
      const answer = await azure.send(method, '/x?y=1', 'do that').catch((error: TaskError) => error);
      assert.deepEqual(scopes, [`http://${server.host}/.default`]);
      return { answer, sent };
    } finally {
      await server.stop();
    }
  }

  it('is asked with a token for it, and with a body where something is to be done', async () => {
    assert.deepEqual((await ask(200, '{"a":1}')).sent, ['GET /x?y=1 Bearer a-token ']);
    assert.deepEqual((await ask(200, '{"a":1}', 'POST')).sent, ['POST /x?y=1 Bearer a-token {}']);
  });

  it('may answer with nothing', async () => {
    assert.deepEqual((await ask(202, '', 'POST')).answer, {});
  });

  for (const [code, sentence] of [
    [
      'AuthorizationFailed',
      /connection in input 'azure' may not do that.*Container Registry Tasks Contributor/,
    ],
    ['LinkedAuthorizationFailed', /may not do that/],
    ['TasksOperationsNotAllowed', /does not let this registry's subscription build images/],
    ['SubscriptionNotFound', /no such subscription as the service connection in input 'azure' names/],
    ['InvalidSubscriptionId', /no such subscription/],
    ['SomethingElse', /refused to do that \(HTTP 403\)/],
  ] as const) {
    it(`is explained when it refuses with ${code}`, async () => {
      const { answer } = await ask(403, `{"error":{"code":"${code}"}}`, 'GET', {
        'x-ms-correlation-request-id': 'c-1',
      });
      assert.ok(answer instanceof TaskError);
      assert.match(answer.message, sentence);
      assert.deepEqual(answer.details, [
        `Azure: HTTP 403. {"error":{"code":"${code}"}}`,
        'Correlation id for Azure support: c-1',
      ]);
    });
  }

  it('is quoted where it did not answer in JSON, and takes a redirect for no answer', async () => {
    const { answer } = await ask(200, '<html>Sign in</html>');
    assert.ok(answer instanceof TaskError);
    assert.match(answer.message, /was asked to do that, and did not answer in JSON/);
    assert.deepEqual(answer.details, ['<html>Sign in</html>']);
    const redirect = (await ask(302, '', 'GET', { location: '/elsewhere' })).answer;
    assert.match((redirect as TaskError).message, /HTTP 302/);
    assert.deepEqual((redirect as TaskError).details, ['Azure: HTTP 302. ']);
  });

  it('gives its token to nobody whom a page of registries names', async () => {
    const asked: string[] = [];
    const other = await scriptedServer((request, response) => {
      asked.push(request.url!);
      response.end('{}');
    });
    const server = await scriptedServer(
      (_, response) =>
        void response.end(JSON.stringify({ value: [], nextLink: `http://${other.host}/next` })),
    );
    const connection = { resourceManagerUrl: `http://${server.host}`, subscriptionId: 's', input: 'azure' };
    const azure = new ResourceManager(
      connection as AzureServiceConnection,
      { token: async () => 'a-token' } as unknown as EntraTokens,
      server.http,
    );
    try {
      await assert.rejects(azure.findRegistry('r.azurecr.io'), /There is no registry r\.azurecr\.io/);
      assert.deepEqual(asked, []);
    } finally {
      await server.stop();
      await other.stop();
    }
  });
});
