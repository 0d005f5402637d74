import { TaskError } from '../common/errors';
import { formatBytes, plural } from '../common/text';
import { refuseLackOfRoom } from './folder/disk';
import type { ModelFolder } from './folder/folder';
import { createManifest, type ModelManifest, stateOf } from './folder/manifest';
import { findUnchanged } from './folder/unchanged';
import type { Inputs } from './inputs';
import { describeFinding, inspectModel } from './inspect-model';
import type { Inspection } from './pickles/inspection';
import { AlteredError, MovedError } from './registry/errors';
import type { ModelFile } from './registry/listing';
import { sameOnSomeDisks } from './registry/names';
import { isSameSource, type ModelSource } from './registry/source';
import type { Proof } from './transfer/verify';
import { type Download, transferAndVerify } from './transfer-and-verify';
import { compareSignature, type SignatureState, verifySignature } from './verify-signature';
import { readStatement } from './version/statement';
import {
  findChange,
  findGone,
  listVersion,
  type ModelVersion,
  refuseUnstated,
  selectVersion,
} from './version/version';

/** A model that is whole and verified, and not yet in its place. */
export interface FetchedModel {
  readonly manifest: ModelManifest;
  /** What loading it would do; undefined where nobody asked. */
  readonly inspection: Inspection | undefined;
  readonly signature: SignatureState;
  /** How each file was verified, by its path; files that did not change since the last download have none. */
  readonly proofs: ReadonlyMap<string, Proof>;
  /** Whether the folder holds exactly this model already. */
  readonly isInPlace: boolean;
  /** Of the transfer, in milliseconds. */
  readonly duration: number;
}

/** How many files that went away a message shows. */
const MOST_NAMED = 20;

/** How often a download begins in all, when the version changes under it. */
const MOST_STARTS = 2;

/**
 * Brings all files of a version together in the folder's staging place. When the version changes meanwhile, it starts
 * over, once: files of two generations never end up side by side.
 */
export async function fetchVersion(version: ModelVersion, download: Download): Promise<FetchedModel> {
  for (let starts = 1, current = version; ; starts++) {
    try {
      return await fetchOnce(current, download);
    } catch (error) {
      if (!(error instanceof MovedError)) throw error;
      const next = await listAgain(version, error, download);
      if (starts === MOST_STARTS) {
        throw new TaskError(
          `Version '${version.name}' keeps changing while it is downloaded; at last '${error.blob}' did. Run the step again once it is published completely; a version that is in use should not change at all.`,
        );
      }
      download.connection.log.warning(`${error.message} The download starts over.`);
      current = next;
    }
  }
}

/**
 * Lists a version again that has changed. It may hold other files by now, but not fewer: a version that has lost one may
 * be on its way out, or half replaced.
 *
 * @throws TaskError when it has lost a file; AlteredError when it has not changed, so that something on the way answers otherwise
 */
async function listAgain(
  version: ModelVersion,
  { blob, isGone }: MovedError,
  { inputs, container, source, connection }: Download,
): Promise<ModelVersion> {
  const listing = await listVersion(container, version.name, inputs, 'none', connection);
  const [gone, ...others] = findGone(version, listing.files, inputs);
  if (gone !== undefined) {
    throw new TaskError(
      `'${gone}'${others.length > 0 ? ` and ${plural(others.length, 'more file')}` : ''} of version '${version.name}' went away while it was downloaded. If the version is being published at this moment, run the step again once that has ended; else publish it anew.`,
      { details: [gone, ...others].slice(0, MOST_NAMED) },
    );
  }
  if (isAsBefore(blob, version, listing.files)) {
    if (isGone) {
      throw new TaskError(
        `'${blob}' is listed in version '${version.name}', but the registry answers that there is no such file. If its address leads to a copy of the account, such as its secondary endpoint, a CDN or a proxy, read from the account itself; else publish the file again.`,
      );
    }
    // Only Blob storage lists what its answers tell as well; times that Databricks lists are of other clocks.
    if ('account' in source) {
      throw new AlteredError(
        blob,
        'what comes has another ETag than is listed, and yet the file has not changed',
      );
    }
  }
  return selectVersion(version.name, listing, inputs);
}

/** Whether a file is listed in the state in which it was before. */
function isAsBefore(file: string, before: ModelVersion, now: readonly ModelFile[]): boolean {
  const etagIn = (files: readonly ModelFile[]) =>
    files.find(({ path, name }) => path === file || name === file)?.etag;
  const etag = etagIn(before.all);
  return etag !== undefined && etag === etagIn(now);
}

async function fetchOnce(version: ModelVersion, download: Download): Promise<FetchedModel> {
  const { inputs, container, source, folder, connection } = download;
  const signature = await verifySignature(version, download);
  await folder.refuseClashes(version.files.map(({ path }) => path));

  const { signal } = connection;
  const unchanged = await findUnchanged(folder.installed, source, version.files, signal);
  const { digests: known } = unchanged;
  const wanted = version.files.filter(({ path }) => !known.has(path));
  if (wanted.length === 0) {
    const proven = await prove(describe(version, source, known, inputs), version, signature, download);
    if (folder.holds(proven.manifest)) {
      if (unchanged.read > 0) await folder.confirmVerified(proven.manifest);
      return { ...proven, proofs: new Map(), isInPlace: true, duration: 0 };
    }
  }

  const journal = await folder.prepare(wanted, source);
  const begun = sum(wanted.map((file) => journal.bytesOf(file)));
  if (begun > 0) connection.log.info(`Going on from ${formatBytes(begun)} that an earlier try has brought.`);
  await refuseLackOfRoom(
    folder.staging.root.at('.'),
    folder.path,
    sum(wanted.map(({ size }) => size)) - begun,
  );
  const statement = version.statement ?? (await readStatement(container, version.all, connection));
  refuseUnstated(version, statement, inputs);
  for (const path of known.keys()) await folder.reuse(path);
  if (known.size > 0 && wanted.length > 0) {
    connection.log.info(`${plural(known.size, 'file')} did not change since the last download.`);
  }

  const start = performance.now();
  const verified = await transferAndVerify(wanted, statement, journal, download);
  const duration = performance.now() - start;
  refuseSharedFiles(version, folder);
  if (wanted.length > 0) await confirmUnmoved(version, download);

  const digests = new Map([...known, ...[...verified].map(([path, { sha256 }]) => [path, sha256] as const)]);
  return {
    ...(await prove(describe(version, source, digests, inputs), version, signature, download)),
    proofs: new Map([...verified].map(([path, { proof }]) => [path, proof])),
    isInPlace: false,
    duration,
  };
}

/**
 * Whether a folder seems to hold a version already, as far as its manifest tells: the files themselves are not looked at.
 */
export function seemsHeld(
  manifest: ModelManifest | undefined,
  version: ModelVersion,
  source: ModelSource,
): boolean {
  if (!manifest || !isSameSource(manifest.source, source)) return false;
  const states = new Map(manifest.files.map((file) => [file.path, stateOf(file)]));
  return (
    states.size === version.files.length && version.files.every(({ path, etag }) => states.get(path) === etag)
  );
}

/**
 * Holds a model that has come against its signature, and looks into its files.
 *
 * @returns its manifest, with what came of both
 */
async function prove(
  described: ModelManifest,
  version: ModelVersion,
  signature: SignatureState,
  download: Download,
): Promise<Pick<FetchedModel, 'manifest' | 'inspection' | 'signature'>> {
  const { inputs, folder, connection } = download;
  await compareSignature(signature, described, version, download);
  const inspection = await inspectModel(described, folder, inputs, connection.signal);
  const findings = inspection?.findings ?? [];
  const manifest = {
    ...described,
    ...(signature.kind === 'signed' && {
      signature: { digest: signature.signed.digest, key: signature.signed.key },
    }),
    ...(findings.length > 0 && { refused: findings.map(describeFinding) }),
  };
  return { manifest, inspection, signature };
}

/** @param digests the SHA-256 of each file by its path */
function describe(
  { name, files }: ModelVersion,
  source: ModelSource,
  digests: ReadonlyMap<string, string>,
  inputs: Inputs,
): ModelManifest {
  return createManifest({
    name: inputs.model,
    version: name,
    source,
    files: files.map((file) => ({
      ...file,
      etag: 'account' in source ? file.etag : null,
      sha256: digests.get(file.path)!,
      lastModified: file.lastModified.toISOString(),
    })),
  });
}

/** @throws TaskError where the disk took two names for one file, so that one holds what belongs in the other */
function refuseSharedFiles({ files }: ModelVersion, folder: ModelFolder): void {
  for (const group of sameOnSomeDisks(files.map(({ path }) => path))) {
    const nodes = new Set(group.map((path) => folder.staging.stats(path)?.ino));
    if (nodes.size === group.length) continue;
    throw new TaskError(
      `The disk of '${folder.path}' takes ${group.map((path) => `'${path}'`).join(' and ')} for one file. Rename one of them in the registry, leave one out with 'patterns', or choose a 'destinationFolder' on another disk.`,
    );
  }
}

/** Each blob was read in one generation, as its ETag guarantees; this is for the version as a whole. */
async function confirmUnmoved(
  version: ModelVersion,
  { inputs, container, connection }: Download,
): Promise<void> {
  const change = await findChange(container, version, inputs, connection);
  if (change !== undefined) throw new MovedError(change);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
