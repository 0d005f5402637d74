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
