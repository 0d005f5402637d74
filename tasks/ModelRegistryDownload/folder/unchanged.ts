import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelFile } from '../registry/listing';
import { digestFile } from '../transfer/verify';
import type { ModelManifest } from './manifest';
import { readSeal } from './seal';

/** Files of a version that need not be downloaded. */
export interface Unchanged {
  /** The SHA-256 of each by its path. */
  readonly digests: ReadonlyMap<string, string>;
  /** How many had to be read: the others were untouched since they were last verified. */
  readonly read: number;
}

/**
 * Finds the files that need not be downloaded: the manifest in the folder has them from the same place with the same
 * ETag, and their content is still what the manifest says. Only what was touched since it was verified is read for that.
 */
export async function findUnchanged(
  folder: string,
  manifest: ModelManifest | undefined,
  source: ModelManifest['source'],
  files: readonly ModelFile[],
  signal: AbortSignal,
): Promise<Unchanged> {
  const digests = new Map<string, string>();
  let read = 0;
  if (!manifest || !isSameSource(manifest.source, source)) return { digests, read };
  const known = new Map(manifest.files.map((file) => [file.path, file]));
  const isUntouched = readSeal(folder, manifest);
  for (const { path, etag, size, lastModified } of files) {
    const before = known.get(path);
    if (before?.etag !== etag || before.size !== size) continue;
    if (!isUntouched(path, size, lastModified)) {
      if ((await sha256Of(join(folder, path), size, lastModified, signal)) !== before.sha256) continue;
      read += 1;
    }
    digests.set(path, before.sha256);
  }
  return { digests, read };
}

function isSameSource(a: ModelManifest['source'], b: ModelManifest['source']): boolean {
  return (['account', 'container', 'prefix', 'endpoint'] as const).every((key) => a[key] === b[key]);
}

/** Reads a file, and gives it back the time that it had when it was downloaded. */
async function sha256Of(
  path: string,
  size: number,
  lastModified: Date,
  signal: AbortSignal,
): Promise<string | undefined> {
  // A link would show the file that it leads to. Windows has no such flag, and no links without an administrator.
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);
  const handle = await open(path, flags).catch(() => undefined);
  if (!handle) return undefined;
  try {
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size !== size) return undefined;
    // Before it is read: whoever writes to it from now on gives it another time.
    await handle.utimes(lastModified, lastModified).catch(() => undefined);
    return (await digestFile(handle.fd, size, { md5: false }, signal)).sha256;
  } finally {
    await handle.close();
  }
}
