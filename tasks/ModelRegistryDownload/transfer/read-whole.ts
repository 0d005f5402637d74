import type { ModelContainer } from '../registry/container';
import type { ModelFile } from '../registry/listing';
import type { Connection } from '../registry/persist';
import { Collector } from './collector';
import { Lanes } from './lanes';
import { downloadRange, type Fetch } from './range';
import { Watch } from './watch';

/** Reads a small file of a version into memory. */
export async function readWhole(
  container: ModelContainer,
  file: ModelFile,
  connection: Connection,
  watch = new Watch(connection),
): Promise<Buffer> {
  const content = Buffer.alloc(file.size);
  const fetch: Fetch = async (part, onReceived, stop) => {
    await container.read(file, part, new Collector(content, part.offset, onReceived), stop);
  };
  await downloadRange(file, { offset: 0, length: file.size }, fetch, new Lanes(1), watch, connection);
  return content;
}
