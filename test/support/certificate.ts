import { generateKeyPairSync, sign } from 'node:crypto';

export interface TestCertificate {
  /** The certificate alone, as an application holds it. */
  readonly certificate: string;
  /** Certificate and private key, as a service connection holds them. */
  readonly pem: string;
}

/**
 * Makes a certificate that signs itself, for the host of a name too. Node reads certificates but makes none, so its parts are put together
 * here.
 */
export function makeCertificate(owner = 'test'): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const algorithm = der(0x30, [der(0x06, [Buffer.from('2a864886f70d01010b', 'hex')]), der(0x05, [])]);
  const commonName = der(0x30, [der(0x06, [Buffer.from('550403', 'hex')]), der(0x0c, [Buffer.from(owner)])]);
  const name = der(0x30, [der(0x31, [commonName])]);
  const validity = der(0x30, [
    der(0x17, [Buffer.from('200101000000Z')]),
    der(0x17, [Buffer.from('491231000000Z')]),
  ]);
  const content = der(0x30, [
    der(0x02, [Buffer.from([1])]),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  ]);
  const signature = der(0x03, [Buffer.from([0]), sign('sha256', content, privateKey)]);
  const body = der(0x30, [content, algorithm, signature]).toString('base64');
  const certificate = `-----BEGIN CERTIFICATE-----\n${body.match(/.{1,64}/g)!.join('\n')}\n-----END CERTIFICATE-----\n`;
  return { certificate, pem: `${privateKey.export({ type: 'pkcs8', format: 'pem' })}${certificate}` };
}

/** A value of ASN.1 with its tag and length. */
function der(tag: number, parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
