import { setMaxListeners } from 'node:events';
import { throwIfCancelled } from '../../../common/cancel';
import type { ModelContainer } from '../client';
import type { ModelFile } from '../listing';
import type { Connection } from '../persist';
import { Lanes } from './lanes';
import { PartialFile } from './partial-file';
import { downloadRange, type Range } from './range';
import type { Digests } from './verify';

/** Bytes of one request. Sixteen of these at once fill a link of 20 ms and 60 MB/s a connection; 4 MiB lose a tenth. */
const RANGE = 8 * 1024 * 1024;

export interface TransferOptions {
  /** Where the files go; their folders are made as needed. */
  readonly folder: string;
  /** Requests at the same time. */
  readonly concurrency: number;
  /** Told of every piece that has reached the disk, in bytes. */
  onBytes(count: number): void;
}

/**
 * Downloads files into a folder: one queue over all their ranges, so that one big file is as quick as many small
 * ones. The first error stops everything that is under way.
 *
 * @returns the digests of each file by its path
 * @throws MovedError when a blob is no longer the one that was listed
 */
export async function transferFiles(
  container: ModelContainer,
  files: readonly ModelFile[],
  options: TransferOptions,
  connection: Connection,
): Promise<Map<string, Digests>> {
  const digests = new Map<string, Digests>();
  const lanes = new Lanes(options.concurrency);
  const targets = files.map((file) => new PartialFile(file, options.folder));
  const parts = splitIntoRanges(targets);

  await untilFirstError(options.concurrency, connection, async (running) => {
    for (const { target, range } of parts) {
      const write = async (piece: Buffer, position: number) => {
        await target.write(piece, position);
        options.onBytes(piece.length);
      };
      if (range.length > 0) await downloadRange(container, target.file, range, write, lanes, running);
      if (!target.finishRange(range.length)) continue;
      digests.set(target.file.path, await target.digest(running.signal));
      await target.close();
    }
  }).finally(() => Promise.all(targets.map((target) => target.close())));
  return digests;
}

/** A file's ranges follow one another, so that only a few files are open at a time. */
function* splitIntoRanges(targets: readonly PartialFile[]): Generator<{ target: PartialFile; range: Range }> {
  for (const target of targets) {
    const { size } = target.file;
    // The service refuses any range of an empty blob; its one range here only has the file made.
    for (let offset = 0; offset === 0 || offset < size; offset += RANGE) {
      yield { target, range: { offset, length: Math.min(RANGE, size - offset) } };
    }
  }
}

/** Runs a number of workers; when one fails, the others are stopped, and its error is thrown once they have ended. */
async function untilFirstError(
  workers: number,
  connection: Connection,
  work: (connection: Connection) => Promise<void>,
): Promise<void> {
  throwIfCancelled(connection.signal);
  const stop = new AbortController();
  // Every request under way listens, which is more than the ten that Node takes for a leak.
  setMaxListeners(0, stop.signal);
  const onCancel = () => stop.abort();
  connection.signal.addEventListener('abort', onCancel);
  const failures: unknown[] = [];
  const running = Array.from({ length: workers }, () =>
    work({ ...connection, signal: stop.signal }).catch((error) => {
      failures.push(error);
      stop.abort();
    }),
  );
  await Promise.all(running);
  connection.signal.removeEventListener('abort', onCancel);
  if (failures.length > 0) throw failures[0];
}
