import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelManifest } from './manifest';
import type { ModelFile } from './registry/listing';
import { digestFile } from './registry/transfer/verify';

/**
 * The files of a version that need not be downloaded: the manifest in the folder has them from the same place with
 * the same ETag, and their content is still what the manifest says. Size and time of a file would be quicker to
 * compare, but they do not show that somebody has changed the model.
 *
 * @returns the SHA-256 of each by its path
 */
export async function findUnchanged(
  folder: string,
  manifest: ModelManifest | undefined,
  source: ModelManifest['source'],
  files: readonly ModelFile[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const unchanged = new Map<string, string>();
  if (!manifest || !isSameSource(manifest.source, source)) return unchanged;
  const known = new Map(manifest.files.map((file) => [file.path, file]));
  for (const { path, etag, size } of files) {
    const before = known.get(path);
    if (before?.etag !== etag || before.size !== size) continue;
    if ((await sha256Of(join(folder, path), size, signal)) === before.sha256) {
      unchanged.set(path, before.sha256);
    }
  }
  return unchanged;
}

function isSameSource(a: ModelManifest['source'], b: ModelManifest['source']): boolean {
  return (['account', 'container', 'prefix', 'endpoint'] as const).every((key) => a[key] === b[key]);
}

async function sha256Of(path: string, size: number, signal: AbortSignal): Promise<string | undefined> {
  // A link would show the file that it leads to. Windows has no such flag, and no links without an administrator.
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);
  const handle = await open(path, flags).catch(() => undefined);
  if (!handle) return undefined;
  try {
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size !== size) return undefined;
    return (await digestFile(handle.fd, size, { md5: false }, signal)).sha256;
  } finally {
    await handle.close();
  }
}
