import type { VariableDeclaration } from './plan';
import { access, entriesOf, expand, itemsOf, type Scope, type ScopedNode, withValues } from './template';
import { type Reading, templateItem } from './templates';
import { fold, isMap, type Value } from './values';
import { asBoolean, asText, PipelineError, refuseOtherKeys } from './yaml';

/**
 * Reads a `variables:` section, following templates.
 * @param outer the names known outside of the section
 * @returns what it declares, and the scope in which what follows it is to be read. A variable may use those above it;
 *   `${{ variables }}` knows nothing of variable groups, which are opened when a job starts.
 */
export function readVariables(
  section: ScopedNode | undefined,
  outer: Scope,
  reading: Reading,
): { declarations: VariableDeclaration[]; scope: Scope } {
  const reader = new VariablesReader(outer, reading);
  if (section) reader.open(section);
  return { declarations: reader.declarations, scope: reader.seen(outer) };
}

class VariablesReader {
  readonly declarations: VariableDeclaration[] = [];
  private readonly known: Record<string, Value>;
  private readonly queued: Set<string>;

  constructor(
    outer: Scope,
    private readonly reading: Reading,
  ) {
    const before = outer.values.variables ?? {};
    this.known = isMap(before) ? { ...before } : {};
    this.queued = new Set(Object.keys(reading.queueTimeVariables).map(fold));
  }

  /** A scope with the variables that have been read so far. */
  seen(scope: Scope): Scope {
    return withValues(scope, { variables: { ...this.known } });
  }

  open({ node, scope }: ScopedNode): void {
    if (node.kind === 'mapping') {
      for (const { key, value, scope: inner } of entriesOf(node, this.seen(scope))) {
        this.declare(key.text, { node: value, scope: inner }, false);
      }
      return;
    }
    for (const item of itemsOf(node, this.seen(scope))) {
      const template = templateItem(this.reading, 'variables', item);
      if (template) this.open(template);
      else this.readItem(item);
    }
  }

  private readItem(item: ScopedNode): void {
    const entries = entriesOf(item.node, this.seen(item.scope));
    refuseOtherKeys(
      entries.map((entry) => entry.key),
      ['name', 'value', 'readonly', 'group'],
      'a variable',
    );
    const { get, expanded } = access(entries);
    const group = expanded('group');
    if (group) {
      this.declarations.push({ group: asText(group, "'group'"), at: group.at });
      return;
    }
    const [name, value, readOnly] = [expanded('name'), get('value'), expanded('readonly')];
    if (!name || !value) {
      throw new PipelineError("A variable needs 'name' and 'value', or 'group'.", item.node.at);
    }
    this.declare(asText(name, "'name'"), value, readOnly ? asBoolean(readOnly, "'readonly'") : false);
  }

  private declare(name: string, { node, scope }: ScopedNode, readOnly: boolean): void {
    const value = asText(expand(node, this.seen(scope)), `The variable '${name}'`);
    this.declarations.push({ name, value, readOnly, at: node.at });
    if (!this.queued.has(fold(name))) this.known[name] = value;
  }
}
