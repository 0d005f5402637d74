import assert from 'node:assert/strict';
import { createPrivateKey, sign, X509Certificate } from 'node:crypto';
import { readNotarySignature } from '../../../../scripts/chain/notary';
import type { Manifest } from '../../../../tasks/AcrBuildPush/image/image';
import { notarySignature } from '../../../../tasks/AcrBuildPush/signing/notary';
import { parseTrustedKeys } from '../../../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { makeCertificate } from '../../../support/certificate';

const SIGNS = { curve: 'P-256', keyUsage: 0x80, extendedUsage: '2b06010505070303' };
const root = makeCertificate('root', { isAuthority: true, keyUsage: 0x04 });
const leaf = makeCertificate('models', { issuer: root, ...SIGNS });
const stranger = makeCertificate('stranger', SIGNS);
const NOW = Date.parse('2026-11-30T00:00:00Z');

const body = Buffer.from('{"schemaVersion":2}');
const image = {
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: `sha256:${'a1'.repeat(32)}`,
  size: body.length,
};
const JWS = { mediaType: 'application/jose+json', digest: '', size: 0 };

/** What the task attaches, which notation was seen to accept (npm run test:judges). */
async function envelope(): Promise<Record<string, string>> {
  const signer = {
    publicKey: new X509Certificate(leaf.certificate).publicKey,
    chain: [leaf, root].map(({ certificate }) => new X509Certificate(certificate)),
    sign: async (data: Buffer) => signed(data),
  };
  const attachment = await notarySignature({ ...image, body } as unknown as Manifest, signer, '1.0.0');
  return JSON.parse(attachment.blobs[0]!.content.toString());
}

function signed(data: Buffer | string): Buffer {
  const key = createPrivateKey(leaf.key);
  return sign('sha256', Buffer.from(data), { key, dsaEncoding: 'ieee-p1363' });
}

function read(content: object, trusted = root.certificate, options: { of?: object; type?: string } = {}) {
  const descriptor = { ...JWS, mediaType: options.type ?? JWS.mediaType };
  const bytes = Buffer.from(JSON.stringify(content));
  const keys = parseTrustedKeys(trusted);
  return readNotarySignature(bytes, descriptor, { ...image, ...options.of }, keys, NOW);
}

describe('a signature of the Notary Project, as verify-chain reads it,', () => {
  it('is good by the certificate of an authority, of the signer, and by the key alone', async () => {
    const content = await envelope();
    const key = new X509Certificate(leaf.certificate).publicKey.export({ type: 'spki', format: 'pem' });
    for (const trusted of [root.certificate, leaf.certificate, key.toString()]) {
      const { signer, signedAt, signedBy, doubt } = read(content, trusted);
      assert.equal(signer, 'CN=models');
      assert.match(signedAt, /^20\d\d-/);
      assert.match(signedBy ?? '', /^sha256:/);
      assert.equal(doubt, undefined);
    }
  });

  it('is by nobody who is known, where others are trusted', async () => {
    const { signedBy, doubt } = read(await envelope(), stranger.certificate);
    assert.equal(signedBy, undefined);
    assert.match(doubt!, /for whom no certificate .* vouches/);
  });

  it('is of no other image', async () => {
    const content = await envelope();
    for (const of of [{ digest: `sha256:${'b2'.repeat(32)}` }, { size: 1 }, { mediaType: 'x' }])
      assert.throws(() => read(content, root.certificate, { of }), /what it signs is another image/);
  });

  it('does not hold once anything of it was changed', async () => {
    const content = await envelope();
    const other = Buffer.from(JSON.stringify({ targetArtifact: image, more: 1 })).toString('base64url');
    assert.throws(() => read({ ...content, payload: other }), /not one of its certificate/);
    const header = { x5c: [new X509Certificate(stranger.certificate).raw.toString('base64')] };
    assert.throws(() => read({ ...content, header }), /not one of its certificate/);
    assert.throws(() => read({ ...content, header: {} }), /no certificate/);
    assert.throws(() => read({}), /no JSON Web Signature/);
    assert.throws(() => read(content, undefined, { type: 'application/cose' }), /verify it by notation/);
  });

  it('says nothing that is not understood, and no more than its time', async () => {
    const content = await envelope();
    const said = JSON.parse(Buffer.from(content.protected!, 'base64url').toString());
    const resaid = (changes: object) => {
      const head = Buffer.from(JSON.stringify({ ...said, ...changes })).toString('base64url');
      const signature = signed(`${head}.${content.payload}`).toString('base64url');
      return read({ ...content, protected: head, signature });
    };
    const expiry = 'io.cncf.notary.expiry';
    assert.ok(resaid({ crit: [...said.crit, expiry], [expiry]: '2026-12-01T00:00:00Z' }).signedBy);
    assert.throws(
      () => resaid({ crit: [...said.crit, expiry], [expiry]: '2026-11-29T00:00:00Z' }),
      /expired/,
    );
    assert.throws(() => resaid({ crit: [...said.crit, 'more'] }), /demands what is not known here: more/);
    assert.throws(() => resaid({ cty: 'text/plain' }), /signs something else/);
    assert.throws(() => resaid({ alg: 'none' }), /another algorithm/);
    assert.throws(() => resaid({ [said.crit[0]]: 'other' }), /of the scheme other/);
  });
});
