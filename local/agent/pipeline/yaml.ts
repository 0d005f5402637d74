import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

/** Where something stands in a YAML file; lines and columns count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The pipeline cannot be run as written; the message names the file and the line. */
export class PipelineError extends Error {
  override readonly name = 'PipelineError';
  constructor(message: string, at?: Position) {
    super(at ? `${at.file}:${at.line}: ${message}` : message);
  }
}

/** All that is wrong with a pipeline, so that it can be mended at once. */
export class Problems {
  private readonly messages = new Set<string>();

  /** Goes on behind what cannot be read. */
  attempt<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error;
      this.messages.add(error.message);
      return undefined;
    }
  }

  add(message: string, at: Position): void {
    this.messages.add(new PipelineError(message, at).message);
  }

  get isEmpty(): boolean {
    return this.messages.size === 0;
  }

  /** @throws PipelineError naming all of them, one a line, when there are any */
  refuse(): void {
    if (!this.isEmpty) throw new PipelineError([...this.messages].join('\n'));
  }
}

export interface YamlScalar {
  readonly kind: 'scalar';
  /** As written: `1.10` stays `1.10`, since Azure Pipelines reads scalars as text. */
  readonly text: string;
  /** Written without quotes, so `true` or `5` may stand for more than text. */
  readonly plain: boolean;
  /** Not to be searched for `${{ }}`: it is a value that an expression gave. */
  readonly literal?: true;
  readonly at: Position;
}
export interface YamlMapping {
  readonly kind: 'mapping';
  readonly entries: { key: YamlScalar; value: YamlNode }[];
  readonly at: Position;
}
export interface YamlSequence {
  readonly kind: 'sequence';
  readonly items: YamlNode[];
  readonly at: Position;
}
export type YamlNode = YamlScalar | YamlMapping | YamlSequence;

/**
 * Reads one YAML document, keeping the position of everything.
 * @throws PipelineError when it is not YAML, or uses anchors or tags, which Azure Pipelines does not allow.
 */
export function parseYaml(text: string, file: string): YamlNode {
  const lines = new LineCounter();
  // failsafe: every scalar stays text. What is a number or a boolean depends on where it stands.
  const document = parseDocument(text, {
    lineCounter: lines,
    schema: 'failsafe',
    prettyErrors: false,
    // Keys may be alike as long as they are directives; `checkTemplates` looks at the others.
    uniqueKeys: false,
  });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const problem = document.errors[0];
  if (problem) throw new PipelineError(`This is not valid YAML: ${problem.message}`, at(problem.pos[0]));

  const convert = (node: Node | null | undefined, fallback: Position): YamlNode => {
    if (!node) return { kind: 'scalar', text: '', plain: true, at: fallback };
    const position = node.range ? at(node.range[0]) : fallback;
    if (isAlias(node) || ('anchor' in node && node.anchor)) {
      throw new PipelineError('Azure Pipelines does not allow YAML anchors and aliases.', position);
    }
    if (node.tag && !node.tag.startsWith('tag:yaml.org,2002:')) {
      throw new PipelineError(`Azure Pipelines does not allow the YAML tag ${node.tag}.`, position);
    }
    if (isMap(node)) {
      const entries = node.items.map((pair) => {
        const key = convert(pair.key as Node, position);
        if (key.kind !== 'scalar') throw new PipelineError('A key must be plain text.', key.at);
        return { key, value: convert(pair.value as Node | null, key.at) };
      });
      return { kind: 'mapping', entries, at: position };
    }
    if (isSeq(node)) {
      return {
        kind: 'sequence',
        items: node.items.map((item) => convert(item as Node, position)),
        at: position,
      };
    }
    if (!isScalar(node)) throw new PipelineError('This kind of YAML node is not supported.', position);
    return { kind: 'scalar', text: String(node.value ?? ''), plain: node.type === 'PLAIN', at: position };
  };
  return convert(document.contents as Node | null, { file, line: 1, column: 1 });
}

export function asMapping(node: YamlNode, what: string): YamlMapping {
  if (node.kind === 'mapping') return node;
  throw new PipelineError(`${what} must be a mapping (name: value).`, node.at);
}

export function asSequence(node: YamlNode, what: string): YamlSequence {
  if (node.kind === 'sequence') return node;
  throw new PipelineError(`${what} must be a list.`, node.at);
}

export function asText(node: YamlNode, what: string): string {
  if (node.kind === 'scalar') return node.text;
  throw new PipelineError(
    `${what} must be plain text, not a ${node.kind === 'mapping' ? 'mapping' : 'list'}.`,
    node.at,
  );
}

export function asBoolean(node: YamlNode, what: string): boolean {
  const text = asText(node, what).toLowerCase();
  if (/^(true|y|yes|on)$/.test(text)) return true;
  if (/^(false|n|no|off)$/.test(text)) return false;
  throw new PipelineError(`${what} must be true or false, not '${asText(node, what)}'.`, node.at);
}

export function asWholeNumber(node: YamlNode, what: string): number {
  const text = asText(node, what);
  if (/^\d+$/.test(text)) return Number(text);
  throw new PipelineError(`${what} must be a whole number, not '${text}'.`, node.at);
}

/** One text or a list of texts, as `dependsOn` and branch filters allow. */
export function asTexts(node: YamlNode, what: string): string[] {
  return node.kind === 'sequence' ? node.items.map((item) => asText(item, what)) : [asText(node, what)];
}

/** The value of a key, or undefined. */
export function childOf(mapping: YamlMapping, name: string): YamlNode | undefined {
  return mapping.entries.find((entry) => entry.key.text === name)?.value;
}

/** The text of a key; empty when the mapping does not have it. */
export function textAt(mapping: YamlMapping, name: string): string {
  const node = childOf(mapping, name);
  return node ? asText(node, `'${name}'`) : '';
}

/** Whether a key is true; false when the mapping does not have it. */
export function flagAt(mapping: YamlMapping, name: string): boolean {
  const node = childOf(mapping, name);
  return node ? asBoolean(node, `'${name}'`) : false;
}

/** The whole number of a key, or undefined. */
export function numberAt(mapping: YamlMapping, name: string): number | undefined {
  const node = childOf(mapping, name);
  return node && asWholeNumber(node, `'${name}'`);
}

/** @throws PipelineError naming the first key that is not among `known`, and its line. */
export function refuseOtherKeys(keys: readonly YamlScalar[], known: readonly string[], where: string): void {
  for (const key of keys) {
    if (known.includes(key.text)) continue;
    throw new PipelineError(
      `'${key.text}' is not supported by the local agent in ${where}. It knows: ${known.join(', ')}.`,
      key.at,
    );
  }
}
