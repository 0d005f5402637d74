import { TaskError } from '../common/errors';
import { formatBytes, plural } from '../common/text';
import { refuseLackOfRoom } from './folder/disk';
import type { ModelFolder } from './folder/folder';
import type { Journal } from './folder/journal';
import { createManifest, type ModelManifest } from './folder/manifest';
import { findUnchanged } from './folder/unchanged';
import type { Inputs } from './inputs';
import { Progress } from './progress';
import type { ModelContainer } from './registry/container';
import { MovedError } from './registry/errors';
import type { ModelFile } from './registry/listing';
import type { Connection } from './registry/persist';
import { transferFiles } from './transfer/queue';
import { type Digests, type Proof, verify } from './transfer/verify';
import { readStatedChecksums } from './version/checksums';
import { findChange, listVersion, type ModelVersion, selectVersion } from './version/version';

/** What a download works with. */
export interface Download {
  readonly inputs: Inputs;
  readonly container: ModelContainer;
  readonly folder: ModelFolder;
  readonly connection: Connection;
  /** File that digests when it is started as a thread. */
  readonly program: string | undefined;
  /** Told of every piece of the model that has reached the disk, in bytes. */
  onBytes(count: number): void;
}

/** A model that is whole and verified, and not yet in its place. */
export interface FetchedModel {
  readonly manifest: ModelManifest;
  /** How each file was verified, by its path; files that did not change since the last download have none. */
  readonly proofs: ReadonlyMap<string, Proof>;
  /** Whether the folder holds exactly this model already. */
  readonly isInPlace: boolean;
  /** Of the transfer, in milliseconds. */
  readonly duration: number;
}

interface VerifiedFile {
  readonly sha256: string;
  readonly proof: Proof;
}

/** How often files are transferred in all, when they arrive damaged. */
const MOST_TRANSFERS = 2;

/** How often a download begins in all, when the version changes under it. */
const MOST_STARTS = 2;

/**
 * Brings all files of a version together in the folder's staging place. When the version changes meanwhile, it starts
 * over, once: files of two generations never end up side by side.
 */
export async function fetchVersion(version: ModelVersion, download: Download): Promise<FetchedModel> {
  const { inputs, container, connection } = download;
  for (let starts = 1, current = version; ; starts++) {
    try {
      return await fetchOnce(current, download);
    } catch (error) {
      if (!(error instanceof MovedError)) throw error;
      if (starts === MOST_STARTS) {
        throw new TaskError(
          `Version '${version.name}' keeps changing while it is downloaded; at last '${error.blob}' did. Run the step again once it is published completely; a version that is in use should not change at all.`,
        );
      }
      connection.log.warning(`${error.message} The download starts over.`);
      const listing = await listVersion(container, version.name, inputs, connection);
      current = selectVersion(version.name, listing, inputs);
    }
  }
}

async function fetchOnce(version: ModelVersion, download: Download): Promise<FetchedModel> {
  const { inputs, container, folder, connection } = download;
  await folder.refuseClashes(version.files.map(({ path }) => path));
  const source = {
    account: inputs.account,
    container: inputs.model,
    prefix: version.prefix,
    endpoint: container.address.host,
  };

  const { signal } = connection;
  const unchanged = await findUnchanged(folder.installed, source, version.files, signal);
  const { digests: known } = unchanged;
  const wanted = version.files.filter(({ path }) => !known.has(path));
  if (wanted.length === 0) {
    const manifest = describe(version, source, known, inputs);
    if (folder.holds(manifest)) {
      if (unchanged.read > 0) await folder.confirmVerified(manifest);
      return { manifest, proofs: new Map(), isInPlace: true, duration: 0 };
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
  for (const path of known.keys()) await folder.reuse(path);
  if (known.size > 0 && wanted.length > 0) {
    connection.log.info(`${plural(known.size, 'file')} did not change since the last download.`);
  }

  const start = performance.now();
  const verified = await transferAndVerify(version, wanted, journal, download);
  const duration = performance.now() - start;
  if (wanted.length > 0) await confirmUnmoved(version, download);

  const digests = new Map([...known, ...[...verified].map(([path, { sha256 }]) => [path, sha256] as const)]);
  return {
    manifest: describe(version, source, digests, inputs),
    proofs: new Map([...verified].map(([path, { proof }]) => [path, proof])),
    isInPlace: false,
    duration,
  };
}

/** @param digests the SHA-256 of each file by its path */
function describe(
  { name, files }: ModelVersion,
  source: ModelManifest['source'],
  digests: ReadonlyMap<string, string>,
  inputs: Inputs,
): ModelManifest {
  return createManifest({
    name: inputs.model,
    version: name,
    source,
    files: files.map((file) => ({
      ...file,
      sha256: digests.get(file.path)!,
      lastModified: file.lastModified.toISOString(),
    })),
  });
}

/** Transfers files and compares them with what the registry says; those that arrive damaged are transferred again. */
async function transferAndVerify(
  version: ModelVersion,
  files: readonly ModelFile[],
  journal: Journal,
  download: Download,
): Promise<Map<string, VerifiedFile>> {
  const { container, connection } = download;
  const verified = new Map<string, VerifiedFile>();
  if (files.length === 0) return verified;
  const stated = await readStatedChecksums(container, version.all, connection);
  const unstated = files.filter(({ path, md5, size }) => md5 === null && size > 0 && !stated.has(path));
  const checked = new Set(download.inputs.verify === 'crc64' ? unstated.map(({ path }) => path) : []);
  let missing = files;
  for (let transfers = 1; missing.length > 0; transfers++) {
    const digests = await transfer(missing, checked, journal, download);
    const damaged: ModelFile[] = [];
    for (const file of missing) {
      const fileDigests = digests.get(file.path)!;
      const verdict = verify(file, fileDigests, stated.get(file.path), checked.has(file.path));
      if ('proof' in verdict) {
        verified.set(file.path, { sha256: fileDigests.sha256, proof: verdict.proof });
      } else if (transfers < MOST_TRANSFERS) {
        connection.log.warning(`'${file.path}' arrived damaged: ${verdict.fault}. It is downloaded again.`);
        damaged.push(file);
        journal.forget(file);
      } else {
        throw new TaskError(
          `'${file.path}' is damaged, after a second download too: ${verdict.fault}. If the registry holds it like that, publish the version again.`,
        );
      }
    }
    missing = damaged;
  }
  return verified;
}

async function transfer(
  files: readonly ModelFile[],
  checked: ReadonlySet<string>,
  journal: Journal,
  { inputs, container, folder, connection, program, onBytes }: Download,
): Promise<Map<string, Digests>> {
  const size = sum(files.map((file) => file.size - journal.bytesOf(file)));
  connection.log.info(`Downloading ${plural(files.length, 'file')}, ${formatBytes(size)}.`);
  const progress = new Progress(size, connection.log);
  const options = {
    files: folder.staging,
    concurrency: inputs.concurrency,
    program,
    checked,
    record: journal,
    onBytes(count: number) {
      progress.add(count);
      onBytes(count);
    },
  };
  return transferFiles(container, files, options, connection);
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
