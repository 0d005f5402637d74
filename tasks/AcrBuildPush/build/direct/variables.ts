import { type Declaration, mistake } from '../../dockerfile/instructions';
import { argument } from '../../dockerfile/stage-plan';
import { expand, type Lookup, WordError } from '../../dockerfile/words';
import { variableIn } from './settings';

/** What the variables of a stage depend on besides its instructions. */
export interface VariableSources {
  readonly escapeChar: string;
  /** The build arguments that were given. */
  readonly given: Readonly<Record<string, string>>;
  /** What `ARG` without a default takes on: the arguments before the first `FROM`, and the platforms. */
  readonly inherited: ReadonlyMap<string, string>;
  /** Bounds what variables come to in the whole build. */
  limited(lookup: Lookup): Lookup;
}

/** The variables of a stage: its environment and its arguments, of which the later of one name counts. */
export class Variables {
  private readonly values: Map<string, string>;
  private readonly lookup: Lookup;

  /**
   * @param below those of the stage that this one is built on
   * @param env the environment of the image below, which comes over arguments of the same names
   */
  constructor(
    private readonly sources: VariableSources,
    below: Variables | undefined,
    env: readonly string[],
  ) {
    this.values = new Map(below?.values);
    this.lookup = sources.limited((name) => this.values.get(name));
    this.setAll(env);
  }

  set(name: string, value: string): void {
    this.values.set(name, value);
  }

  /** Takes over an environment, `NAME=value` each. */
  setAll(env: readonly string[]): void {
    for (const variable of env) {
      const [name = '', ...value] = variable.split('=');
      this.set(name, value.join('='));
    }
  }

  /** Carries out an `ARG`. */
  declare({ assignments }: Declaration): void {
    const { given, inherited } = this.sources;
    for (const { name, value } of assignments) {
      const key = this.word(name);
      const own = argument(given, key) ?? (value === undefined ? undefined : this.word(value));
      const result = own ?? inherited.get(key);
      if (result !== undefined) this.set(key, result);
    }
  }

  /** Takes over what an engine has declared, whose values for the environment are in the image. */
  replay(declaration: Declaration, env: readonly string[]): void {
    try {
      if (declaration.keyword === 'ARG') {
        this.declare(declaration);
        return;
      }
      for (const { name } of declaration.assignments) {
        const key = this.word(name);
        const value = variableIn(env, key);
        if (value !== undefined) this.set(key, value);
      }
    } catch (error) {
      throw error instanceof WordError ? mistake(declaration.line, error.message) : error;
    }
  }

  /** A text with the variables in it replaced, as one word. */
  word(text: string): string {
    return this.expand(text).text;
  }

  /** The same, as the words that it comes to. */
  words(text: string): readonly string[] {
    return this.expand(text).words;
  }

  /** The text of a here-document, in which quotes mean nothing, with the variables in it replaced. */
  document(text: string): string {
    return expand(text, this.lookup, '\\', { plainQuotes: true }).text;
  }

  private expand(text: string) {
    return expand(text, this.lookup, this.sources.escapeChar);
  }
}
