/**
 * Something in a Dockerfile that can't be done without an engine: the caller refuses the build, or leaves it to one.
 * A value for callers; the builder's own parts throw it.
 */
export class NeedsEngine extends Error {
  override readonly name = 'NeedsEngine';

  constructor(
    /** Where the instruction begins in the Dockerfile, counted from 1. */
    readonly line: number,
    /** Its keyword, in capitals. */
    readonly instruction: string,
    /** Why not, as a clause without a full stop: `it runs a command`. */
    readonly reason: string,
  ) {
    super(`line ${line}: ${instruction} needs a Docker engine: ${reason}.`);
  }
}
