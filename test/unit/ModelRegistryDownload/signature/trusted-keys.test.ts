import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { parseTrustedKeys } from '../../../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { makeCertificate } from '../../../support/certificate';
import { makeSigningKey } from '../../../support/model-signature';

const { key, publicKey } = makeSigningKey();

describe('trusted keys', () => {
  it('are keys and certificates, one after another, with anything between them', () => {
    const { certificate } = makeCertificate();
    const { keys, certificates } = parseTrustedKeys(
      `# ours\n${publicKey}\nSubject: theirs\n${certificate}${publicKey}`,
    );
    assert.deepEqual([keys.length, certificates.length], [2, 1]);
  });

  for (const [how, text] of [
    ['as blanks', publicKey.replaceAll('\n', ' ')],
    ['as \\n', publicKey.replaceAll('\n', '\\n')],
    ['as on Windows', publicKey.replaceAll('\n', '\r\n')],
  ] as const) {
    it(`may have lost their line breaks: ${how}`, () => assert.equal(parseTrustedKeys(text).keys.length, 1));
  }

  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
  const edwards = generateKeyPairSync('ed25519').publicKey;
  const FAULTS: readonly [what: string, text: string, message: RegExp][] = [
    ['no PEM', 'keys/model.pub', /is not PEM/],
    ['half a key', publicKey.slice(0, 60), /is not PEM/],
    ['a key and half another', `${publicKey}${publicKey.slice(0, 60)}`, /is not PEM/],
    ['a private key', key, /holds a private key/],
    ['an RSA key', rsa.export({ type: 'spki', format: 'pem' }).toString(), /kind rsa/],
    ['an older form of an RSA key', rsa.export({ type: 'pkcs1', format: 'pem' }).toString(), /kind rsa/],
    ['a key on another curve', edwards.export({ type: 'spki', format: 'pem' }).toString(), /kind ed25519/],
    ['a broken key', publicKey.replace(/\n[^-]+\n/, '\nAAAA\n'), /cannot be read/],
  ];
  for (const [what, text, message] of FAULTS)
    it(`are refused where they are ${what}`, () => assert.throws(() => parseTrustedKeys(text), { message }));
});
