/** An instruction of a Dockerfile, its continued lines joined and its white space made single. */
export interface Instruction {
  /** Where it begins, counted from 1. */
  readonly line: number;
  readonly text: string;
}

/**
 * Lists the instructions of a Dockerfile, well enough to find the place of a failure and the arguments that it
 * declares: lines of a here-document count as instructions of their own.
 */
export function readInstructions(recipe: string): Instruction[] {
  const lines = recipe.replace(/^\uFEFF/, '').split(/\r?\n/);
  const continued = escapeCharacter(recipe) === '`' ? /`[ \t]*$/ : /\\[ \t]*$/;
  const instructions: Instruction[] = [];
  let parts: string[] = [];
  let start = 0;
  const finish = () => {
    const text = singleSpaced(parts.join(' '));
    if (text) instructions.push({ line: start, text });
    parts = [];
  };

  for (const [index, line] of lines.entries()) {
    // Within a continued instruction, comments and empty lines are passed over too.
    if (/^\s*(#|$)/.test(line)) continue;
    if (parts.length === 0) start = index + 1;
    parts.push(line.replace(continued, ''));
    if (!continued.test(line)) finish();
  }
  finish();
  return instructions;
}

/** What continues a line and quotes a character: a backslash, unless a directive at the top names the backtick. */
export function escapeCharacter(recipe: string): '\\' | '`' {
  return /^\s*#\s*escape\s*=\s*`/im.test(recipe) ? '`' : '\\';
}

/** The names of all build arguments that a Dockerfile declares, in whatever stage. */
export function declaredArguments(recipe: string): Set<string> {
  const declarations = readInstructions(recipe).filter(({ text }) => /^ARG\s/i.test(text));
  return new Set(
    declarations.flatMap(({ text }) => text.split(' ').slice(1)).map((name) => name.split('=', 1)[0]!),
  );
}

export function singleSpaced(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}
