import assert from 'node:assert/strict';
import { createHash, createPublicKey, generateKeyPairSync, verify, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Entra, startEntra } from '../../../../local/entra/entra';
import { type KeyVault, startKeyVault } from '../../../../local/key-vault/key-vault';
import { type Registry, startRegistry } from '../../../../local/registry/registry';
import type { Manifest } from '../../../../tasks/AcrBuildPush/image/image';
import { publishImage } from '../../../../tasks/AcrBuildPush/publish/publish-image';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import { findReferrers } from '../../../../tasks/AcrBuildPush/registry/referrers';
import { Uploads } from '../../../../tasks/AcrBuildPush/registry/upload';
import { type InTotoStatement, signedBill, statementOf } from '../../../../tasks/AcrBuildPush/signing/bundle';
import { signImage } from '../../../../tasks/AcrBuildPush/signing/sign-image';
import { readCertificates } from '../../../../tasks/AcrBuildPush/vault/certificates';
import { parseKeyName } from '../../../../tasks/AcrBuildPush/vault/key-vault';
import { openSigner } from '../../../../tasks/AcrBuildPush/vault/signer';
import { HttpClient } from '../../../../tasks/common/http';
import { makeCertificate } from '../../../support/certificate';
import { withoutReferrers } from '../../../support/registry-without-referrers';
import { capturedLog } from '../support';

const user = { username: 'robot', password: 'pa55-word' };
const TENANT = '5f8c7c0e-0000-4000-8000-000000000001';
const APPLICATION = '0aa1d0c4-0000-4000-8000-000000000003';
const READER = '0aa1d0c4-0000-4000-8000-000000000004';

const SIGNS = 0x80;
const root = makeCertificate('root', { isAuthority: true, keyUsage: 0x04 });
const leaf = (options: object = {}) =>
  makeCertificate('models', {
    issuer: root,
    curve: 'P-256',
    keyUsage: SIGNS,
    extendedUsage: '2b06010505070303',
    ...options,
  });
const good = leaf();
const bare = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const pem = (key: { privateKey: { export(options: object): string | Buffer } }) =>
  key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

describe('the signatures of an image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sign-'));
  let registry: Registry;
  let entra: Entra;
  let vault: KeyVault;
  let intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  let http: HttpClient;
  let captured: ReturnType<typeof capturedLog>;
  let client: RegistryClient;
  let manifest: Manifest;
  let count = 0;

  before(async () => {
    registry = await startRegistry({
      folder: join(folder, 'registry'),
      ...user,
      intercept: (request, response) => intercept(request, response),
    });
    entra = await startEntra({
      tenantId: TENANT,
      applications: [APPLICATION, READER].map((clientId) => ({ clientId, secret: 'app-s3cret' })),
    });
    vault = await startKeyVault({
      keys: {
        signing: { key: good.key, certificate: good.certificate },
        bare: { key: pem(bare) },
        rsa: { key: pem(rsa) },
        p384: { key: pem(p384) },
        expired: withKey(leaf({ ends: '210101000000Z' })),
        server: withKey(leaf({ extendedUsage: '2b06010505070301' })),
        encrypts: withKey(leaf({ keyUsage: 0xa0 })),
        unsaid: withKey(leaf({ keyUsage: undefined })),
        own: withKey(leaf({ issuer: undefined })),
      },
      claims: entra.accessTokenClaims,
      mayUse: (application, action) => application === APPLICATION || action === 'read',
    });
  });
  after(async () => {
    await Promise.all([registry.stop(), entra.stop(), vault.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    intercept = () => false;
    captured = capturedLog();
    const { log } = captured;
    const { signal } = new AbortController();
    const network = { proxyFor: () => undefined, tls: {} };
    http = new HttpClient({ log, signal, network, userAgent: 'test', sleep: async () => undefined });
    const credentials = fixedCredentials('r', { kind: 'password', ...user, input: 'acrPassword' });
    const host = registry.loginServer;
    client = new RegistryClient({ http, log, host, repository: `models/m${count++}`, credentials });
    await client.signIn();
    const config = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } };
    const image = { config: Buffer.from(JSON.stringify(config)), layers: [], platform: config };
    const place = { registry: client, uploads: new Uploads(client) };
    const options = { log, signal, compression: 'auto', known: new Map() } as const;
    manifest = (await publishImage(image, place, options)).manifest;
  });
  afterEach(() => http.close());

  function withKey({ key, certificate }: { key: string; certificate: string }) {
    return { key, certificate };
  }

  function open(path: string, { application = APPLICATION, chain = root.certificate } = {}) {
    const connection = {
      input: 'signingConnection',
      id: 'b9a4c1de-0000-4000-8000-000000000002',
      tenantId: TENANT,
      clientId: application,
      subscriptionId: undefined,
      cloud: 'AzureCloud',
      authorityUrl: entra.url,
      resourceManagerUrl: 'https://management.azure.com',
      credential: { kind: 'secret', secret: 'app-s3cret' },
    } as const;
    const request = {
      key: parseKeyName(`${vault.url}/${path}`)!,
      connection,
      certificates: readCertificates(chain),
    };
    return openSigner(request, { http, log: captured.log, oidcToken: async () => '' });
  }

  const provenance = () =>
    statementOf('titanic', manifest.digest, 'https://slsa.dev/provenance/v1', {
      buildDefinition: { ü: '€' },
    });

  async function sign(path: string, statements: readonly InTotoStatement[] = [provenance()]) {
    const signer = await open(path);
    const destination = {
      ...{ registry: client, uploads: new Uploads(client), name: `${client.host}/${client.repository}` },
      ...{ tags: [], ifTagExists: 'overwrite' as const, before: new Map() },
    };
    const options = { log: captured.log, signal: new AbortController().signal, version: '1.2.3' };
    await signImage(signer, manifest, statements, destination, options);
    return signer;
  }

  /** What is attached: the manifest and its blob. */
  async function attached(artifactType: string) {
    const listed = (await findReferrers(client, manifest.digest)).filter(
      (entry) => entry.artifactType === artifactType,
    );
    return Promise.all(
      listed.map(async ({ digest, annotations }) => {
        const content = JSON.parse((await client.manifest(digest)).body.toString());
        return {
          content,
          annotations: annotations ?? {},
          blob: JSON.parse((await client.blob(content.layers[0].digest)).toString()),
        };
      }),
    );
  }

  const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
  const NOTARY = 'application/vnd.cncf.notary.signature';

  for (const [name, knows] of [
    ['that lists what is attached', true],
    ['that knows nothing of it', false],
  ] as const) {
    it(`are as notation asks for them, in a registry ${name}`, async () => {
      if (!knows) intercept = withoutReferrers;
      await sign('certificates/signing');
      const [{ content, annotations, blob }, ...more] = (await attached(NOTARY)) as [
        Awaited<ReturnType<typeof attached>>[0],
      ];
      assert.equal(more.length, 0);
      assert.equal(content.artifactType, undefined);
      assert.deepEqual(content.config, {
        mediaType: NOTARY,
        digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
        size: 2,
      });
      assert.equal(content.layers[0].mediaType, 'application/jose+json');
      assert.equal(content.subject.digest, manifest.digest);
      const certificates = [good, root].map(({ certificate }) => new X509Certificate(certificate));
      assert.deepEqual(
        JSON.parse(annotations['io.cncf.notary.x509chain.thumbprint#S256']!),
        certificates.map(({ raw }) => createHash('sha256').update(raw).digest('hex')),
      );
      assert.deepEqual(Object.keys(blob).sort(), ['header', 'payload', 'protected', 'signature']);
      assert.deepEqual(
        blob.header.x5c,
        certificates.map(({ raw }) => raw.toString('base64')),
      );
      const signature = Buffer.from(blob.signature, 'base64url');
      assert.equal(signature.length, 64);
      const key = { key: certificates[0]!.publicKey, dsaEncoding: 'ieee-p1363' } as const;
      assert.ok(verify('sha256', Buffer.from(`${blob.protected}.${blob.payload}`), key, signature));
      const said = JSON.parse(Buffer.from(blob.protected, 'base64url').toString());
      assert.match(said['io.cncf.notary.signingTime'], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.deepEqual(
        { ...said, 'io.cncf.notary.signingTime': '' },
        {
          alg: 'ES256',
          crit: ['io.cncf.notary.signingScheme'],
          cty: 'application/vnd.cncf.notary.payload.v1+json',
          'io.cncf.notary.signingScheme': 'notary.x509',
          'io.cncf.notary.signingTime': '',
        },
      );
      assert.deepEqual(JSON.parse(Buffer.from(blob.payload, 'base64url').toString()), {
        targetArtifact: {
          mediaType: manifest.mediaType,
          digest: manifest.digest,
          size: manifest.body.length,
        },
      });
    });
  }

  it('are as cosign asks for them, of the image and of each statement', async () => {
    await sign('certificates/signing');
    const bundles = await attached(BUNDLE);
    assert.deepEqual(
      new Set(bundles.map(({ annotations }) => annotations['dev.sigstore.bundle.predicateType'])),
      new Set(['https://sigstore.dev/cosign/sign/v1', 'https://slsa.dev/provenance/v1']),
    );
    const { publicKey } = new X509Certificate(good.certificate);
    for (const { content, annotations, blob } of bundles) {
      assert.equal(content.artifactType, BUNDLE);
      assert.equal(annotations['dev.sigstore.bundle.content'], 'dsse-envelope');
      const { payload, payloadType, signatures } = blob.dsseEnvelope;
      const body = Buffer.from(payload, 'base64');
      const signed = Buffer.concat([
        Buffer.from(`DSSEv1 28 application/vnd.in-toto+json ${body.length} `),
        body,
      ]);
      assert.equal(payloadType, 'application/vnd.in-toto+json');
      assert.ok(verify('sha256', signed, publicKey, Buffer.from(signatures[0].sig, 'base64')), 'in DER');
      const der = publicKey.export({ type: 'spki', format: 'der' });
      assert.equal(
        blob.verificationMaterial.publicKey.hint,
        createHash('sha256').update(der).digest('base64'),
      );
      const statement = JSON.parse(body.toString());
      assert.equal(statement._type, 'https://in-toto.io/Statement/v1');
      assert.equal(statement.subject[0].digest.sha256, manifest.digest.slice(7));
      assert.equal(statement.predicateType, annotations['dev.sigstore.bundle.predicateType']);
    }
  });

  it('are in DER whatever the numbers are', async () => {
    const signer = await open('keys/bare');
    const key = createPublicKey(bare.privateKey);
    const { signedBundle } = await import('../../../../tasks/AcrBuildPush/signing/bundle');
    for (let run = 0; run < 40; run++) {
      const [blob] = (await signedBundle(statementOf('x', manifest.digest, `t${run}`, {}), signer)).blobs;
      const { payload, signatures } = JSON.parse(blob!.content.toString()).dsseEnvelope;
      const body = Buffer.from(payload, 'base64');
      const signed = Buffer.concat([
        Buffer.from(`DSSEv1 28 application/vnd.in-toto+json ${body.length} `),
        body,
      ]);
      assert.ok(verify('sha256', signed, key, Buffer.from(signatures[0].sig, 'base64')));
    }
  });

  it('are not made again by a second run, but for a statement that is new', async () => {
    await sign('certificates/signing');
    await sign('certificates/signing');
    assert.equal((await attached(BUNDLE)).length, 2);
    assert.equal((await attached(NOTARY)).length, 1);
    const other = statementOf('titanic', manifest.digest, 'https://slsa.dev/provenance/v1', { other: true });
    await sign('certificates/signing', [other]);
    assert.equal((await attached(BUNDLE)).length, 3);
  });

  it('of somebody else do not count', async () => {
    await sign('keys/bare');
    await sign('certificates/signing');
    assert.equal((await attached(BUNDLE)).length, 4);
    assert.equal((await attached(NOTARY)).length, 1);
  });

  it('of a key without a certificate are for cosign alone', async () => {
    await sign('keys/bare');
    assert.equal((await attached(NOTARY)).length, 0);
    assert.equal((await attached(BUNDLE)).length, 2);
  });

  it('of a key whose certificate is given are for both', async () => {
    const signer = await open('keys/signing', { chain: good.certificate + root.certificate });
    assert.equal(signer.chain?.length, 2);
  });

  it('of a certificate that is self-signed need no issuers', async () => {
    const signer = await open('certificates/own', { chain: '' });
    assert.equal(signer.chain?.length, 1);
  });

  it('vouch for a bill of materials of their own image alone', async () => {
    const bill = statementOf('titanic', manifest.digest, 'https://cyclonedx.org/bom', {
      bomFormat: 'CycloneDX',
    });
    const signer = await sign('certificates/signing', [bill]);
    const bundle = (await attached(BUNDLE)).find(({ annotations }) =>
      /cyclonedx/.test(annotations['dev.sigstore.bundle.predicateType']!),
    )!;
    const content = Buffer.from(JSON.stringify(bundle.blob));
    assert.equal(signedBill(content, manifest.digest, signer)?.toString(), '{"bomFormat":"CycloneDX"}');
    assert.equal(signedBill(content, `sha256:${'0'.repeat(64)}`, signer), undefined);
    assert.equal(signedBill(content, manifest.digest, await open('keys/bare')), undefined);
    assert.equal(signedBill(Buffer.from('{}'), manifest.digest, signer), undefined);
  });

  it('come with what it takes to verify them', async () => {
    await sign('certificates/signing');
    const lines = captured.lines.join('\n');
    assert.match(lines, /-----BEGIN PUBLIC KEY-----/);
    assert.match(lines, /cosign verify --key cosign\.pub --insecure-ignore-tlog=true \S+@sha256:/);
    assert.match(lines, /notation verify \S+@sha256:/);
    assert.match(lines, /root\.pem:\n-----BEGIN CERTIFICATE-----/);
    const policy = JSON.parse(/policy\.json:\n(\{\n[\s\S]*?\n\})\n/.exec(lines)![1]!);
    const [{ registryScopes, trustedIdentities }] = policy.trustPolicies;
    assert.deepEqual(registryScopes, [`${client.host}/${client.repository}`]);
    assert.deepEqual(trustedIdentities, ['*'], 'notation compares no name without a country');
    assert.ok(!lines.includes('PRIVATE KEY'));
  });

  describe('are refused before anything is built', () => {
    const refusals: Record<string, RegExp> = {
      'keys/rsa': /'signingKey' is RSA, but must be EC with the curve P-256/,
      'keys/p384': /'signingKey' is secp384r1, but must be EC/,
      'keys/none': /refused to read the key 'none' \(404\)\. There is no such key/,
      'certificates/none': /There is no such certificate/,
      'certificates/expired': /is good from .* to .*Renew it/,
      'certificates/server': /extended key usages that are not for signing/,
      'certificates/encrypts': /its key usage must be 'digitalSignature' alone/,
      'certificates/unsaid': /does not say by a critical extension/,
    };
    for (const [path, message] of Object.entries(refusals)) {
      it(`with ${path}`, () => assert.rejects(open(path), message));
    }

    it('without the certificate of the issuer', () =>
      assert.rejects(
        open('certificates/signing', { chain: '' }),
        /was issued by 'CN=root', whose certificate is not known/,
      ));
  });

  it('fail where the identity may not sign, with the role that it lacks', async () => {
    const signer = await open('certificates/signing', { application: READER });
    await assert.rejects(
      signer.sign(Buffer.from('x')),
      /refused to sign with the key 'signing' \(403\).*Key Vault Crypto User/,
    );
  });

  it('are asked for from vaults alone', () => {
    for (const wrong of [
      'https://evil.example.com/keys/k',
      'https://models.vault.azure.net.example.com/keys/k',
      'http://models.vault.azure.net/keys/k',
      'https://models.vault.azure.net/secrets/k',
      'https://a.b.vault.azure.net/keys/k',
      'https://user@models.vault.azure.net/keys/k',
      'models',
    ]) {
      assert.equal(parseKeyName(wrong), undefined, wrong);
    }
    const version = 'ab'.repeat(16);
    assert.deepEqual(parseKeyName(`https://models.vault.azure.net/keys/k/${version}`), {
      ...{ kind: 'keys', vault: 'https://models.vault.azure.net', name: 'k', version },
    });
  });
});
