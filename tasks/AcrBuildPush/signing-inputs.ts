import { givenPath } from '../common/files/given-path';
import { readSourceFile, SourceFileError } from '../common/files/source-file';
import type { InputReader } from '../common/inputs';
import { readAzureConnection } from '../common/service-connection';
import type { TaskContext } from '../common/task';
import type { Identity } from './registry/credentials';
import { readCertificates } from './vault/certificates';
import { parseKeyName } from './vault/key-vault';
import type { SigningRequest } from './vault/signer';

/** Bytes of a file of certificates, at most. */
const LARGEST_CHAIN = 1024 * 1024;

/** With what the image is signed; undefined where it is not. */
export function readSigning(
  inputs: InputReader,
  identity: Identity | undefined,
  isBuilt: boolean,
  variable: TaskContext['variable'],
): SigningRequest | undefined {
  const text = inputs.optional('signingKey');
  if (!text) return undefined;
  const key = parseKeyName(text);
  if (!key) {
    inputs.reject(
      'signingKey',
      `is '${text}', but must be the identifier of a key or certificate in Azure Key Vault, such as https://models.vault.azure.net/certificates/signing.`,
    );
  }
  if (!isBuilt) {
    inputs.reject(
      'signingKey',
      "signs what the step builds and pushes. Leave it empty where 'push' is false; with 'sourceImage', the signatures of the image are copied.",
    );
  }
  const own = inputs.optional('signingConnection');
  const connection =
    own === undefined && identity?.kind === 'azure'
      ? identity.connection
      : readAzureConnection(inputs, 'signingConnection', "'signingKey' asks for it");
  const certificates = readChain(inputs, variable);
  return key && connection && { key, connection, certificates };
}

function readChain(inputs: InputReader, variable: TaskContext['variable']): SigningRequest['certificates'] {
  const file = givenPath(inputs.optional('signingCertificates'), variable);
  if (!file) return [];
  try {
    const certificates = readCertificates(readSourceFile(file, LARGEST_CHAIN).toString('latin1'));
    if (certificates.length > 0) return certificates;
    inputs.reject('signingCertificates', `is '${file}', which holds no certificates in PEM.`);
  } catch (error) {
    const why = error instanceof SourceFileError ? error.message : 'which holds a broken certificate.';
    inputs.reject('signingCertificates', `is '${file}', ${why}`);
  }
  return [];
}
