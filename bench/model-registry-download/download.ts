import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Run, run } from '../measure';
import type { Client, Registry } from './clients';
import { makeFolder } from './place';

const READ_SIZE = 1024 * 1024;

/** Has a client download a version, once. */
export async function download(client: Client, registry: Registry, longest?: number): Promise<Run> {
  const folder = makeFolder();
  try {
    const result = await run(client.command(registry, folder), () => {}, longest);
    await verify(client, folder, registry);
    return result;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export class OtherFilesError extends Error {}

/** Checks that a client has brought what the server has, and nothing else: the fastest download is none. */
export async function verify(
  { name, result = '.' }: Client,
  folder: string,
  { blobs, sha256 }: Registry,
): Promise<void> {
  const place = join(folder, result);
  const entries = readdirSync(place, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name !== 'model-manifest.json');
  if (files.length !== blobs.length) {
    throw new OtherFilesError(`${name} brought ${files.length} files, of ${blobs.length}.`);
  }
  for (const file of files) {
    const path = join(file.parentPath, file.name);
    const hash = createHash('sha256');
    await pipeline(createReadStream(path, { highWaterMark: READ_SIZE }), hash);
    if (hash.digest('hex') !== sha256(statSync(path).size)) {
      throw new OtherFilesError(`${name} brought another '${relative(place, path)}' than there is.`);
    }
  }
}
