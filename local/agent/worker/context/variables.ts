import { expandMacros } from './macros';
import type { SecretMasker } from './masking';
import { READ_ONLY_NAMES } from './read-only-names';

export interface Variable {
  readonly name: string;
  readonly value: string;
  readonly secret: boolean;
  readonly readOnly: boolean;
  /** Keeps its case as an environment variable. */
  readonly preserveCase: boolean;
}

const DEEPEST_EXPANSION = 50;

/** The job's variables. Names ignore case; what was once secret stays secret. */
export class Variables {
  private readonly asSet = new Map<string, Variable>();
  private expanded = new Map<string, Variable>();

  constructor(private readonly masker: SecretMasker) {}

  set(name: string, value: string, options: Partial<Omit<Variable, 'name' | 'value'>> = {}): void {
    const key = name.toLowerCase();
    const before = this.expanded.get(key) ?? this.asSet.get(key);
    const variable: Variable = {
      name,
      value,
      secret: options.secret || before?.secret || false,
      readOnly: options.readOnly || before?.readOnly || false,
      preserveCase: options.preserveCase ?? false,
    };
    if (variable.secret && value !== '') this.masker.add(value);
    this.asSet.set(key, variable);
    this.expanded.set(key, variable);
  }

  unset(name: string): void {
    this.asSet.delete(name.toLowerCase());
    this.expanded.delete(name.toLowerCase());
  }

  get(name: string): string | undefined {
    return this.expanded.get(name.toLowerCase())?.value;
  }

  isReadOnly(name: string): boolean {
    const key = name.toLowerCase();
    return (this.expanded.get(key)?.readOnly ?? false) || READ_ONLY_NAMES.has(key);
  }

  all(): Variable[] {
    return [...this.expanded.values()];
  }

  /** Values by name, for expressions. */
  asValues(): Record<string, string> {
    return Object.fromEntries(this.all().map(({ name, value }) => [name, value]));
  }

  /** Replaces `$(name)` in a text, once. */
  expand(text: string): string {
    return expandMacros(text, (name) => this.get(name));
  }

  /**
   * Expands the variables in each other, as the agent does when a step starts. A variable that uses a secret
   * one becomes secret.
   * @returns warnings about circles and about chains that are too long; such variables stay as they are
   */
  expandEachOther(): string[] {
    const warnings: string[] = [];
    const expanded = new Map(this.asSet);
    for (const [key, variable] of this.asSet) {
      let secret = variable.secret;
      try {
        const value = this.expandDeep(variable, [key], (used) => {
          secret ||= used.secret;
        });
        if (value === variable.value) continue;
        if (secret && value !== '') this.masker.add(value);
        expanded.set(key, { ...variable, value, secret });
      } catch (error) {
        if (!(error instanceof ExpansionError)) throw error;
        warnings.push(`The variable '${variable.name}' cannot be expanded: ${error.message}`);
      }
    }
    this.expanded = expanded;
    return warnings;
  }

  private expandDeep(variable: Variable, path: string[], using: (variable: Variable) => void): string {
    return expandMacros(variable.value, (name) => {
      const key = name.toLowerCase();
      const nested = this.asSet.get(key);
      if (!nested) return undefined;
      if (path.length === DEEPEST_EXPANSION) {
        throw new ExpansionError(`it goes through more than ${DEEPEST_EXPANSION} others.`);
      }
      if (path.includes(key)) throw new ExpansionError('in the end it is made of itself.');
      using(nested);
      return this.expandDeep(nested, [...path, key], using);
    });
  }
}

class ExpansionError extends Error {}
