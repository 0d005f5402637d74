import assert from 'node:assert/strict';
import { ResourceManager } from '../../../../../tasks/AcrBuildPush/build/acr-tasks/resource-manager';
import { buildWithTasks } from '../../../../../tasks/AcrBuildPush/build/acr-tasks/tasks-build';
import type { EntraTokens } from '../../../../../tasks/common/entra';
import { TaskError } from '../../../../../tasks/common/errors';
import type { AzureServiceConnection } from '../../../../../tasks/common/service-connection';
import { capturedLog, leastPlan, scriptedServer } from '../../support';

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
        const build = { plan: leastPlan, registry: '/r', loginServer: 'r.azurecr.io', repository: 'a' };
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
