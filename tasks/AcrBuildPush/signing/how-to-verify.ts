import type { X509Certificate } from 'node:crypto';
import type { Signer } from '../vault/signer';
import type { InTotoStatement } from './bundle';

/** The store of notation's that holds the root certificate. */
const STORE = 'models';

/** Parts of a certificate's name that notation compares (its trust policies need the first three), and those it passes over. */
const MANDATORY = ['C', 'ST', 'O'];
const COMPARED = [...MANDATORY, 'L', 'OU', 'CN'];
const PASSED_OVER = ['serialNumber', 'street', 'postalCode'];

/**
 * What others need to verify an image, as lines for people: the files, each below its name, and the commands.
 *
 * @param repository `<login server>/<repository>`
 */
export function howToVerify(
  { publicKey, chain }: Signer,
  repository: string,
  digest: string,
  statements: readonly InTotoStatement[],
): string[] {
  const image = `${repository}@${digest}`;
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const flags = '--key cosign.pub --insecure-ignore-tlog=true';
  return [
    ...file('The public key', 'cosign.pub', pem),
    `cosign verify ${flags} ${image}`,
    ...statements.map(
      ({ predicateType }) => `cosign verify-attestation ${flags} --type ${predicateType} ${image}`,
    ),
    ...(chain ? forNotation(chain, repository, image) : []),
  ];
}

function forNotation(chain: readonly X509Certificate[], repository: string, image: string): string[] {
  const policy = {
    version: '1.0',
    trustPolicies: [
      {
        name: STORE,
        registryScopes: [repository],
        signatureVerification: { level: 'strict' },
        trustStores: [`ca:${STORE}`],
        trustedIdentities: [identityOf(chain[0]!)],
      },
    ],
  };
  return [
    ...file('The root certificate', 'root.pem', chain.at(-1)!.toString()),
    ...file('A trust policy', 'policy.json', JSON.stringify(policy, null, 2)),
    `notation cert add --type ca --store ${STORE} root.pem`,
    'notation policy import policy.json',
    `notation verify ${image}`,
  ];
}

function file(what: string, name: string, content: string): string[] {
  return [`${what}, for a file ${name}:`, ...content.trimEnd().split('\n')];
}

/**
 * Whom a trust policy trusts: the certificate's name, or whomever the store vouches for where notation can't compare the
 * name. It takes a name only with a country, a state and an organization, each part once, and none of other kinds
 * (notation-go, internal/pkix).
 */
function identityOf({ subject }: X509Certificate): string {
  const parts = subject.split('\n').map((part) => part.slice(0, part.indexOf('=')));
  const isComparable =
    MANDATORY.every((part) => parts.includes(part)) &&
    new Set(parts).size === parts.length &&
    parts.every((part) => COMPARED.includes(part) || PASSED_OVER.includes(part));
  if (!isComparable) return '*';
  const name = subject.split('\n').filter((part) => COMPARED.includes(part.slice(0, part.indexOf('='))));
  return `x509.subject: ${name.join(', ')}`;
}
