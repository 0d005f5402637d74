import { replacePattern, withoutPrefix, withoutSuffix } from './word-patterns';

/** Looks a variable up; undefined where it is not set. */
export type Lookup = (name: string) => string | undefined;

/** A word that docker would refuse. No Error: in a file of nothing but those, the stacks would take most of the time. */
export class WordError {
  constructor(readonly message: string) {}

  toString(): string {
    return this.message;
  }
}

/**
 * Characters that variables may put into one Dockerfile in all. Each line can double what the lines before it have set: 30 of
 * them would fill any memory.
 */
const MOST_REPLACED = 4 * 1024 * 1024;

/** Bounds what the lookups of one build come to, however many there are. */
export function limitLookups(): (lookup: Lookup) => Lookup {
  let left = MOST_REPLACED;
  return (lookup) => (name) => {
    const value = lookup(name);
    left -= value?.length ?? 0;
    if (left < 0) throw new WordError(`variables come to more than ${MOST_REPLACED} characters in all`);
    return value;
  };
}

export interface Expansion {
  /** The text with variables replaced, quotes and escapes taken away. */
  readonly text: string;
  /** The same, split at white space that was not quoted. */
  readonly words: readonly string[];
}

export interface ExpansionOptions {
  /** Whether quotes stay as they are and mean nothing, as in a here-document. */
  readonly plainQuotes?: boolean;
  /** Whether quotes and escapes stay as they are written: the words are but told apart. */
  readonly raw?: boolean;
  /** Whether variables that are not set stay, in their braces and with what follows their names. */
  readonly keepUnset?: boolean;
}

/** Substitutions within each other: far more than anybody writes, and no more than the stack holds. */
const DEEPEST = 100;

/**
 * Replaces the variables in a text, the way docker does it: `$x`, `${x}`, `${x:-…}`, `${x:+…}`, `${x:?…}` and the
 * same without the colon, and the patterns `${x#…}`, `${x%…}` and `${x/…/…}`; quotes and escapes as a shell has them.
 *
 * @throws WordError for what docker refuses
 */
export function expand(
  source: string,
  lookup: Lookup,
  escapeChar: string,
  options: ExpansionOptions = {},
): Expansion {
  return new Expander(source, lookup, escapeChar, options).run();
}

/** How a stretch of text is read. */
interface Mode {
  /** Whether escapes stay. */
  readonly rawEscapes: boolean;
  /** Whether the text is a pattern, in which an escape that was quoted is a character like others. */
  readonly isPattern: boolean;
}

const NAME = /\d+|[@*#?$!-]|[\p{L}\p{Nd}_]+/uy;

class Expander {
  private at = 0;
  private depth = 0;
  /** The word that is being read. A substitution forgets what was before it, as in docker: `80${X:-81}` is the word 81. */
  private readonly word = new Word();

  constructor(
    private readonly source: string,
    private readonly lookup: Lookup,
    private readonly escapeChar: string,
    private readonly options: ExpansionOptions,
  ) {}

  run(): Expansion {
    return this.until(undefined, { rawEscapes: this.options.raw === true, isPattern: false });
  }

  private until(stop: string | undefined, mode: Mode): Expansion {
    const words = new Words(this.word);
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
        continue;
      }
      if (char === '<' && this.source[this.at + 1] === '<') {
        // What opens a here-document may stand apart from its name.
        const opening = /<<[\t\r ]*/y;
        opening.lastIndex = this.at;
        const [value] = opening.exec(this.source)!;
        this.at += value.length;
        text += value;
        words.addQuoted(value);
        continue;
      }
      let value: string;
      if (char === "'" && !this.options.plainQuotes) value = this.singleQuoted(mode);
      else if (char === '"' && !this.options.plainQuotes) value = this.doubleQuoted(mode);
      else if (char === this.escapeChar) value = this.escaped(mode);
      else {
        this.at++;
        text += char;
        words.addUnquoted(char);
        continue;
      }
      text += value;
      words.addQuoted(value);
    }
    if (stop !== undefined) throw new WordError(`'${stop}' is missing`);
    return { text, words: words.end() };
  }

  private escaped({ rawEscapes }: Mode): string {
    const next = this.source[this.at + 1] ?? '';
    this.at += 2;
    return rawEscapes ? this.escapeChar + next : next;
  }

  private singleQuoted({ isPattern }: Mode): string {
    const end = this.source.indexOf("'", this.at + 1);
    if (end < 0) throw new WordError('a single quote has no end');
    const text = this.source.slice(this.at + 1, end);
    this.at = end + 1;
    const kept = isPattern ? text.replaceAll(this.escapeChar, this.escapeChar.repeat(2)) : text;
    return this.options.raw ? `'${kept}'` : kept;
  }

  private doubleQuoted({ rawEscapes, isPattern }: Mode): string {
    const { raw } = this.options;
    let text = raw ? '"' : '';
    this.at++;
    while (this.at < this.source.length) {
      const char = this.source[this.at]!;
      if (char === '"') {
        this.at++;
        return raw ? `${text}"` : text;
      }
      if (char === '$') {
        text += this.variable();
        continue;
      }
      this.at++;
      const next = this.source[this.at];
      if (char !== this.escapeChar) {
        text += char;
      } else if (next === undefined) {
        break;
      } else if (next === '"' || next === '$' || next === this.escapeChar) {
        text += rawEscapes ? char + next : next;
        this.at++;
      } else {
        // Before other characters, the escape is one of its own.
        text += rawEscapes && (!raw || isPattern) ? char + char : char;
      }
    }
    throw new WordError('a double quote has no end');
  }

  private variable(): string {
    if (++this.depth > DEEPEST) {
      throw new WordError(`substitutions are nested more than ${DEEPEST} deep`);
    }
    try {
      return this.substitution();
    } finally {
      this.depth--;
    }
  }

  private substitution(): string {
    this.at++;
    if (this.source[this.at] !== '{') {
      const name = this.name();
      if (!name) return '$';
      return this.lookup(name) ?? (this.options.keepUnset ? `$${name}` : '');
    }
    this.at++;
    const first = this.source[this.at];
    if (first === undefined) throw new WordError("'}' is missing");
    if (/[{}:]/.test(first)) throw new WordError('bad substitution');
    const name = this.name();
    return this.modified(name, this.lookup(name));
  }

  /** What follows a name in braces, applied to its value. */
  private modified(name: string, value: string | undefined): string {
    const modifier = this.source[this.at++] ?? '';
    const isKept = this.options.keepUnset && value === undefined;
    switch (modifier) {
      case '}':
        return value ?? (isKept ? `\${${name}}` : '');
      case ':':
        return this.fallback(this.source[this.at++] ?? '', name, value, true);
      case '#':
      case '%': {
        const isLongest = this.source[this.at] === modifier;
        if (isLongest) this.at++;
        const { text: pattern } = this.until('}', { rawEscapes: true, isPattern: true });
        if (isKept) return `\${${name}${isLongest ? modifier + modifier : modifier}${pattern}}`;
        const strip = modifier === '#' ? withoutPrefix : withoutSuffix;
        return asPattern(pattern, () => strip(value ?? '', pattern, isLongest));
      }
      case '/': {
        const isForAll = this.source[this.at] === '/';
        if (isForAll) this.at++;
        const { text: pattern } = this.until('/', { rawEscapes: true, isPattern: true });
        const { text: replacement } = this.until('}', { rawEscapes: true, isPattern: false });
        if (isKept) return `\${${name}/${pattern}/${replacement}}`;
        const longest = isForAll ? (value?.length ?? 0) * replacement.length : 0;
        if (longest > MOST_REPLACED) throw new WordError(`too much would take the place of '${pattern}'`);
        return asPattern(pattern, () => replacePattern(value ?? '', pattern, replacement, isForAll));
      }
      default:
        return this.fallback(modifier, name, value, false);
    }
  }

  /** @param orEmpty whether an empty value counts for none */
  private fallback(modifier: string, name: string, value: string | undefined, orEmpty: boolean): string {
    if (!/^[-+?]$/.test(modifier)) throw new WordError(`modifier '${modifier}' in a substitution`);
    const { text } = this.until('}', { rawEscapes: false, isPattern: false });
    if (this.options.keepUnset && value === undefined) {
      return `\${${name}${orEmpty ? ':' : ''}${modifier}${text}}`;
    }
    const isPresent = value !== undefined && !(orEmpty && value === '');
    if (modifier === '+') return isPresent ? text : '';
    if (isPresent) return value;
    if (modifier === '-') return text;
    const what = value === undefined ? 'unset' : 'empty';
    throw new WordError(`${name}: ${text || `is not allowed to be ${what}`}`);
  }

  private name(): string {
    NAME.lastIndex = this.at;
    const [name = ''] = NAME.exec(this.source) ?? [];
    this.at += name.length;
    return name;
  }
}

/** The words of a pattern are no more than its own error. */
function asPattern(pattern: string, apply: () => string | undefined): string {
  const result = apply();
  if (result === undefined) throw new WordError(`'${pattern}' is no pattern for a substitution`);
  return result;
}

class Word {
  text = '';
}

class Words {
  private readonly words: string[] = [];

  constructor(private readonly word: Word) {
    word.text = '';
  }

  addQuoted(text: string): void {
    this.word.text += text;
  }

  addUnquoted(text: string): void {
    const [first = '', ...more] = text.split(/\s/);
    this.word.text += first;
    for (const part of more) {
      this.finish();
      this.word.text += part;
    }
  }

  end(): readonly string[] {
    this.finish();
    return this.words;
  }

  private finish(): void {
    if (this.word.text) this.words.push(this.word.text);
    this.word.text = '';
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
