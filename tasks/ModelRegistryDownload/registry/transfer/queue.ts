import { setMaxListeners } from 'node:events';
import { throwIfCancelled } from '../../../common/cancel';
import type { ModelContainer, Range } from '../client';
import type { ModelFile } from '../listing';
import type { Connection } from '../persist';
import { CHECKED_RANGE, downloadChecked } from './checked';
import { Lanes } from './lanes';
import { PartialFile, RANGE } from './partial-file';
import { downloadRange, type Fetch } from './range';
import { store, writeAll } from './receive';
import { TransferThreads } from './threads';
import { type Digests, digestFile } from './verify';
import { Watch } from './watch';

/** Bytes that are asked for at the same time: as many as fill a fast link, and as few as are soon brought again. */
const MOST_ASKED_FOR = 16 * RANGE;

/** Bytes of a transfer that threads pay for. To start them takes the time in which one thread brings half of this. */
const WORTH_THREADS = 64 * 1024 * 1024;

/** What has been brought of a transfer, in case that its process is killed. */
export interface TransferRecord {
  /** Ranges of a file that are on the disk already, and were compared with their CRC64, or were not. */
  finished(file: ModelFile, checked: boolean): readonly Range[];
  add(file: ModelFile, range: Range, checked: boolean): void;
}

export interface TransferOptions {
  /** Where the files go; their folders are made as needed. */
  readonly folder: string;
  /** The most requests at the same time. */
  readonly concurrency: number;
  /** Told of every piece that has reached the disk, in bytes. */
  onBytes(count: number): void;
  readonly record?: TransferRecord;
  /** Paths of files whose parts are compared with what the service tells of each. */
  readonly checked?: ReadonlySet<string>;
  /** File that becomes a worker of the transfer when it is started as a thread; without it, there are no threads. */
  readonly program?: string | undefined;
}

interface Part {
  readonly target: PartialFile;
  /** Undefined where all of the file is there. */
  readonly range: Range | undefined;
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
  const { record, folder, program } = options;
  const digests = new Map<string, Digests>();
  const concurrency = chooseConcurrency(files, options.concurrency);
  const lanes = new Lanes(concurrency);
  const watch = new Watch(connection.patience);
  const isChecked = ({ path }: ModelFile) => options.checked?.has(path) ?? false;
  const targets = files.map((file) => {
    const checked = isChecked(file);
    return new PartialFile(
      file,
      folder,
      record?.finished(file, checked) ?? [],
      checked ? CHECKED_RANGE : RANGE,
    );
  });
  const parts = splitIntoRanges(targets);
  const threads =
    program !== undefined && totalSize(files) >= WORTH_THREADS
      ? new TransferThreads(program, container.route)
      : undefined;

  const bringChecked = async (target: PartialFile, range: Range, running: Connection) => {
    const content = await downloadChecked(container, target.file, range, lanes, watch, running);
    writeAll(target.open(), content, range.offset);
    target.finishRange(range);
    record?.add(target.file, range, true);
    options.onBytes(content.length);
  };

  const bring = async (target: PartialFile, range: Range, running: Connection) => {
    const descriptor = target.open();
    const fetch = fetchInto(descriptor, target.file, container, threads);
    const counted: Fetch = (rest, onReceived, signal) =>
      fetch(
        rest,
        (count) => {
          onReceived(count);
          options.onBytes(count);
        },
        signal,
      );
    if (range.length > 0) await downloadRange(target.file, range, counted, lanes, watch, running);
    target.finishRange(range);
    record?.add(target.file, range, false);
  };

  const digest = async (target: PartialFile, running: Connection): Promise<Digests> => {
    const { size, md5 } = target.file;
    const withMd5 = md5 !== null;
    if (threads) return (await threads.digest(target.open(), withMd5, size, true))!;
    return digestFile(target.open(), size, { md5: withMd5 }, running.signal);
  };

  try {
    await untilFirstError(concurrency, connection, async (running) => {
      for (const { target, range } of parts) {
        if (range && range.length > 0 && isChecked(target.file)) await bringChecked(target, range, running);
        else if (range) await bring(target, range, running);
        if (target.isWhole()) {
          digests.set(target.file.path, await digest(target, running));
          target.finish();
        } else {
          // What it cannot read now, the last call will fail on.
          threads?.digest(target.open(), target.file.md5 !== null, target.frontier(), false).catch(() => {});
        }
      }
    });
  } finally {
    // The threads have the files open too, under descriptors that would soon be those of other files.
    await threads?.close();
    for (const target of targets) target.close();
  }
  return digests;
}

/** One try, by a thread where there are some. */
function fetchInto(
  descriptor: number,
  file: ModelFile,
  container: ModelContainer,
  threads: TransferThreads | undefined,
): Fetch {
  return async (rest, onReceived, signal) => {
    const place = { file: descriptor, position: rest.offset };
    if (threads) {
      await threads.receive(await container.requestFor(file, rest), place, onReceived, signal);
    } else {
      const body = await container.read(file, rest, signal);
      onReceived(0);
      await store(body, place, onReceived);
    }
  };
}

/** Small blobs are waited for much longer than they take to come, so that more of them are asked for at a time. */
function chooseConcurrency(files: readonly ModelFile[], most: number): number {
  const requests = files.reduce((sum, { size }) => sum + Math.max(1, Math.ceil(size / RANGE)), 0);
  const usualSize = Math.max(1, totalSize(files) / Math.max(1, requests));
  return Math.max(1, Math.min(most, requests, Math.ceil(MOST_ASKED_FOR / usualSize)));
}

function totalSize(files: readonly ModelFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** A file's ranges follow one another, so that only a few files are open at a time. */
function* splitIntoRanges(targets: readonly PartialFile[]): Generator<Part> {
  for (const target of targets) {
    if (target.isWhole()) yield { target, range: undefined };
    else for (const range of target.missingRanges()) yield { target, range };
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
