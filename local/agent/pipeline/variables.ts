import type { VariableDeclaration } from './plan';
import { checkVariable, type Slot } from './slots';
import { access, entriesOf, expand, itemsOf, type Scope, type ScopedNode, withValues } from './template';
import { type Reading, templateItem } from './templates';
import { entriesOfMap, fold, isMap, NameMap } from './values';
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
  slot: 'pipeline variable' | 'inner variable' = 'inner variable',
): { declarations: VariableDeclaration[]; scope: Scope } {
  const reader = new VariablesReader(outer, reading, slot);
  if (section) reading.problems.attempt(() => reader.open(section));
  return { declarations: reader.declarations, scope: reader.seen(outer) };
}

class VariablesReader {
  readonly declarations: VariableDeclaration[] = [];
  private readonly known: NameMap;
  private readonly overridden: ReadonlySet<string>;

  constructor(
    outer: Scope,
    private readonly reading: Reading,
    private readonly slot: Slot,
  ) {
    const before = outer.values.variables ?? null;
    this.known = new NameMap();
    for (const [name, value] of isMap(before) ? entriesOfMap(before) : []) this.known.set(name, value);
    this.overridden = new Set(Object.keys(reading.overrides).map(fold));
  }

  /** A scope with the variables that have been read so far. */
  seen(scope: Scope): Scope {
    return withValues(scope, { variables: new NameMap(this.known) });
  }

  open({ node, scope }: ScopedNode): void {
    if (node.kind === 'mapping') {
      for (const { key, value, scope: inner } of entriesOf(node, this.seen(scope))) {
        this.declare(key.text, { node: value, scope: inner }, false);
      }
      return;
    }
    if (node.kind === 'scalar' && node.text === '') return;
    for (const item of itemsOf(node, this.seen(scope))) {
      this.reading.problems.attempt(() => {
        const template = templateItem(this.reading, 'variables', item);
        if (template) this.open(template);
        else this.readItem(item);
      });
    }
  }

  private readItem(item: ScopedNode): void {
    const entries = entriesOf(item.node, this.seen(item.scope));
    const keys = entries.map((entry) => entry.key);
    const isGroup = keys.some(({ text }) => text === 'group');
    refuseOtherKeys(
      keys,
      isGroup ? ['group'] : ['name', 'value', 'readonly'],
      isGroup ? 'the reference to a variable group' : 'a variable',
    );
    const { get, expanded } = access(entries);
    const group = expanded('group');
    if (group) {
      this.declarations.push({ group: asText(group, "'group'"), at: group.at });
      return;
    }
    const [name, value, readOnly] = [expanded('name'), get('value'), expanded('readonly')];
    if (!name) throw new PipelineError("A variable needs a 'name', or a 'group' to come from.", item.node.at);
    const nothing = { kind: 'scalar', text: '', plain: true, at: name.at } as const;
    const given = value ?? { node: nothing, scope: item.scope };
    this.declare(asText(name, "'name'"), given, readOnly ? asBoolean(readOnly, "'readonly'") : false);
  }

  private declare(name: string, { node, scope }: ScopedNode, readOnly: boolean): void {
    const value = asText(expand(node, this.seen(scope)), `The variable '${name}'`);
    if (node.kind === 'scalar') checkVariable(name, value, this.slot, node.at);
    this.declarations.push({ name, value, readOnly, at: node.at });
    if (!this.overridden.has(fold(name))) this.known.set(name, value);
  }
}
