import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { isInside, statOf } from '../../common/files/paths';
import { readSourceFile } from '../../common/files/source-file';
import type { Model } from '../model';

/** What came of comparing a model's files with its manifest. */
export interface ModelCheck {
  /** What is other than the manifest says, going on from "The model". */
  readonly fault?: string;
  /** By what all files agree; undefined where none of them lie beside the manifest, or there is no list of them. */
  readonly by?: 'sha256' | 'size';
}

/** Bytes of all files that are read: what is larger is compared by its size alone, so that no step waits for it. */
const MOST_READ = 64 * 1024 * 1024;

/**
 * Compares the files beside a model's manifest with what it says: between the download and the build, anything may have
 * changed them, and a statement must not name a model that is not there.
 */
export async function checkModel({ folder, files = [] }: Model): Promise<ModelCheck> {
  if (folder === undefined || files.length === 0) return {};
  const placed = files.map((file) => ({ ...file, place: resolve(folder, file.path) }));
  const stranger = placed.find(({ place }) => !isInside(place, folder));
  if (stranger) return { fault: `has '${stranger.path}' outside of its folder` };
  const sizes = placed.map(({ place }) => sizeOf(place));
  if (sizes.every((size) => size === undefined)) return {};
  const other = placed.find(({ size }, index) => sizes[index] !== size);
  if (other) {
    const isThere = sizes[placed.indexOf(other)] !== undefined;
    return { fault: isThere ? `has '${other.path}' with another size` : `lacks '${other.path}'` };
  }
  let left = MOST_READ;
  for (const { path, place, size, sha256 } of placed.sort((a, b) => a.size - b.size)) {
    left -= size;
    if (left < 0) return { by: 'size' };
    // Whoever else has work here gets on in between.
    await setImmediate();
    if (digestOf(place, size) !== sha256) return { fault: `has other bytes in '${path}'` };
  }
  return { by: 'sha256' };
}

/** Undefined for what is not there, and for what can't be looked at. */
function sizeOf(file: string): number | undefined {
  try {
    return statOf(file)?.size;
  } catch {
    return undefined;
  }
}

function digestOf(file: string, size: number): string | undefined {
  try {
    return createHash('sha256').update(readSourceFile(file, size)).digest('hex');
  } catch {
    return undefined;
  }
}
