import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readBundle } from '../../../../tasks/ModelRegistryDownload/signature/bundle';
import {
  readSignedModel,
  type SignedModel,
} from '../../../../tasks/ModelRegistryDownload/signature/signed-model';
import { parseTrustedKeys } from '../../../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { makeSigningKey, type SignatureChanges, signModel } from '../../../support/model-signature';

const FILES = { 'model.pkl': 'the model', 'data/flags.pkl': 'the flags' };
const SIGNER = makeSigningKey();
const STRANGER = makeSigningKey();

describe('the signature of a model', () => {
  const read = (bytes: Buffer, pem = SIGNER.publicKey): SignedModel =>
    readSignedModel(readBundle(bytes), parseTrustedKeys(pem), Date.now());
  const changed = (changes: SignatureChanges) => () => read(signModel(FILES, SIGNER.key, changes));

  for (const [curve, hash] of [
    ['P-256', 'sha256'],
    ['P-384', 'sha384'],
    ['P-521', 'sha512'],
  ] as const) {
    it(`is verified with a key on ${curve}`, () => {
      const { key, publicKey } = makeSigningKey(curve);
      const { resources } = read(signModel(FILES, key, { hash }), publicKey);
      assert.deepEqual([...resources.keys()], ['model.pkl', 'data/flags.pkl']);
    });
  }

  it('tells the key and the digest that other statements cite', () => {
    const { key, digest } = read(signModel(FILES, SIGNER.key), `${STRANGER.publicKey}${SIGNER.publicKey}`);
    const der = Buffer.from(SIGNER.publicKey.replace(/-----[^-]+-----/g, ''), 'base64');
    assert.equal(key, `sha256:${createHash('sha256').update(der).digest('hex')}`);
    assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  });

  it('is read in the alphabet of Base64 for addresses as well', () => {
    const bundle = JSON.parse(signModel(FILES, SIGNER.key).toString());
    const [signature] = bundle.dsseEnvelope.signatures;
    signature.sig = Buffer.from(signature.sig, 'base64').toString('base64url');
    assert.equal(read(Buffer.from(JSON.stringify(bundle))).resources.size, 2);
  });

  it('proves nothing where another key has made it', () => {
    assert.throws(() => read(signModel(FILES, STRANGER.key)), /not made with any key of 'trustedKeys'/);
  });

  it('proves nothing once a character of what was signed has changed', () => {
    const bundle = JSON.parse(signModel(FILES, SIGNER.key).toString());
    const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString();
    bundle.dsseEnvelope.payload = Buffer.from(payload.replace('model.pkl', 'Model.pkl')).toString('base64');
    assert.throws(() => read(Buffer.from(JSON.stringify(bundle))), /not made with any key/);
  });

  const DIGEST = 'a'.repeat(64);
  const FAULTS: readonly [what: string, changes: SignatureChanges, message: RegExp][] = [
    ['has another media type', { bundle: { mediaType: 'text/plain' } }, /no Sigstore bundle/],
    ['has no envelope', { bundle: { dsseEnvelope: undefined } }, /no 'dsseEnvelope'/],
    ['has no material', { bundle: { verificationMaterial: undefined } }, /no 'verificationMaterial'/],
    ['says nothing of its key', { bundle: { verificationMaterial: {} } }, /what it was made with/],
    [
      "was made by Sigstore's service",
      { bundle: { verificationMaterial: { certificate: { rawBytes: 'AAAA' }, tlogEntries: [{}] } } },
      /public service/,
    ],
    ['has another type of payload', { envelope: { payloadType: 'text/plain' } }, /payloadType/],
    ['has no signature in it', { envelope: { signatures: [] } }, /exactly one signature/],
    ['has two', { envelope: { signatures: [{ sig: 'AAAA' }, { sig: 'AAAA' }] } }, /exactly one signature/],
    ['is another statement', { statement: { _type: 'https://in-toto.io/Statement/v0.1' } }, /no statement/],
    [
      'is of something else',
      { statement: { predicateType: 'https://slsa.dev/provenance/v1' } },
      /something else/,
    ],
    ['is of old', { statement: { predicateType: 'https://model_signing/Digests/v0.1' } }, /0\.2 or older/],
    ['has no predicate', { statement: { predicate: [] } }, /does not list what was signed/],
    [
      'has the digest of others',
      { subject: [{ name: 'm', digest: { sha256: DIGEST } }] },
      /contradicts itself/,
    ],
    ['has no digest', { subject: [] }, /contradicts itself/],
    ['lists no files', { resources: [] }, /lists no files/],
    [
      'hashes otherwise',
      { serialization: { hash_type: 'blake3' } },
      /'blake3', which this task does not know/,
    ],
    ['is of parts of no size', { serialization: { method: 'shards' } }, /'method'/],
    ['is of files of a size', { serialization: { shard_size: 5 } }, /'method'/],
    ['ignores no list', { serialization: { ignore_paths: 'all' } }, /ignore_paths/],
    ['lists no names', { resources: [{ digest: DIGEST, algorithm: 'sha256' }] }, /without its name/],
    [
      'lists a short digest',
      { resources: [{ name: 'a', digest: 'abcd', algorithm: 'sha256' }] },
      /sha256 digest/,
    ],
    [
      'lists a digest of another kind',
      { resources: [{ name: 'a', digest: DIGEST, algorithm: 'sha1' }] },
      /sha256 digest/,
    ],
    [
      'lists a file twice',
      {
        resources: [
          { name: 'a', digest: DIGEST, algorithm: 'sha256' },
          { name: 'a', digest: DIGEST, algorithm: 'sha256' },
        ],
      },
      /twice/,
    ],
  ];
  for (const [what, changes, message] of FAULTS) {
    it(`proves nothing where it ${what}`, () => assert.throws(changed(changes), message));
  }

  for (const text of ['', 'null', '[]', '{', '"model"', '[[[['])
    it(`is none where it is '${text}'`, () =>
      assert.throws(() => read(Buffer.from(text)), /no Sigstore bundle/));
});
