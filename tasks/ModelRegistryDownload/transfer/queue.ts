import { setMaxListeners } from 'node:events';
import { throwIfCancelled } from '../../common/cancel';
import type { ModelContainer, Range } from '../registry/container';
import type { ModelFile } from '../registry/listing';
import type { Connection } from '../registry/persist';
import { CHECKED_RANGE, downloadChecked } from './checked';
import { type Digester, LocalDigester, ThreadDigester } from './digester';
import { Lanes } from './lanes';
import { type FileOpener, PartialFile, RANGE } from './partial-file';
import { downloadRange, type Fetch } from './range';
import type { Digests } from './verify';
import { Watch } from './watch';

/** Bytes that are asked for at the same time: as many as fill a fast link, and as few as are soon brought again. */
const MOST_ASKED_FOR = 16 * RANGE;

/** Bytes of a file that a second thread digests. To tell the thread of a smaller one takes longer than to digest it. */
const WORTH_TELLING = 1024 * 1024;

/** Bytes of such files that a second thread pays for. To start it takes the time in which half of this comes. */
const WORTH_A_THREAD = 64 * 1024 * 1024;

/** What has been brought of a transfer, in case that its process is killed. */
export interface TransferRecord {
  /** Ranges of a file that are on the disk already, and were compared with their CRC64, or were not. */
  finished(file: ModelFile, checked: boolean): readonly Range[];
  add(file: ModelFile, range: Range, checked: boolean): void;
}

export interface TransferOptions {
  /** Where the files go; their folders are made as needed. */
  readonly files: FileOpener;
  /** The most requests at the same time. */
  readonly concurrency: number;
  /** Told of every piece that has reached the disk, in bytes. */
  onBytes(count: number): void;
  readonly record?: TransferRecord;
  /** Paths of files whose parts are compared with what the service tells of each. */
  readonly checked?: ReadonlySet<string>;
  /** File that digests when it is started as a thread; without it, there is no thread. */
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
  return new Transfer(container, files, options).run(connection);
}

/** One transfer, with what its workers share. */
class Transfer {
  private readonly digests = new Map<string, Digests>();
  private readonly concurrency: number;
  private readonly lanes: Lanes;
  /** What is left to do; the workers take from it in turn. */
  private readonly parts: Generator<Part>;
  /** The files that are on their way: a few, even of thousands. */
  private readonly targets = new Set<PartialFile>();
  private readonly local = new LocalDigester();
  private readonly thread: ThreadDigester | undefined;

  constructor(
    private readonly container: ModelContainer,
    files: readonly ModelFile[],
    private readonly options: TransferOptions,
  ) {
    const { concurrency, program } = options;
    this.concurrency = chooseConcurrency(files, concurrency);
    this.lanes = new Lanes(this.concurrency);
    this.parts = splitIntoRanges(files, (file) => this.begin(file));
    if (program !== undefined && totalSize(files.filter(isBig)) >= WORTH_A_THREAD)
      this.thread = new ThreadDigester(program);
  }

  async run(connection: Connection): Promise<Map<string, Digests>> {
    try {
      await untilFirstError(this.concurrency, connection, (running) => {
        const watch = new Watch(running);
        return () => this.work(watch, running);
      });
    } finally {
      // The thread has the files open too, under descriptors that would soon be those of other files.
      await this.thread?.close();
      for (const target of this.targets) target.close();
    }
    return this.digests;
  }

  private async work(watch: Watch, connection: Connection): Promise<void> {
    for (const { target, range } of this.parts) {
      if (range && !(await this.bring(target, range, watch, connection))) continue;
      const { file } = target;
      const digester = this.digesterOf(file);
      this.digests.set(
        file.path,
        await digester.finish(target.open(), this.hasMd5(file), file.size, connection.signal),
      );
      target.finish();
      this.targets.delete(target);
    }
  }

  /** @returns whether this was the last range of the file that was missing */
  private async bring(
    target: PartialFile,
    range: Range,
    watch: Watch,
    connection: Connection,
  ): Promise<boolean> {
    const { file } = target;
    const checked = this.isChecked(file);
    target.open();
    // The service refuses any range of an empty blob.
    if (range.length > 0) {
      if (checked) await this.bringChecked(target, range, watch, connection);
      else await this.bringPlain(target, range, watch, connection);
    }
    target.finishRange(range);
    this.options.record?.add(file, range, checked);
    if (target.isWhole()) return true;
    this.digesterOf(file).reach(target.open(), this.hasMd5(file), target.frontier());
    return false;
  }

  private async bringChecked(
    target: PartialFile,
    range: Range,
    watch: Watch,
    connection: Connection,
  ): Promise<void> {
    const { container, lanes } = this;
    const content = await downloadChecked(container, target.file, range, lanes, watch, connection);
    target.write(content, range.offset);
    this.options.onBytes(content.length);
  }

  private async bringPlain(
    target: PartialFile,
    range: Range,
    watch: Watch,
    connection: Connection,
  ): Promise<void> {
    const { container, lanes, options } = this;
    const fetch: Fetch = (rest, onReceived, stop) => {
      let { offset } = rest;
      const receiver = {
        begin: () => onReceived(0),
        take(piece: Buffer) {
          // Synchronous: it ends in the system's cache, which takes less time than a trip to another thread and back.
          target.write(piece, offset);
          offset += piece.length;
          onReceived(piece.length);
          options.onBytes(piece.length);
        },
      };
      return container.read(target.file, rest, receiver, stop);
    };
    await downloadRange(target.file, range, fetch, lanes, watch, connection);
  }

  private begin(file: ModelFile): PartialFile {
    const { record, files } = this.options;
    const checked = this.isChecked(file);
    const finished = record?.finished(file, checked) ?? [];
    const target = new PartialFile(file, files, finished, checked ? CHECKED_RANGE : RANGE);
    this.targets.add(target);
    return target;
  }

  private isChecked({ path }: ModelFile): boolean {
    return this.options.checked?.has(path) ?? false;
  }

  /** Where the listing tells no MD5, the first answer may, and no file is digested before that. */
  private hasMd5({ md5, name }: ModelFile): boolean {
    return md5 !== null || (this.container.toldMd5?.(name) ?? null) !== null;
  }

  private digesterOf(file: ModelFile): Digester {
    return isBig(file) ? (this.thread ?? this.local) : this.local;
  }
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

function isBig({ size }: ModelFile): boolean {
  return size >= WORTH_TELLING;
}

/** A file's ranges follow one another, so that only a few files are open at a time. */
function* splitIntoRanges(
  files: readonly ModelFile[],
  begin: (file: ModelFile) => PartialFile,
): Generator<Part> {
  for (const file of files) {
    const target = begin(file);
    if (target.isWhole()) yield { target, range: undefined };
    else for (const range of target.missingRanges()) yield { target, range };
  }
}

/** Runs a number of workers; when one fails, the others are stopped, and its error is thrown once they have ended. */
async function untilFirstError(
  workers: number,
  connection: Connection,
  begin: (connection: Connection) => () => Promise<void>,
): Promise<void> {
  throwIfCancelled(connection.signal);
  const stop = new AbortController();
  // Every wait between two tries listens, which is more than the ten that Node takes for a leak.
  setMaxListeners(0, stop.signal);
  const onCancel = () => stop.abort();
  connection.signal.addEventListener('abort', onCancel);
  const failures: unknown[] = [];
  const work = begin({ ...connection, signal: stop.signal });
  const running = Array.from({ length: workers }, () =>
    work().catch((error) => {
      failures.push(error);
      stop.abort();
    }),
  );
  await Promise.all(running);
  connection.signal.removeEventListener('abort', onCancel);
  if (failures.length > 0) throw failures[0];
}
