import { MANIFEST_NAME } from '../folder/manifest';
import type { ModelContainer } from '../registry/container';
import type { ModelFile } from '../registry/listing';
import type { Connection } from '../registry/persist';
import { Collector } from '../transfer/collector';
import { Lanes } from '../transfer/lanes';
import { downloadRange, type Fetch } from '../transfer/range';
import { Watch } from '../transfer/watch';

/** Where a version may state the SHA-256 of its files. */
const PLACES = [MANIFEST_NAME, 'metadata.json'];

const SHA256 = /^[0-9a-f]{64}$/i;

/** Statements are small; anything bigger is something else. */
const LARGEST = 16 * 1024 * 1024;

/**
 * The SHA-256 that a version states for its own files, by path: its `model-manifest.json` (a version that was stored
 * from a folder of this task has one) or its `metadata.json` may hold a list `files` of objects with `path` and
 * `sha256`.
 *
 * @param files the whole version, whatever of it is downloaded
 */
export async function readStatedChecksums(
  container: ModelContainer,
  files: readonly ModelFile[],
  connection: Connection,
): Promise<Map<string, string>> {
  const stated = new Map<string, string>();
  for (const file of files) {
    if (!PLACES.includes(file.path) || file.size === 0 || file.size > LARGEST) continue;
    for (const [path, sha256] of statedIn(await readWhole(container, file, connection))) {
      stated.set(path, sha256);
    }
  }
  return stated;
}

async function readWhole(
  container: ModelContainer,
  file: ModelFile,
  connection: Connection,
): Promise<string> {
  const content = Buffer.alloc(file.size);
  const fetch: Fetch = async (part, onReceived, stop) => {
    await container.read(file, part, new Collector(content, part.offset, onReceived), stop);
  };
  const watch = new Watch(connection);
  await downloadRange(file, { offset: 0, length: file.size }, fetch, new Lanes(1), watch, connection);
  return content.toString('utf8');
}

function statedIn(text: string): [path: string, sha256: string][] {
  let files: unknown;
  try {
    files = JSON.parse(text)?.files;
  } catch {
    return [];
  }
  if (!Array.isArray(files)) return [];
  return files
    .filter(Boolean)
    .flatMap(({ path, sha256 }) =>
      typeof path === 'string' && typeof sha256 === 'string' && SHA256.test(sha256)
        ? [[path, sha256.toLowerCase()] as [string, string]]
        : [],
    );
}
