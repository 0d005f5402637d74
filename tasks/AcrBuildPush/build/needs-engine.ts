import { FLAGS } from '../dockerfile/flags';
import type { Instruction, ParsedDockerfile } from '../dockerfile/instructions';

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

/** Docker's own reader of Dockerfiles, or a copy of it, whichever version. */
const OWN_READER = /(?:^|\/)dockerfile(?:-upstream)?(?:[:@]|$)/;

/** What of `# check=` changes nothing but warnings. */
const MERE_WARNINGS = /^(?:(?:(?:skip|experimental)=[^;]*|error=(?:0|f|false))(?:;|$))+$/i;

/** Build arguments that stand for directives. */
const DIRECTIVE_ARGUMENTS = { syntax: 'BUILDKIT_SYNTAX', check: 'BUILDKIT_DOCKERFILE_CHECK' } as const;

/** What keeps a directive from being heeded without an engine, as a clause; undefined where nothing does. */
function findDirectiveNeed(name: string, value: string): string | undefined {
  const [reader = ''] = value.split(' ');
  if (name === 'syntax' && !OWN_READER.test(reader)) {
    return `the image ${reader} is to read the Dockerfile, which may have a language of its own`;
  }
  return name === 'check' && !MERE_WARNINGS.test(value)
    ? 'BuildKit is to check the Dockerfile, and to refuse it for what it finds'
    : undefined;
}

/** Why a Dockerfile takes an engine by its directives. */
export function findReaderNeed({
  directives,
}: Pick<ParsedDockerfile, 'directives'>): NeedsEngine | undefined {
  for (const { line, name, value } of directives) {
    const reason = findDirectiveNeed(name, value);
    if (reason) return new NeedsEngine(line, `# ${name}`, reason);
  }
  return undefined;
}

/** Whether build arguments ask for what takes an engine, as directives do. */
export function haveReaderNeed(given: Readonly<Record<string, string>>): boolean {
  return Object.entries(DIRECTIVE_ARGUMENTS).some(([name, argument]) => {
    const value = given[argument];
    return value !== undefined && findDirectiveNeed(name, value) !== undefined;
  });
}
