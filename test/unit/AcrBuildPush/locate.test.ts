import assert from 'node:assert/strict';
import { parseImageName } from '../../../tasks/AcrBuildPush/image/image-name';
import type { Inputs } from '../../../tasks/AcrBuildPush/inputs';
import { locateRegistry } from '../../../tasks/AcrBuildPush/locate';
import type { TaskContext } from '../../../tasks/common/task';
import { leastInputs, scriptedServer } from './support';

describe('The address of a registry', () => {
  const digest = `sha256:${'0'.repeat(64)}`;

  /** @param known the hosts that exist */
  async function locate(changes: Partial<Inputs>, known: readonly string[] = []) {
    const server = await scriptedServer((request, response) => {
      if (request.url?.includes('/oauth2/')) response.end('{"access_token":"token","expires_in":3600}');
      else {
        const properties = { loginServer: 'models-e7ggejfuhzhgedc8.azurecr.io' };
        response.end(JSON.stringify({ value: [{ id: '/s/registries/models', properties }] }));
      }
    });
    const connection = {
      ...{ input: 'azureServiceConnection', subscriptionId: 's', tenantId: 't', clientId: 'c' },
      resourceManagerUrl: `http://${server.host}`,
      authorityUrl: `http://${server.host}`,
      credential: { kind: 'secret', secret: 's3cret-value' },
    };
    const inputs = {
      ...leastInputs,
      loginServer: 'models.azurecr.io',
      registryName: 'models',
      identity: { kind: 'azure', connection },
      ...changes,
    } as unknown as Inputs;
    const task = { http: server.http, log: server.log } as unknown as TaskContext;
    try {
      const found = await locateRegistry(inputs, task, async (host) => known.includes(host));
      return { found, requests: server.requests };
    } finally {
      server.stop();
    }
  }

  it('is not looked up where it is known, or nobody may ask', async () => {
    for (const [changes, known] of [
      [{}, ['models.azurecr.io']],
      [{ registryName: undefined }, []],
      [{ identity: undefined }, []],
    ] as const) {
      const { found, requests } = await locate(changes, known);
      assert.equal(found.loginServer, 'models.azurecr.io');
      assert.deepEqual(requests, []);
    }
  });

  it('is the one that Azure has for its name, everywhere', async () => {
    const { found } = await locate({
      cacheFrom: ['models.azurecr.io/titanic:cache', 'type=gha', 'models.azurecr.iox/a'],
      sourceImage: parseImageName(`models.azurecr.io/dev/titanic@${digest}`),
    });
    const server = 'models-e7ggejfuhzhgedc8.azurecr.io';
    assert.equal(found.loginServer, server);
    assert.deepEqual(found.cacheFrom, [`${server}/titanic:cache`, 'type=gha', 'models.azurecr.iox/a']);
    assert.equal(found.sourceImage?.registry, server);
  });
});
