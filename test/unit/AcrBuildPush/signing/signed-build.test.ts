import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { type Entra, startEntra } from '../../../../local/entra/entra';
import { type KeyVault, startKeyVault } from '../../../../local/key-vault/key-vault';
import type { SigningRequest } from '../../../../tasks/AcrBuildPush/vault/signer';
import { Story } from '../provenance/story';

const TENANT = '5f8c7c0e-0000-4000-8000-000000000001';
const [SIGNER, READER] = ['0aa1d0c4-0000-4000-8000-000000000003', '0aa1d0c4-0000-4000-8000-000000000004'];
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

describe('a step that signs', () => {
  let story: Story;
  let entra: Entra;
  let vault: KeyVault;

  before(async () => {
    story = await Story.start();
    entra = await startEntra({
      tenantId: TENANT,
      applications: [SIGNER, READER].map((clientId) => ({ clientId, secret: 'app-s3cret' })),
    });
    vault = await startKeyVault({
      keys: { signing: { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() } },
      claims: entra.accessTokenClaims,
      mayUse: (application, action) => application === SIGNER || action === 'read',
    });
  });
  after(() => Promise.all([story.stop(), entra.stop(), vault.stop()]));

  function signing(clientId = SIGNER, name = 'signing'): SigningRequest {
    const connection = {
      ...{
        input: 'signingConnection',
        id: 'b9a4c1de-0000-4000-8000-000000000002',
        tenantId: TENANT,
        clientId,
      },
      ...{ subscriptionId: undefined, cloud: 'AzureCloud', authorityUrl: entra.url },
      ...{ resourceManagerUrl: 'https://management.azure.com' },
      credential: { kind: 'secret' as const, secret: 'app-s3cret' },
    };
    return {
      key: { kind: 'keys', vault: vault.url, name, version: undefined },
      connection,
      certificates: [],
    };
  }

  const PREDICATE = 'dev.sigstore.bundle.predicateType';

  it('signs the image, its provenance and its bill of materials before a tag names it, once', async () => {
    story.write('flask-3.1.dist-info/METADATA', 'Name: Flask\nVersion: 3.1\n');
    story.write('Dockerfile', 'FROM scratch\nCOPY . /app/\n');
    const order: string[] = [];
    story.intercept = ({ method, url }) => {
      if (method === 'PUT' && /manifests/.test(url!)) order.push(url!.split('/').pop()!);
      return false;
    };
    await story.run({ signing: signing(), sbom: 'auto' });
    const referrers = await story.referrers();
    const bundles = referrers.flatMap(({ annotations }) => annotations?.[PREDICATE] ?? []);
    assert.deepEqual(bundles.sort(), [
      'https://cyclonedx.org/bom',
      'https://sigstore.dev/cosign/sign/v1',
      'https://slsa.dev/provenance/v1',
    ]);
    assert.equal(referrers.length, 5);
    assert.equal(order[0], story.outputs.imageDigest);
    assert.equal(order.length, 7);
    assert.equal(order.at(-1), '1.0.0');
    const bill = referrers.find(({ artifactType }) => artifactType === 'application/vnd.cyclonedx+json')!;
    assert.match(JSON.stringify(await story.statement(bill.digest)), /pkg:pypi\/flask@3\.1/);

    const signatures = vault.requests.filter((request) => request.endsWith('/sign')).length;
    assert.equal(signatures, 3);
    await story.run({ signing: signing(), sbom: 'auto' });
    assert.equal((await story.referrers()).length, 5);
    assert.equal(vault.requests.filter((request) => request.endsWith('/sign')).length, signatures);
  });

  it('signs what an earlier step has not', async () => {
    story.write('Dockerfile', 'FROM scratch\nLABEL unsigned=1\nCOPY . /app/\n');
    await story.run({ sbom: 'auto' });
    assert.equal((await story.referrers()).length, 2);
    await story.run({ signing: signing(), sbom: 'auto' });
    const bundles = (await story.referrers()).flatMap(({ annotations }) => annotations?.[PREDICATE] ?? []);
    assert.equal(bundles.length, 3);
  });

  it('sets no tag where the vault does not sign', async () => {
    story.write('Dockerfile', 'FROM scratch\nLABEL refused=1\nCOPY . /app/\n');
    const tags = [{ tag: 'refused', moves: false }];
    await assert.rejects(
      story.run({ signing: signing(READER), tags }),
      /refused to sign with the key 'signing'/,
    );
    assert.equal((await story.ask('manifests/refused')).status, 404);
  });

  it('builds nothing where there is no such key', async () => {
    story.write('Dockerfile', 'FROM scratch\nLABEL missing=1\nCOPY . /app/\n');
    await assert.rejects(story.run({ signing: signing(SIGNER, 'missing') }), /There is no such key/);
    assert.ok(!story.lines.some((line) => line.startsWith('Building with')));
  });
});
