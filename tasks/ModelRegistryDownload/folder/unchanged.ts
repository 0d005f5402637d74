import type { ModelFile } from '../registry/listing';
import { isSameSource, type ModelSource } from '../registry/source';
import type { Installed } from './installed';
import { type ManifestFile, stateOf } from './manifest';

/** Files of a version that need not be downloaded. */
export interface Unchanged {
  /** The SHA-256 of each by its path. */
  readonly digests: ReadonlyMap<string, string>;
  /** How many had to be read: the others were untouched since they were last verified. */
  readonly read: number;
}

/**
 * Finds the files that need not be downloaded. Where this agent has verified the model in the folder, those are the ones
 * that its manifest has from the same place with the same ETag, if their content is still what it says; only what was
 * touched since is read for that. Where it has not, the manifest is no proof of anything: then only a file counts whose
 * content has the MD5 that the registry states.
 */
export async function findUnchanged(
  installed: Installed,
  source: ModelSource,
  files: readonly ModelFile[],
  signal: AbortSignal,
): Promise<Unchanged> {
  const { manifest, isProven } = installed;
  const known =
    manifest && isProven && isSameSource(manifest.source, source)
      ? new Map(manifest.files.map((file) => [file.path, file]))
      : new Map<string, ManifestFile>();
  const digests = new Map<string, string>();
  let read = 0;
  for (const { path, etag, size, md5, lastModified } of files) {
    const before = known.get(path);
    const isKnown = before !== undefined && stateOf(before) === etag && before.size === size;
    if (isKnown && installed.isUntouched(path, size, lastModified)) {
      digests.set(path, before.sha256);
      continue;
    }
    if (!isKnown && md5 === null) continue;
    const found = await installed.read(path, size, { md5: md5 !== null, lastModified }, signal);
    if (!found) continue;
    // What the registry states goes before what the manifest says.
    const isRight = md5 === null ? found.sha256 === before?.sha256 : found.md5 === md5;
    if (!isRight) continue;
    read += 1;
    digests.set(path, found.sha256);
  }
  return { digests, read };
}
