import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { NO_LINK } from '../../common/files/open-folder';
import { sortByPath } from '../registry/names';
import { inOrder, type ModelSource } from '../registry/source';

/** Bytes of a manifest that is read: over a hundred thousand files. */
export const LARGEST_MANIFEST = 64 * 1024 * 1024;

/** The file in a model's folder that says what is in it and where it came from. */
export const MANIFEST_NAME = 'model-manifest.json';

export interface ManifestFile {
  /** Relative to the folder, with slashes. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  /** The MD5 stored with the blob, as 32 hexadecimal digits; null where none was. */
  readonly md5: string | null;
  /** The blob's ETag, without quotes; null where a registry has none. */
  readonly etag: string | null;
  /** When the blob was written, in ISO 8601. */
  readonly lastModified: string;
}

/** What a verified signature says, as other statements can cite it. */
export interface ManifestSignature {
  /** Of all files as they were signed: OpenSSF model signing's root digest. `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  /** The SHA-256 of the signer's public key in DER. */
  readonly key: string;
}

/**
 * What `model-manifest.json` holds. The same version of a model always gives the same bytes: keys keep their order,
 * files are sorted, and nothing depends on the agent or the time.
 */
export interface ModelManifest {
  readonly schemaVersion: 1;
  readonly name: string;
  readonly version: string;
  /** Of the whole model, from {@link modelDigest}. */
  readonly digest: string;
  readonly source: ModelSource;
  readonly files: readonly ManifestFile[];
  /** Only of a model whose signature was verified. */
  readonly signature?: ManifestSignature;
  /** Only where the inspection has found something: what loads models is not to load this one. */
  readonly refused?: readonly string[];
}

/** What tells the state of a file that was downloaded from every other. */
export function stateOf({ etag, lastModified }: ManifestFile): string {
  return etag ?? lastModified;
}

/** Makes a manifest; its files may come in any order. */
export function createManifest(
  model: Pick<ModelManifest, 'name' | 'version' | 'source' | 'files'>,
): ModelManifest {
  const files = sortByPath(
    model.files.map(({ path, size, sha256, md5, etag, lastModified }) => ({
      path,
      size,
      sha256,
      md5,
      etag,
      lastModified,
    })),
  );
  return {
    schemaVersion: 1,
    name: model.name,
    version: model.version,
    digest: modelDigest(files),
    source: inOrder(model.source),
    files,
  };
}

/** The text of the manifest's file. */
export function formatManifest(manifest: ModelManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/**
 * What a folder says that it holds, before a step has claimed it: a hint that proves nothing. Undefined where it says
 * nothing that this task wrote.
 */
export async function readManifest(folder: string): Promise<ModelManifest | undefined> {
  const file = await open(join(folder, MANIFEST_NAME), constants.O_RDONLY | NO_LINK).catch(() => undefined);
  if (!file) return undefined;
  try {
    const stats = await file.stat();
    return stats.isFile() && stats.size <= LARGEST_MANIFEST
      ? parseManifest(await file.readFile('utf8'))
      : undefined;
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

/** Reads a manifest's file; undefined when it is not one that this task wrote. */
export function parseManifest(text: string): ModelManifest | undefined {
  try {
    const manifest = JSON.parse(text) as ModelManifest;
    return manifest.schemaVersion === 1 && manifest.files.every(isManifestFile) ? manifest : undefined;
  } catch {
    return undefined;
  }
}

function isManifestFile(file: ManifestFile): boolean {
  return typeof file.path === 'string' && typeof file.size === 'number' && typeof file.sha256 === 'string';
}

/**
 * One digest for all files of a model, `sha256:` and 64 hexadecimal digits: the SHA-256 of a line `path NUL size NUL
 * sha256` for each file, in the order of the paths' UTF-8 bytes.
 */
export function modelDigest(
  files: readonly { readonly path: string; readonly size: number; readonly sha256: string }[],
): string {
  const hash = createHash('sha256');
  for (const { path, size, sha256 } of sortByPath(files)) hash.update(`${path}\0${size}\0${sha256}\n`);
  return `sha256:${hash.digest('hex')}`;
}
