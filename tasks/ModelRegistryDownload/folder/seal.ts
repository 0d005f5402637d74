import { type BigIntStats, lstatSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_NAME, type ModelManifest } from './manifest';

/*
 * How a later step knows without reading them that the files of a model are as they were when they were verified. Each
 * file has the time at which its blob was written; then the manifest is given the newest of these times, which also
 * sets when the system last saw it change (ctime), and no program can set that. Whatever writes to a file changes its
 * time, and who sets the time back changes ctime to one after the manifest's.
 */

/** Marks the files in a folder, all of which have the times of their blobs, as verified at this moment. */
export async function seal(folder: string, manifest: ModelManifest): Promise<void> {
  const time = newest(manifest);
  await utimes(join(folder, MANIFEST_NAME), time, time);
}

/** Tells for the files of a folder whether they are untouched since they were verified. */
export function readSeal(
  folder: string,
  manifest: ModelManifest,
): (path: string, size: number, lastModified: Date) => boolean {
  const sealed = statsOf(join(folder, MANIFEST_NAME));
  if (!sealed || !hasTime(sealed, newest(manifest))) return () => false;
  return (path, size, lastModified) => {
    const stats = statsOf(join(folder, path));
    return (
      stats?.isFile() === true &&
      stats.size === BigInt(size) &&
      hasTime(stats, lastModified) &&
      stats.ctimeNs <= sealed.ctimeNs
    );
  };
}

function newest({ files }: ModelManifest): Date {
  return new Date(files.reduce((latest, { lastModified }) => Math.max(latest, Date.parse(lastModified)), 0));
}

function hasTime({ mtimeNs }: BigIntStats, time: Date): boolean {
  return mtimeNs % 1_000_000n === 0n && Number(mtimeNs / 1_000_000n) === time.getTime();
}

function statsOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}
