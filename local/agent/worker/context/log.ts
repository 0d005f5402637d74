import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Tags with which the log viewer colors a line. */
export type LogTag = '' | '##[section]' | '##[command]' | '##[error]' | '##[warning]' | '##[debug]';

/** The log of one step, in memory and in a file whose lines begin with the time. */
export class StepLog {
  readonly lines: string[] = [];
  private readonly descriptor: number;

  constructor(
    readonly file: string,
    private readonly listener: (line: string) => void,
  ) {
    mkdirSync(dirname(file), { recursive: true });
    this.descriptor = openSync(file, 'w');
  }

  /** Writes one entry; only its first line gets a timestamp, as on the agent. */
  write(text: string): void {
    writeSync(this.descriptor, `${timestamp()} ${text}\n`);
    for (const line of text.split(/\r\n|\r|\n/)) {
      this.lines.push(line);
      this.listener(line);
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

/** The time as .NET writes it, for example `2026-11-23T02:33:48.1234567Z`. */
function timestamp(): string {
  const now = performance.timeOrigin + performance.now();
  const whole = Math.floor(now);
  const fraction = Math.floor((now - whole) * 10_000)
    .toString()
    .padStart(4, '0');
  return `${new Date(whole).toISOString().slice(0, -1)}${fraction}Z`;
}

/** A display name as part of a path. */
export function fileName(text: string): string {
  return text.replace(/[^\p{L}\p{N} ._-]+/gu, '_').slice(0, 80) || '_';
}

/** The folder of a job's logs and attachments; jobs of two stages may have the same name. */
export function folderOfJob({ name, stage }: { readonly name: string; readonly stage?: string }): string {
  return fileName(stage === undefined ? name : `${stage}.${name}`);
}
