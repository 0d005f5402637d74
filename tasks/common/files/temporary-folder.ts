import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** A folder of a step's own for a while. It goes with the process, if nobody removes it before. */
export class TemporaryFolder {
  readonly path: string;

  /** @param parent a private folder */
  constructor(parent: string, prefix: string) {
    this.path = mkdtempSync(join(parent, prefix));
    process.once('exit', this.remove);
  }

  readonly remove = (): void => {
    process.removeListener('exit', this.remove);
    rmSync(this.path, { recursive: true, force: true });
  };
}
