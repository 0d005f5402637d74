import { fold } from './values';
import { PipelineError, type Position, type YamlScalar } from './yaml';

/** A key such as `${{ if eq(1, 1) }}`, which says something of what stands below it. */
export interface Directive {
  readonly word: 'if' | 'elseif' | 'else' | 'each' | 'insert';
  /** What follows the word. */
  readonly rest: string;
}

/** Whether a scalar is to be searched for `${{ }}`. */
export function mayHoldExpressions(node: YamlScalar): boolean {
  return !node.literal && node.text.includes('${{');
}

/**
 * Splits text into what is outside and what is inside of `${{ }}`; quotes may hide a `}}`.
 * @throws PipelineError when an expression is not closed
 */
export function partsOf(node: YamlScalar): { expression: boolean; text: string }[] {
  const parts: { expression: boolean; text: string }[] = [];
  const pattern = /\$\{\{((?:'(?:[^']|'')*'|(?!\}\})[^'])*)\}\}/g;
  let end = 0;
  for (const match of node.text.matchAll(pattern)) {
    if (match.index > end) parts.push({ expression: false, text: node.text.slice(end, match.index) });
    parts.push({ expression: true, text: match[1]! });
    end = match.index + match[0].length;
  }
  if (end < node.text.length) parts.push({ expression: false, text: node.text.slice(end) });
  if (parts.some((part) => !part.expression && part.text.includes('${{'))) {
    throw new PipelineError('An expression is opened here but not closed by "}}".', node.at);
  }
  return parts;
}

/**
 * The directive that a key is, if it is one; the words are lower case.
 * @throws PipelineError for `else` and `insert` with something behind them
 */
export function directiveOf(key: YamlScalar): Directive | undefined {
  const whole = /^\s*\$\{\{\s*(if|elseif|else|each|insert)\b\s*([\s\S]*?)\s*\}\}\s*$/.exec(key.text);
  if (!whole || key.literal) return undefined;
  const directive = { word: whole[1] as Directive['word'], rest: whole[2]! };
  if (/^(else|insert)$/.test(directive.word) && directive.rest !== '') {
    const hint = directive.rest.startsWith('if') ? " Write 'elseif' as one word." : '';
    throw new PipelineError(
      `Nothing may follow '${directive.word}', but '${directive.rest}' does.${hint}`,
      key.at,
    );
  }
  return directive;
}

/** @throws PipelineError when an `each` does not read `each <name> in <list>` */
export function loopOf({ rest }: Directive, at: Position): { name: string; list: string } {
  const loop = /^([A-Za-z_]\w*)\s+in\s+([\s\S]+)$/.exec(rest);
  if (!loop) throw new PipelineError("'each' must read: each <name> in <list>.", at);
  return { name: loop[1]!, list: loop[2]! };
}

/** @throws PipelineError for the first key that stands twice, which includes keys that differ in case only */
export function refuseTwins(keys: readonly YamlScalar[]): void {
  const seen = new Set<string>();
  for (const key of keys) {
    if (seen.has(fold(key.text))) throw new PipelineError(`'${key.text}' is already defined here.`, key.at);
    seen.add(fold(key.text));
  }
}
