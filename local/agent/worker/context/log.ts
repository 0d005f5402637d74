import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Tags with which the log viewer colors a line. */
export type LogTag = '' | '##[section]' | '##[command]' | '##[error]' | '##[warning]' | '##[debug]';

/** How many characters wait for the file at most, and for how many milliseconds. */
const MOST_WAITING = 64 * 1024;
const WRITE_EVERY = 200;

/** Logs of which something waits for the file; a process that ends early still leaves it whole. */
const waiting = new Set<StepLog>();
process.on('exit', () => {
  for (const log of waiting) log.flush();
});

/**
 * The log of one step, in memory and in a file whose lines begin with the time. Lines reach the file in groups, since a
 * write for each of them is what would take most of a long log's time.
 */
export class StepLog {
  readonly lines: string[] = [];
  private readonly descriptor: number;
  private rest = '';
  private timer: NodeJS.Timeout | undefined;

  constructor(
    readonly file: string,
    private readonly listener: (line: string) => void,
  ) {
    mkdirSync(dirname(file), { recursive: true });
    this.descriptor = openSync(file, 'w');
  }

  /** Writes one entry; only its first line gets a timestamp, as on the agent. */
  write(text: string): void {
    this.rest += `${timestamp()} ${text}\n`;
    if (this.rest.length > MOST_WAITING) this.flush();
    else if (!this.timer) this.flushSoon();
    for (const line of /[\r\n]/.test(text) ? text.split(/\r\n|\r|\n/) : [text]) {
      this.lines.push(line);
      this.listener(line);
    }
  }

  private flushSoon(): void {
    waiting.add(this);
    this.timer = setTimeout(() => this.flush(), WRITE_EVERY);
    this.timer.unref();
  }

  /** Writes what waits for the file. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    waiting.delete(this);
    if (this.rest !== '') writeSync(this.descriptor, this.rest);
    this.rest = '';
  }

  close(): void {
    this.flush();
    closeSync(this.descriptor);
  }
}

/** The last millisecond that {@link timestamp} wrote: a thousand lines may have the same. */
let lastMillisecond = { at: 0, text: '' };

/** The time as .NET writes it, for example `2026-11-23T02:33:48.1234567Z`. */
function timestamp(): string {
  const now = performance.timeOrigin + performance.now();
  const whole = Math.floor(now);
  if (whole !== lastMillisecond.at)
    lastMillisecond = { at: whole, text: new Date(whole).toISOString().slice(0, -1) };
  const fraction = Math.floor((now - whole) * 10_000)
    .toString()
    .padStart(4, '0');
  return `${lastMillisecond.text}${fraction}Z`;
}

/** A display name as part of a path. */
export function fileName(text: string): string {
  return text.replace(/[^\p{L}\p{N} ._-]+/gu, '_').slice(0, 80) || '_';
}

/** The folder of a job's logs and attachments; jobs of two stages may have the same name. */
export function folderOfJob({ name, stage }: { readonly name: string; readonly stage?: string }): string {
  return fileName(stage === undefined ? name : `${stage}.${name}`);
}
