import { closeSync, openSync, writeSync } from 'node:fs';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import type { Range } from '../registry/container';
import type { ModelFile } from '../registry/listing';
import type { TransferRecord } from '../transfer/queue';
import type { ModelManifest } from './manifest';

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

/**
 * What has come of a version, in case that the step is killed: a file with a line for each range, written once the
 * range is. What a killed process wrote is in the system's cache, and safe there until the machine itself goes down;
 * so a journal from before the machine's last start counts for nothing.
 */
export class Journal implements TransferRecord {
  private unwritten = '';
  /** Bytes of the model that the unwritten lines are about. */
  private unwrittenBytes = 0;

  private constructor(
    private readonly descriptor: number,
    private readonly entries: Entries,
  ) {}

  /** Goes on with a journal, or begins one where there is none that is for this place in a registry. */
  static async open(file: string, source: ModelManifest['source']): Promise<Journal> {
    const text = await readFile(file, 'utf8').catch(() => '');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const entries = readEntries(whole, source);
    // A last line without an end is one that its writer was killed over.
    if (entries) await truncate(file, Buffer.byteLength(whole));
    else await writeFile(file, line({ source, bootedAt: bootedAt() }));
    return new Journal(openSync(file, 'a'), entries ?? new Entries());
  }

  finished(file: ModelFile, checked: boolean): readonly Range[] {
    return this.entries.rangesOf(file).flatMap((entry) => (entry.checked === checked ? [entry.range] : []));
  }

  add({ path, etag, size }: ModelFile, range: Range, checked: boolean): void {
    this.append({ path, etag, size, range, checked });
  }

  /** Whether anything of a file has come; of an empty one, that it was made. */
  has(file: ModelFile): boolean {
    return this.entries.rangesOf(file).length > 0;
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
    closeSync(this.descriptor);
  }

  private append(entry: Entry): void {
    this.entries.take(entry);
    this.unwritten += line(entry);
    this.unwrittenBytes += entry.range?.length ?? MOST_UNWRITTEN;
    if (this.unwrittenBytes >= MOST_UNWRITTEN) this.write();
  }

  private write(): void {
    writeSync(this.descriptor, this.unwritten);
    this.unwritten = '';
    this.unwrittenBytes = 0;
  }
}

type RangeEntry = Entry & Required<Pick<Entry, 'range'>>;
type FileKey = Pick<Entry, 'path' | 'etag' | 'size'>;

/** A journal's lines, by the file that they are about. Of two generations of a file, the later one counts. */
class Entries {
  private readonly files = new Map<string, { readonly key: FileKey; readonly ranges: RangeEntry[] }>();

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

/** @returns undefined for a journal of something else, and for what is none */
function readEntries(text: string, source: ModelManifest['source']): Entries | undefined {
  const entries = new Entries();
  const [header, ...lines] = text.trimEnd().split('\n');
  try {
    const about = JSON.parse(header!);
    const isOurs = JSON.stringify(about.source) === JSON.stringify(source);
    if (!isOurs || Math.abs(about.bootedAt - bootedAt()) > BOOT_TOLERANCE) return undefined;
    for (const entry of lines) entries.take(JSON.parse(entry));
    return entries;
  } catch {
    return undefined;
  }
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** When this machine was started, in milliseconds since 1970. */
function bootedAt(): number {
  return Date.now() - uptime() * 1000;
}
