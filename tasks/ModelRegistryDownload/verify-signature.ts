import { TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import { plural } from '../common/text';
import type { ModelManifest } from './folder/manifest';
import type { Inputs } from './inputs';
import { readBundle } from './signature/bundle';
import { compareWithSigned, quoteFew, SIGNATURE_NAME } from './signature/compare';
import { SignatureFault } from './signature/fault';
import { readSignedModel, type SignedModel } from './signature/signed-model';
import { readWhole } from './transfer/read-whole';
import type { Download } from './transfer-and-verify';
import type { ModelVersion } from './version/version';

/** Bytes of a signature that is read: that of 100,000 files has 20 million. */
const LARGEST = 64 * 1024 * 1024;

type Wish = Pick<Inputs, 'signature' | 'trustedKeys'>;

/** What the step knows of a version's signature. */
export type SignatureState =
  | { readonly kind: 'signed'; readonly signed: SignedModel }
  /** Nobody asked, or there is nothing to ask. */
  | { readonly kind: 'off' | 'unsigned' | 'notVerified' };

/**
 * Verifies the signature of a version, before any of its files come: who has signed it, and what.
 *
 * @throws TaskError when it has none and must have one, and when it has one that proves nothing
 */
export async function verifySignature(
  version: ModelVersion,
  { inputs, container, connection }: Pick<Download, 'inputs' | 'container' | 'connection'>,
): Promise<SignatureState> {
  const { signature, trustedKeys }: Wish = inputs;
  if (signature === 'off') return { kind: 'off' };
  const file = version.all.find(({ path }) => path === SIGNATURE_NAME);
  if (!file) {
    if (signature === 'require') {
      throw new TaskError(
        `Version '${version.name}' is not signed: it holds no ${SIGNATURE_NAME}, and 'signature' is require. Sign it where it is published; if it was signed once, find out who has replaced it.`,
      );
    }
    if (trustedKeys) {
      connection.log.warning(
        `Version '${version.name}' is not signed, so 'trustedKeys' prove nothing of it. Set 'signature' to require once every version is signed: a signature that somebody took away would not be missed before.`,
      );
    }
    return { kind: 'unsigned' };
  }
  if (!trustedKeys) {
    connection.log.info(
      `Version '${version.name}' is signed, but its ${SIGNATURE_NAME} was not verified: 'trustedKeys' names no key.`,
    );
    return { kind: 'notVerified' };
  }
  return refusing(version.name, async () => {
    if (file.size === 0) throw new SignatureFault('is empty');
    if (file.size > LARGEST) throw new SignatureFault('is larger than any signature');
    const bundle = readBundle(await readWhole(container, file, connection));
    return { kind: 'signed', signed: readSignedModel(bundle, trustedKeys, Date.now()) };
  });
}

/**
 * Compares the files that have come with what was signed.
 *
 * @throws TaskError when they differ
 */
export async function compareSignature(
  state: SignatureState,
  manifest: ModelManifest,
  version: ModelVersion,
  { folder, connection }: Pick<Download, 'folder' | 'connection'>,
): Promise<void> {
  if (state.kind !== 'signed') return;
  const { signed } = state;
  const { uncovered, absent } = await refusing(version.name, () =>
    compareWithSigned(signed, {
      files: manifest.files,
      registered: new Set(version.all.map(({ path }) => path)),
      open: (path) => folder.open(path),
      signal: connection.signal,
    }),
  );
  const { log } = connection;
  log.info(`The signature of version '${version.name}' is valid. It was made with the key ${signed.key}.`);
  tell(uncovered, 'is left out of it by its signer, and could be anything', log);
  if (absent.length > 0) log.info(`Signed, and not among the files of this step: ${quoteFew(absent)}.`);
}

function tell(paths: readonly string[], what: string, log: Logger): void {
  if (paths.length > 0) log.warning(`${plural(paths.length, 'file')} ${what}: ${quoteFew(paths)}.`);
}

async function refusing<T>(version: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SignatureFault)) throw error;
    throw new TaskError(
      `The signature of version '${version}' (${SIGNATURE_NAME}) ${error.message}. Nothing of this version is used. Find out who has published it; if it is right, sign it again, or add its signer to 'trustedKeys'.`,
    );
  }
}
