import { TaskError } from '../../common/errors';
import { parseDockerfile } from './instructions';
import type { EscapeChar } from './lines';
import { divideIntoStages, targetStage } from './stages';

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
  const dockerfile = parseDockerfile(recipe);
  const mark = dockerfile.escapeChar;
  const { stages } = divideIntoStages(dockerfile);
  let end: number | undefined;
  try {
    const stage = targetStage(stages, target);
    const next = stages[stage.index + 1];
    end = next && next.from.line - 1;
  } catch (error) {
    if (error instanceof TaskError) return undefined;
    throw error;
  }
  const lines = recipe.split('\n').slice(0, end);
  const last = lines.findLast((line) => !/^\s*(#|$)/.test(line));
  if (last === undefined || last.trimEnd().endsWith(mark)) return undefined;

  const quote = (text: string) => `"${text.replace(/["$\\`]/g, (one) => quoteOne(one, mark))}"`;
  const pairs = Object.entries(labels).map(([key, value]) => `${quote(key)}=${quote(value)}`);
  return [...lines, `LABEL ${pairs.join(' ')}`, ''].join('\n');
}

/** Within quotes, a backslash or backtick is special only where it is the Dockerfile's escape character. */
function quoteOne(character: string, mark: EscapeChar): string {
  const isPlain = (character === '\\' || character === '`') && character !== mark;
  return isPlain ? character : mark + character;
}
