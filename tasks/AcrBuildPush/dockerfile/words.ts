/** Looks a variable up; undefined where it is not set. */
export type Lookup = (name: string) => string | undefined;

/** A word that docker would refuse, or that only newer engines know. */
export class WordError extends Error {}

export interface Expansion {
  /** The text with variables replaced, quotes and escapes taken away. */
  readonly text: string;
  /** The same, split at white space that was not quoted. */
  readonly words: readonly string[];
}

/**
 * Replaces the variables in a text, the way docker does it: `$x`, `${x}`, `${x:-…}`, `${x:+…}`, `${x:?…}` and the
 * same without the colon; quotes and escapes as a shell has them.
 *
 * @throws WordError for what docker refuses, and for the patterns of newer Dockerfiles (`${x#…}`, `${x/…}`)
 */
export function expand(source: string, lookup: Lookup, escapeChar: string, keepQuotes = false): Expansion {
  return new Expander(source, lookup, escapeChar, keepQuotes).run();
}

class Expander {
  private at = 0;

  constructor(
    private readonly source: string,
    private readonly lookup: Lookup,
    private readonly escapeChar: string,
    private readonly keepQuotes: boolean,
  ) {}

  run(): Expansion {
    return this.until(undefined);
  }

  private until(stop: string | undefined): Expansion {
    const words = new Words();
    let text = '';
    while (this.at < this.source.length) {
      const char = this.source[this.at]!;
      if (char === stop) {
        this.at++;
        return { text, words: words.end() };
      }
      if (char === '$') {
        const value = this.variable();
        text += value;
        words.addUnquoted(value);
      } else if (char === "'" && !this.keepQuotes) {
        const value = this.singleQuoted();
        text += value;
        words.addQuoted(value);
      } else if (char === '"' && !this.keepQuotes) {
        const value = this.doubleQuoted();
        text += value;
        words.addQuoted(value);
      } else if (char === this.escapeChar) {
        const value = this.source[this.at + 1] ?? '';
        this.at += 2;
        text += value;
        words.addQuoted(value);
      } else {
        this.at++;
        text += char;
        words.addUnquoted(char);
      }
    }
    if (stop !== undefined) throw new WordError(`'${stop}' is missing`);
    return { text, words: words.end() };
  }

  private singleQuoted(): string {
    const end = this.source.indexOf("'", this.at + 1);
    if (end < 0) throw new WordError('a single quote has no end');
    const text = this.source.slice(this.at + 1, end);
    this.at = end + 1;
    return text;
  }

  private doubleQuoted(): string {
    let text = '';
    this.at++;
    while (this.at < this.source.length) {
      const char = this.source[this.at]!;
      if (char === '"') {
        this.at++;
        return text;
      }
      if (char === '$') {
        text += this.variable();
        continue;
      }
      this.at++;
      if (char !== this.escapeChar) {
        text += char;
        continue;
      }
      const next = this.source[this.at];
      if (next === undefined) break;
      // Other characters keep the escape before them.
      if (next !== '"' && next !== '$' && next !== this.escapeChar) text += char;
      else {
        text += next;
        this.at++;
      }
    }
    throw new WordError('a double quote has no end');
  }

  private variable(): string {
    this.at++;
    if (this.source[this.at] !== '{') {
      const name = this.name();
      return name ? (this.lookup(name) ?? '') : '$';
    }
    this.at++;
    if (/[{}:]/.test(this.source[this.at] ?? '}')) throw new WordError('bad substitution');
    const name = this.name();
    let modifier = this.source[this.at++] ?? '';
    const value = this.lookup(name);
    if (modifier === '}') return value ?? '';
    const orEmpty = modifier === ':';
    if (orEmpty) modifier = this.source[this.at++] ?? '';
    if (!/^[-+?]$/.test(modifier)) throw new WordError(`modifier '${modifier}' in a substitution`);
    const { text } = this.until('}');
    const present = value !== undefined && !(orEmpty && value === '');
    if (modifier === '+') return present ? text : '';
    if (present) return value;
    if (modifier === '-') return text;
    throw new WordError(`${name}: ${text || `is not allowed to be ${orEmpty ? 'empty' : 'unset'}`}`);
  }

  private name(): string {
    const found = /^(?:\d+|[@*#?$!-]|[\p{L}\p{Nd}_]+)/u.exec(this.source.slice(this.at));
    if (!found) return '';
    this.at += found[0].length;
    return found[0];
  }
}

class Words {
  private readonly words: string[] = [];
  private word = '';

  addQuoted(text: string): void {
    this.word += text;
  }

  addUnquoted(text: string): void {
    for (const char of text) {
      if (!/\s/.test(char)) this.word += char;
      else this.finish();
    }
  }

  end(): readonly string[] {
    this.finish();
    return this.words;
  }

  private finish(): void {
    if (this.word) this.words.push(this.word);
    this.word = '';
  }
}

/** Splits at white space outside quotes; quotes and escapes stay as they are written. */
export function splitRawWords(text: string, escapeChar: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    let char = text[at]!;
    if (!quote && /\s/.test(char)) {
      if (word) words.push(word);
      word = '';
      continue;
    }
    if (quote) {
      if (char === quote) quote = '';
    } else if (char === "'" || char === '"') {
      quote = char;
    }
    if (char === escapeChar && quote !== "'") {
      if (at + 1 === text.length) break;
      word += char;
      char = text[++at]!;
    }
    word += char;
  }
  if (word) words.push(word);
  return words;
}
