import assert from 'node:assert/strict';
import { type AcrTasks, startAcrTasks } from '../../local/acr-tasks/acr-tasks';

const REGISTRY =
  '/subscriptions/subscription/resourceGroups/models/providers/Microsoft.ContainerRegistry/registries/models';

describe('the local ACR Tasks', () => {
  let tasks: AcrTasks;

  before(async () => {
    tasks = await startAcrTasks({
      subscriptionId: 'subscription',
      registry: { url: '', loginServer: '', username: '', password: '' },
      accepts: () => true,
    });
  });

  after(() => tasks.stop());

  it('make no build context of blocks that were not sent, as Blob storage does not', async () => {
    const address = `${tasks.url}${REGISTRY}/listBuildSourceUploadUrl?api-version=2019-06-01-preview`;
    const target = await fetch(address, { method: 'POST', headers: { Authorization: 'Bearer token' } });
    const { uploadUrl } = (await target.json()) as { uploadUrl: string };
    const put = (query: string, body: string) => fetch(`${uploadUrl}&${query}`, { method: 'PUT', body });

    // A plus sign that is not encoded means a space: the block has another name then.
    assert.equal((await put('comp=block&blockid=a+b=', 'content')).status, 201);
    const list = '<BlockList><Latest>a+b=</Latest></BlockList>';
    const refused = await put('comp=blocklist', list);
    assert.equal(refused.status, 400);
    assert.match(await refused.text(), /InvalidBlockList/);

    assert.equal((await put('comp=block&blockid=a%2Bb%3D', 'content')).status, 201);
    assert.equal((await put('comp=blocklist', list)).status, 201);
  });
});
