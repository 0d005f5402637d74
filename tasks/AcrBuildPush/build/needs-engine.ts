import { FLAGS } from '../dockerfile/flags';
import type { Instruction } from '../dockerfile/instructions';

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

/** Why an instruction takes an engine by what it says alone; undefined where it does not. */
export function findNeed({ keyword, line, flags }: Instruction): NeedsEngine | undefined {
  const need = (reason: string) => new NeedsEngine(line, keyword, reason);
  if (keyword === 'RUN') return need('it runs a command');
  if (keyword === 'ONBUILD') return need('what it delays runs in another build');
  const stranger = flags.find(({ name }) => !Object.hasOwn(FLAGS[keyword] ?? {}, name));
  return stranger && need(`the option --${stranger.name} is not one that this builder knows`);
}
