import { escapeCharacter, readInstructions } from '../docker/dockerfile';

/**
 * A Dockerfile with all labels in one `LABEL` at the end of the stage that is built. The legacy builder makes a layer
 * of every `--label`, at a tenth of a second each; here they cost one. Stages after the target are left out, since
 * nothing of them is built.
 *
 * @returns undefined where no line can be added: the target is not to be found, or the last line goes on
 */
export function withLabelLine(
  recipe: string,
  labels: Readonly<Record<string, string>>,
  target: string | undefined,
): string | undefined {
  const lines = recipe.split('\n').slice(0, endOfStage(recipe, target));
  const mark = escapeCharacter(recipe);
  const last = lines.findLast((line) => !/^\s*(#|$)/.test(line));
  if (last === undefined || last.trimEnd().endsWith(mark)) return undefined;

  const quote = (text: string) => `"${text.replace(/["$\\`]/g, (one) => quoteOne(one, mark))}"`;
  const pairs = Object.entries(labels).map(([key, value]) => `${quote(key)}=${quote(value)}`);
  return [...lines, `LABEL ${pairs.join(' ')}`, ''].join('\n');
}

/** Within quotes, a backslash or backtick is special only where it is the Dockerfile's escape character. */
function quoteOne(character: string, mark: string): string {
  const isPlain = (character === '\\' || character === '`') && character !== mark;
  return isPlain ? character : mark + character;
}

/** How many lines lead up to the end of a stage, given by its name or number; 0 where there is no such stage. */
function endOfStage(recipe: string, target: string | undefined): number {
  if (target === undefined) return recipe.split('\n').length;
  const stages = readInstructions(recipe).filter(({ text }) => /^FROM\s/i.test(text));
  const index = stages.findIndex(
    ({ text }, number) =>
      / AS (\S+)$/i.exec(text)?.[1]?.toLowerCase() === target.toLowerCase() || String(number) === target,
  );
  if (index < 0) return 0;
  const next = stages[index + 1];
  return next ? next.line - 1 : recipe.split('\n').length;
}
