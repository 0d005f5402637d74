import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { Marketplace } from '../../../../scripts/publish/marketplace';
import { marketplaceToken } from '../../../../scripts/publish/sign-in';
import { type MarketplaceStandIn, startMarketplace } from '../../../support/marketplace';

const TOKEN = 'a-token-of-entra';
const VSIX = zipSync({
  'extension.vsixmanifest': strToU8(
    '<PackageManifest><Metadata><Identity Id="tasks-dev" Publisher="acme" Version="1.0.7"/></Metadata></PackageManifest>',
  ),
});

describe('publishing', () => {
  let folder: string;
  let standIn: MarketplaceStandIn | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'publishing-'));
    writeFileSync(join(folder, 'a.vsix'), VSIX);
  });
  afterEach(async () => {
    await standIn?.close();
    standIn = undefined;
    rmSync(folder, { recursive: true });
  });

  async function signIn(published: string[], token = TOKEN): Promise<Marketplace> {
    standIn = await startMarketplace(TOKEN, published);
    return new Marketplace(standIn.address, token);
  }

  it('creates an extension that is new, byte for byte, and shares it', async () => {
    const marketplace = await signIn([]);
    assert.deepEqual(await marketplace.versions('acme', 'tasks-dev'), []);
    await marketplace.publish(join(folder, 'a.vsix'), ['one', 'two']);
    assert.ok(standIn!.packages[0]!.equals(VSIX));
    const changes = standIn!.requests.filter((request) => !request.startsWith('GET'));
    assert.deepEqual(changes, [
      'POST extensions',
      'POST publishers/acme/extensions/tasks-dev/accounts/one',
      'POST publishers/acme/extensions/tasks-dev/accounts/two',
    ]);
  });

  it('updates one that is there', async () => {
    const marketplace = await signIn(['1.0.5', '1.0.6']);
    assert.deepEqual(await marketplace.versions('acme', 'tasks-dev'), ['1.0.5', '1.0.6']);
    await marketplace.publish(join(folder, 'a.vsix'), []);
    const changes = standIn!.requests.filter((request) => !request.startsWith('GET'));
    assert.deepEqual(changes, ['PUT publishers/acme/extensions/tasks-dev']);
  });

  it('does not take a refused token for an extension that is new', async () => {
    const marketplace = await signIn(['1.0.5'], 'another');
    await assert.rejects(marketplace.versions('acme', 'tasks-dev'), /Not signed in|401/);
  });

  it('signs in by the Azure CLI, or a token in a variable', () => {
    const az = join(folder, 'az');
    const asked = '499b84ac-1321-427f-aa17-267ca6975798';
    writeFileSync(az, `#!/bin/sh\n[ "$4" = ${asked} ] && echo ${TOKEN}\n`, { mode: 0o755 });
    assert.equal(marketplaceToken({ PATH: `${folder}:/usr/bin:/bin` }), TOKEN);
    assert.equal(marketplaceToken({ PATH: '', MARKETPLACE_TOKEN: 'mine' }), 'mine');
    writeFileSync(az, '#!/bin/sh\necho "Please run az login" >&2\nexit 1\n');
    assert.throws(() => marketplaceToken({ PATH: `${folder}:/usr/bin:/bin` }), /Please run az login/);
    assert.throws(() => marketplaceToken({ PATH: join(folder, 'none') }), /not installed.*az login/);
  });
});
