import { existsSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const HOOK = fileURLToPath(new URL('peak-memory.cjs', import.meta.url));

/** Notes, in a file, the most memory that Node processes hold which are started with its environment. */
export class PeakMemory {
  readonly environment: Readonly<Record<string, string>>;

  constructor(private readonly file: string) {
    this.environment = {
      NODE_OPTIONS: `--require ${HOOK}`,
      PEAK_MEMORY_NOTE: file,
    };
  }

  /** @returns bytes: the most that any of the processes held at once; undefined where none has come to its end */
  read(): number | undefined {
    if (!existsSync(this.file)) return undefined;
    return Math.max(...readFileSync(this.file, 'utf8').trim().split('\n').map(Number));
  }

  forget(): void {
    rmSync(this.file, { force: true });
  }
}
