import assert from 'node:assert/strict';
import { readBundle } from '../../../../tasks/ModelRegistryDownload/signature/bundle';
import { readSignedModel } from '../../../../tasks/ModelRegistryDownload/signature/signed-model';
import { parseTrustedKeys } from '../../../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { type CertificateOptions, makeCertificate, type TestCertificate } from '../../../support/certificate';
import { signModel } from '../../../support/model-signature';

const SIGNS = 0x80;
const CERTIFIES = 0x04;
const ROOT = makeCertificate('root', { isAuthority: true, keyUsage: CERTIFIES });
const BETWEEN = makeCertificate('between', { isAuthority: true, issuer: ROOT, pathLength: 0 });
const STRANGER = makeCertificate('root', { isAuthority: true, keyUsage: CERTIFIES });

function signer(options: CertificateOptions = {}): TestCertificate {
  return makeCertificate('signer', { issuer: BETWEEN, curve: 'P-256', keyUsage: SIGNS, ...options });
}

describe('a signature with certificates', () => {
  function verify(chain: readonly TestCertificate[], trusted: string, now = Date.now()) {
    const bytes = signModel({ 'model.pkl': 'the model' }, chain[0]!.key, { chain });
    return () => readSignedModel(readBundle(bytes), parseTrustedKeys(trusted), now);
  }

  it('is verified by the authority above those that come with it', () => {
    assert.doesNotThrow(verify([signer(), BETWEEN], ROOT.certificate));
    assert.doesNotThrow(verify([signer(), BETWEEN, ROOT], ROOT.certificate));
  });

  it('is verified by any certificate on the way, and by the key itself', () => {
    const own = signer();
    assert.doesNotThrow(verify([own], BETWEEN.certificate));
    assert.doesNotThrow(verify([own], own.certificate));
  });

  const FAULTS: readonly [what: string, chain: TestCertificate[], trusted: string, message: RegExp][] = [
    [
      'another authority of the same name',
      [signer(), BETWEEN],
      STRANGER.certificate,
      /no certificate in 'trustedKeys' vouches/,
    ],
    [
      'an authority that is not known',
      [signer()],
      ROOT.certificate,
      /no certificate in 'trustedKeys' vouches/,
    ],
    [
      'a certificate that may not issue others',
      [
        signer({ issuer: makeCertificate('nobody', { issuer: ROOT }) }),
        makeCertificate('nobody', { issuer: ROOT }),
      ],
      ROOT.certificate,
      /vouches|may not issue/,
    ],
    [
      'a certificate that is not for signing',
      [signer({ keyUsage: 0x20 }), BETWEEN],
      ROOT.certificate,
      /not for signing/,
    ],
    [
      'a certificate that says nothing of its use',
      [makeCertificate('signer', { issuer: BETWEEN, curve: 'P-256' }), BETWEEN],
      ROOT.certificate,
      /not for signing/,
    ],
    [
      'a certificate that has expired',
      [signer({ ends: '250101000000Z' }), BETWEEN],
      ROOT.certificate,
      /to 2025-01-01 only/,
    ],
    [
      'what nobody understands',
      [signer({ unknown: '2a0304' }), BETWEEN],
      ROOT.certificate,
      /critical extension/,
    ],
    [
      'a key that is no elliptic curve',
      [makeCertificate('signer', { issuer: BETWEEN, keyUsage: SIGNS }), BETWEEN],
      ROOT.certificate,
      /not made with the key/,
    ],
  ];
  for (const [what, chain, trusted, message] of FAULTS)
    it(`proves nothing by ${what}`, () => assert.throws(verify(chain, trusted), message));

  it('proves nothing below more authorities than the one above allows', () => {
    const low = makeCertificate('low', { isAuthority: true, issuer: BETWEEN });
    assert.throws(verify([signer({ issuer: low }), low, BETWEEN], ROOT.certificate), /may not issue others/);
  });

  it('proves nothing by an authority that may not certify', () => {
    const weak = makeCertificate('weak', { isAuthority: true, keyUsage: SIGNS });
    assert.throws(verify([signer({ issuer: weak })], weak.certificate), /vouches|may not issue/);
    const none = makeCertificate('none');
    assert.throws(verify([signer({ issuer: none })], none.certificate), /may not issue others/);
  });

  it('is verified by the public key alone, whatever has become of its certificate', () => {
    const own = signer({ ends: '250101000000Z' });
    const key = parseTrustedKeys(own.certificate).certificates[0]!.publicKey;
    const pem = key.export({ type: 'spki', format: 'pem' }).toString();
    assert.doesNotThrow(verify([own, BETWEEN], pem));
  });
});
