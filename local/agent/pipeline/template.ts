import { type Directive, directiveOf, loopOf, mayHoldExpressions, partsOf, refuseTwins } from './directives';
import { evaluate } from './expression';
import {
  ExpressionError,
  entriesOfMap,
  isList,
  isMap,
  isNumberText,
  toBoolean,
  toText,
  type Value,
} from './values';
import { PipelineError, type Position, type YamlNode, type YamlScalar } from './yaml';

/**
 * `${{ }}` over YAML, as the server expands it before a run. Mappings and lists are opened one level at a
 * time, each part together with the names it may use, because a loop's variable or a job's own variables
 * are known to some parts of a file only.
 */
export interface Scope {
  /** The file that relative template paths start from. */
  readonly file: string;
  /** The repository that the file is in, by its alias; empty for the pipeline's own. */
  readonly repository: string;
  /** How many templates deep this is. */
  readonly depth: number;
  /** `parameters`, `variables` and the variables of `each`. */
  readonly values: { readonly [name: string]: Value };
}
export interface ScopedNode {
  readonly node: YamlNode;
  readonly scope: Scope;
}
export interface ScopedEntry {
  readonly key: YamlScalar;
  readonly value: YamlNode;
  readonly scope: Scope;
}

/** Entries of a mapping with `if`, `each` and `insert` resolved and keys expanded; values are left alone. */
export function entriesOf(node: YamlNode, scope: Scope): ScopedEntry[] {
  const entries = rawEntriesOf(node, scope);
  refuseTwins(entries.map(({ key }) => key));
  return entries;
}

function rawEntriesOf(node: YamlNode, scope: Scope): ScopedEntry[] {
  const mapping = node.kind === 'scalar' ? resolve(node, scope) : node;
  if (mapping.kind !== 'mapping') throw new PipelineError('Here a mapping (name: value) is needed.', node.at);
  const chain = new IfChain();
  return mapping.entries.flatMap(({ key, value }): ScopedEntry[] => {
    const directive = directiveOf(key);
    if (!directive) return [{ key: { ...key, text: expandText(key, scope) }, value, scope }];
    return branches(directive, key, scope, chain).flatMap((inner) => rawEntriesOf(value, inner));
  });
}

/** Items of a list with `if` and `each` resolved and inserted lists spliced in; items are left alone. */
export function itemsOf(node: YamlNode, scope: Scope): ScopedNode[] {
  const sequence = node.kind === 'scalar' ? resolve(node, scope) : node;
  if (sequence.kind !== 'sequence') throw new PipelineError('Here a list is needed.', node.at);
  const chain = new IfChain();
  return sequence.items.flatMap((item): ScopedNode[] => {
    const only = item.kind === 'mapping' && item.entries.length === 1 ? item.entries[0] : undefined;
    const directive = only && directiveOf(only.key);
    // `insert` puts entries into the mapping that the item is.
    if (!only || !directive || directive.word === 'insert') return spliced(item, scope);
    return branches(directive, only.key, scope, chain).flatMap((inner) =>
      only.value.kind === 'sequence' ? itemsOf(only.value, inner) : spliced(only.value, inner),
    );
  });
}

/** An item, or the items of the list that an expression in its place gives. */
function spliced(item: YamlNode, scope: Scope): ScopedNode[] {
  if (item.kind !== 'scalar') return [{ node: item, scope }];
  const resolved = resolve(item, scope);
  if (resolved.kind !== 'sequence') return [{ node: resolved, scope }];
  return resolved.items.map((inner) => ({ node: inner, scope }));
}

/** The whole of a node, expanded. */
export function expand(node: YamlNode, scope: Scope): YamlNode {
  if (node.kind === 'mapping') {
    const entries = entriesOf(node, scope).map((entry) => ({
      key: entry.key,
      value: expand(entry.value, entry.scope),
    }));
    return { ...node, entries };
  }
  if (node.kind === 'sequence') {
    return { ...node, items: itemsOf(node, scope).map((item) => expand(item.node, item.scope)) };
  }
  return resolve(node, scope);
}

/** A node whose texts are expanded while its keys stay as they are: in a trigger there are no directives. */
export function expandedTexts(given: ScopedNode | undefined): YamlNode | undefined {
  if (!given) return undefined;
  const { node, scope } = given;
  const inner = (value: YamlNode) => expandedTexts({ node: value, scope })!;
  if (node.kind === 'sequence') return { ...node, items: node.items.map(inner) };
  if (node.kind === 'scalar') return resolve(node, scope);
  return { ...node, entries: node.entries.map(({ key, value }) => ({ key, value: inner(value) })) };
}

/** The value that a YAML node stands for in expressions. `asText` keeps `true` and `5` as they are written. */
export function toValue(node: YamlNode, asText = false): Value {
  if (node.kind === 'sequence') return node.items.map((item) => toValue(item, asText));
  if (node.kind === 'mapping') {
    return new Map(node.entries.map((entry) => [entry.key.text, toValue(entry.value, asText)]));
  }
  if (asText || !node.plain) return node.text;
  if (/^(true|false)$/i.test(node.text)) return node.text.toLowerCase() === 'true';
  return isNumberText(node.text) ? Number(node.text) : node.text;
}

/** A value as YAML, at the place of the expression that gave it. */
export function toNode(value: Value, at: Position): YamlNode {
  if (isList(value)) return { kind: 'sequence', items: [...value].map((item) => toNode(item, at)), at };
  if (isMap(value)) {
    const entries = entriesOfMap(value).map(([name, item]) => ({
      key: { kind: 'scalar', text: name, plain: false, literal: true, at } as const,
      value: toNode(item, at),
    }));
    return { kind: 'mapping', entries, at };
  }
  return { kind: 'scalar', text: toText(value), plain: typeof value !== 'string', literal: true, at };
}

/** The entries of a mapping by their keys: as they are, or expanded. */
export function access(entries: readonly ScopedEntry[]) {
  const get = (name: string): ScopedNode | undefined => {
    const entry = entries.find(({ key }) => key.text === name);
    return entry && { node: entry.value, scope: entry.scope };
  };
  const expanded = (name: string): YamlNode | undefined => {
    const found = get(name);
    return found && expand(found.node, found.scope);
  };
  return { get, expanded };
}

/** The names a parameter or loop variable adds to those of an outer scope. */
export function withValues(scope: Scope, values: Scope['values']): Scope {
  return { ...scope, values: { ...scope.values, ...values } };
}

/** A scalar that is one whole expression may give a list or an object; any other gives text. */
function resolve(node: YamlScalar, scope: Scope): YamlNode {
  if (!mayHoldExpressions(node)) return node;
  const parts = partsOf(node);
  const [only] = parts;
  if (parts.length === 1 && only?.expression) return toNode(evaluateAt(only.text, scope, node.at), node.at);
  return { ...node, text: expandText(node, scope), plain: false, literal: true };
}

function expandText(node: YamlScalar, scope: Scope): string {
  if (!mayHoldExpressions(node)) return node.text;
  return partsOf(node)
    .map((part) =>
      part.expression ? guard(() => toText(evaluateAt(part.text, scope, node.at)), node.at) : part.text,
    )
    .join('');
}

/** The scopes in which a directive's content is to be read: none, one, or one for each turn of a loop. */
function branches(directive: Directive, key: YamlScalar, scope: Scope, chain: IfChain): Scope[] {
  const test = () => toBoolean(evaluateAt(directive.rest, scope, key.at));
  if (directive.word === 'if') return chain.start(test()) ? [scope] : [];
  if (directive.word === 'elseif') return chain.next(test, key.at) ? [scope] : [];
  if (directive.word === 'else') return chain.last(key.at) ? [scope] : [];
  chain.end();
  if (directive.word === 'insert') return [scope];

  const { name, list } = loopOf(directive, key.at);
  const value = evaluateAt(list, scope, key.at);
  if (!isList(value) && !isMap(value)) throw new PipelineError("'each' needs a list or an object.", key.at);
  const turns = isList(value)
    ? [...value]
    : entriesOfMap(value).map(
        ([k, v]) =>
          new Map<string, Value>([
            ['key', k],
            ['value', v],
          ]),
      );
  return turns.map((turn) => withValues(scope, { [name]: turn }));
}

/**
 * Remembers whether a branch of an if / elseif / else chain was taken already. Plain entries may stand between its
 * branches; `each`, `insert` and another `if` end it, and so does its `else`.
 */
class IfChain {
  private taken: boolean | undefined;
  start(holds: boolean): boolean {
    this.taken = holds;
    return holds;
  }
  next(test: () => boolean, at: Position): boolean {
    if (this.taken === undefined) throw new PipelineError("'elseif' and 'else' must follow an 'if'.", at);
    if (this.taken) return false;
    this.taken = test();
    return this.taken;
  }
  last(at: Position): boolean {
    const taken = this.next(() => true, at);
    this.end();
    return taken;
  }
  end(): void {
    this.taken = undefined;
  }
}

function evaluateAt(text: string, scope: Scope, at: Position): Value {
  return guard(() => evaluate(text, { values: scope.values }), at);
}

function guard<T>(action: () => T, at: Position): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof ExpressionError ? new PipelineError(error.message, at) : error;
  }
}
