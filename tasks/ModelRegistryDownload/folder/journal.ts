import { appendFileSync, closeSync, ftruncateSync, readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { describeError } from '../../common/errors';
import type { Logger } from '../../common/log';
import type { Range } from '../registry/container';
import type { ModelFile } from '../registry/listing';
import type { ModelSource } from '../registry/source';
import type { TransferRecord } from '../transfer/queue';

/** A range that has come; without one, a file of which nothing counts any more. */
interface Entry {
  readonly path: string;
  readonly etag: string;
  readonly size: number;
  readonly range?: Range;
  /** Whether the range was compared with its CRC64. */
  readonly checked?: boolean;
}

/** Bytes of the model that may have come without a line in the file: they are brought again after a kill. */
const MOST_UNWRITTEN = 4 * 1024 * 1024;

/** Milliseconds by which two looks at the moment of the machine's start may differ. */
const BOOT_TOLERANCE = 60_000;

/** What a journal is about. */
export interface JournalHead {
  readonly source: ModelSource;
  /** The folder whose files it tells of, as its disk knows it. */
  readonly workshop: string;
}

/**
 * What has come of a version, in case that the step is killed: a file with a line for each range, written once the
 * range is. What a killed process wrote is in the system's cache, and safe there until the machine itself goes down;
 * so a journal from before the machine's last start counts for nothing. It is a help to the next step and no more: where it
 * can't be written, as on a full disk, this step goes on without it.
 */
export class Journal implements TransferRecord {
  private unwritten = '';
  /** Bytes of the model that the unwritten lines are about. */
  private unwrittenBytes = 0;
  private readonly entries = new Entries();

  /**
   * Begins a journal.
   *
   * @param descriptor where it is written to, which is closed with it; undefined: it is kept in memory alone
   */
  constructor(
    private descriptor: number | undefined,
    head: JournalHead,
    private readonly log: Logger,
  ) {
    this.unwritten = line({ ...head, boot: thisBoot() });
    this.write();
  }

  /** What an earlier journal says; undefined for one of something else, and for what is none. */
  static read(text: string, head: JournalHead): EarlierTry | undefined {
    // A last line without an end is one that its writer was killed over.
    const [first, ...lines] = text
      .slice(0, text.lastIndexOf('\n') + 1)
      .trimEnd()
      .split('\n');
    try {
      const { boot, ...about } = JSON.parse(first!);
      if (JSON.stringify(about) !== JSON.stringify(head) || !isThisBoot(boot)) return undefined;
      const entries = new Entries();
      for (const entry of lines) entries.take(JSON.parse(entry));
      return entries;
    } catch {
      return undefined;
    }
  }

  /** What this journal says, to be gone on from with another. */
  get soFar(): EarlierTry {
    return this.entries;
  }

  /** Whether anything has come. */
  get isBegun(): boolean {
    return this.entries.isBegun;
  }

  /** Takes over what an earlier try has brought of a file. */
  takeOver({ path, etag, size }: ModelFile, earlier: EarlierTry): void {
    for (const { range, checked } of earlier.rangesOf({ path, etag, size }))
      this.append({ path, etag, size, range, checked: checked ?? false });
  }

  finished(file: ModelFile, checked: boolean): readonly Range[] {
    return this.entries.rangesOf(file).flatMap((entry) => (entry.checked === checked ? [entry.range] : []));
  }

  add({ path, etag, size }: ModelFile, range: Range, checked: boolean): void {
    this.append({ path, etag, size, range, checked });
  }

  /** Bytes of a file that have come. */
  bytesOf(file: ModelFile): number {
    return this.entries.rangesOf(file).reduce((sum, { range }) => sum + range.length, 0);
  }

  /** Takes back all that was written of a file. */
  forget({ path, etag, size }: ModelFile): void {
    this.append({ path, etag, size });
  }

  close(): void {
    this.write();
    if (this.descriptor !== undefined) closeSync(this.descriptor);
  }

  private append(entry: Entry): void {
    this.entries.take(entry);
    this.unwritten += line(entry);
    this.unwrittenBytes += entry.range?.length ?? MOST_UNWRITTEN;
    if (this.unwrittenBytes >= MOST_UNWRITTEN) this.write();
  }

  private write(): void {
    try {
      if (this.descriptor !== undefined) appendFileSync(this.descriptor, this.unwritten);
    } catch (error) {
      this.abandon(error);
    }
    this.unwritten = '';
    this.unwrittenBytes = 0;
  }

  private abandon(error: unknown): void {
    this.log.debug(`If this step is killed, the next one will begin anew: ${describeError(error)}`);
    const descriptor = this.descriptor!;
    this.descriptor = undefined;
    try {
      // A part of it could speak of a file that was found damaged since.
      ftruncateSync(descriptor);
    } catch {
      // Every file is verified in any case.
    } finally {
      closeSync(descriptor);
    }
  }
}

type RangeEntry = Entry & Required<Pick<Entry, 'range'>>;
type FileKey = Pick<Entry, 'path' | 'etag' | 'size'>;

/** What an earlier try has brought of a version. */
export interface EarlierTry {
  rangesOf(file: FileKey): readonly RangeEntry[];
}

/** A journal's lines, by the file that they are about. Of two generations of a file, the later one counts. */
class Entries implements EarlierTry {
  private readonly files = new Map<string, { readonly key: FileKey; readonly ranges: RangeEntry[] }>();

  get isBegun(): boolean {
    return this.files.size > 0;
  }

  take(entry: Entry): void {
    const { path, range } = entry;
    const known = this.rangesOf(entry);
    if (!range) this.files.delete(path);
    else if (known.length > 0) known.push({ ...entry, range });
    else this.files.set(path, { key: entry, ranges: [{ ...entry, range }] });
  }

  rangesOf({ path, etag, size }: FileKey): RangeEntry[] {
    const file = this.files.get(path);
    return file?.key.etag === etag && file.key.size === size ? file.ranges : [];
  }
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

interface Boot {
  /** Linux gives each start a name. */
  readonly id: string | null;
  /** When this machine was started, in milliseconds since 1970. */
  readonly at: number;
}

function thisBoot(): Boot {
  return { id: bootId(), at: Date.now() - uptime() * 1000 };
}

function isThisBoot({ id, at }: Boot): boolean {
  const now = thisBoot();
  return id !== null && now.id !== null ? id === now.id : Math.abs(at - now.at) <= BOOT_TOLERANCE;
}

function bootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return null;
  }
}
