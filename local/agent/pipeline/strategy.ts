import type { Leg } from './plan';
import { expand, type ScopedNode } from './template';
import { asMapping, asText, childOf, PipelineError, refuseOtherKeys, type YamlNode } from './yaml';

/** A job without a strategy runs once. */
export const ONCE: readonly Leg[] = [{ name: '', variables: {} }];

/** Reads a job's `strategy:`. */
export function readStrategy(section: ScopedNode | undefined): readonly Leg[] {
  if (!section) return ONCE;
  const strategy = asMapping(expand(section.node, section.scope), "'strategy'");
  refuseOtherKeys(
    strategy.entries.map(({ key }) => key),
    ['matrix', 'maxParallel'],
    "'strategy'",
  );
  const matrix = childOf(strategy, 'matrix');
  return matrix ? readMatrix(matrix) : ONCE;
}

function readMatrix(node: YamlNode): Leg[] {
  if (node.kind === 'scalar' && node.text.trimStart().startsWith('$[')) {
    throw new PipelineError(
      'The local agent knows a matrix that is written out only, not one that a job computes.',
      node.at,
    );
  }
  const legs = asMapping(node, "'matrix'").entries.map(({ key, value }) => {
    if (!/^\w{1,100}$/.test(key.text)) {
      throw new PipelineError(
        `'${key.text}' in the matrix may hold letters, digits and underscores only.`,
        key.at,
      );
    }
    const variables = asMapping(value, `'${key.text}'`).entries.map((entry) => [
      entry.key.text,
      asText(entry.value, `'${entry.key.text}'`),
    ]);
    return { name: key.text, variables: Object.fromEntries(variables) as Record<string, string> };
  });
  if (legs.length === 0) throw new PipelineError("'matrix' is empty.", node.at);
  return legs;
}
