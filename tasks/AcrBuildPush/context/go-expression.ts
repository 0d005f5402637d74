import type { Element, Fits } from '../files/matcher';

/*
 * So much of Go's regular expressions as comes of the patterns of ignore files. Each element is told by what it fits, so
 * that all of an expression is followed at once, in linear time.
 */

/** An expression that Go can't read. */
export class ExpressionError extends Error {}

/** What a dot stands for. */
const isOfLine: Fits = (char) => char !== '\n';

const isSlash: Fits = (char) => char === '/';

/** The set that `*` and `?` become, by far the most frequent one. */
const NAME = '^/]';
export const isOfName: Fits = (char) => char !== '/';

const isWord: Fits = (char) => /^\w$/.test(char);

/** What escaped letters stand for in Go's regular expressions: sets, and places below. */
const SETS: Readonly<Record<string, Fits>> = {
  d: (char) => /^[0-9]$/.test(char),
  D: (char) => !/^[0-9]$/.test(char),
  s: (char) => /^[\t\n\f\r ]$/.test(char),
  S: (char) => !/^[\t\n\f\r ]$/.test(char),
  w: isWord,
  W: (char) => !isWord(char),
};

const CONTROLS: Readonly<Record<string, string>> = {
  a: '\x07',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** Between a word and what is none. */
const isEdge = (before: string | undefined, after: string | undefined) =>
  (before !== undefined && isWord(before)) !== (after !== undefined && isWord(after));

const PLACES: Readonly<Record<string, typeof isEdge>> = {
  b: isEdge,
  B: (before, after) => !isEdge(before, after),
  A: (before) => before === undefined,
  z: (_, after) => after === undefined,
};

/** Repetitions of more elements than this are refused. */
const MOST_ELEMENTS = 8_192;

const ANYTHING: Element = { kind: 'run', fits: () => true };

/** Any number of folders: the one group that there is. */
export const FOLDERS = '(.*/)?';

/** Reads so much of Go's regular expressions as come of a pattern. */
export class ExpressionReader {
  private readonly chars: readonly string[];
  private found: Element[] = [];
  /** Whether the last element was repeated, which can't be done again. */
  private isRepeated = false;
  /** The sets by what is written, so that two that are alike are known for it. */
  private readonly sets = new Map<string, Fits>();
  private at = 0;

  constructor(expression: string) {
    this.chars = [...expression];
  }

  /**
   * What is between the bars, each for a whole path. Only the first must match from the begin on, and only the last to the
   * end, since no brackets hold them together.
   *
   * @throws ExpressionError for what Go can't read
   */
  alternatives(): readonly (readonly Element[])[] {
    const alternatives: Element[][] = [];
    do {
      this.found = [];
      this.isRepeated = false;
      if (alternatives.length > 0) this.found.push(ANYTHING);
      while (this.at < this.chars.length && this.chars[this.at] !== '|') this.next();
      if (this.at < this.chars.length) this.found.push(ANYTHING);
      alternatives.push(this.found);
    } while (this.chars[this.at++] === '|');
    return alternatives;
  }

  private next(): void {
    const repetition = this.repetition();
    if (repetition) {
      this.repeat(...repetition);
      return;
    }
    this.isRepeated = false;
    const char = this.chars[this.at++]!;
    if (char === '(') {
      this.at += FOLDERS.length - 1;
      this.folders();
    } else if (char === '^') {
      this.found.push({ kind: 'place', fits: PLACES.A! });
    } else if (char === '[' || char === '.') {
      const fits = char === '.' ? isOfLine : this.set();
      if (this.chars[this.at] !== '*') this.found.push({ kind: 'one', fits });
      else {
        this.at++;
        this.run(fits);
      }
    } else if (char === '\\') {
      this.escaped();
    } else {
      this.literal(char);
    }
  }

  private literal(char: string): void {
    this.found.push({ kind: 'one', fits: (other) => other === char });
  }

  /** `{2}`, `{2,}` or `{2,3}`; undefined where there is none of them. */
  private repetition(): [least: number, most: number | undefined] | undefined {
    if (this.chars[this.at] !== '{') return undefined;
    const rest = this.chars.slice(this.at, this.at + 12).join('');
    const [whole, least, comma, most] = /^\{(\d{1,4})(,?)(\d{0,4})\}/.exec(rest) ?? [];
    if (whole === undefined || (!comma && most)) return undefined;
    this.at += whole.length;
    return [Number(least), comma ? (most ? Number(most) : undefined) : Number(least)];
  }

  private repeat(least: number, most: number | undefined): void {
    const [element] = this.found.splice(-1);
    const isPlace = element === undefined || element.kind === 'place';
    if (this.isRepeated || least > 1_000 || (most ?? 0) > 1_000 || (most ?? least) < least)
      throw new ExpressionError();
    this.isRepeated = true;
    if (isPlace) {
      if (element && least > 0) this.found.push(element);
      return;
    }
    const length = this.found.length + Math.max(least, most ?? 0) * 2;
    if (element.kind !== 'one' || length > MOST_ELEMENTS) throw new ExpressionError();
    for (let count = 0; count < least; count++) this.found.push(element);
    if (most === undefined) this.run(element.fits);
    else for (let count = least; count < most; count++) this.found.push({ kind: 'option', over: 1 }, element);
  }

  private run(fits: Fits): void {
    const last = this.found.at(-1);
    // Several are no more than one.
    if (last?.kind !== 'run' || last.fits !== fits)
      this.found.push({ kind: 'run', fits, ...(fits === isOfName && { except: '/' }) });
    this.isRepeated = true;
  }

  private folders(): void {
    const [option, , slash] = this.found.slice(-3);
    this.isRepeated = true;
    // Several are no more than one.
    if (option?.kind === 'option' && slash?.kind === 'one') return;
    this.found.push(
      { kind: 'option', over: 2 },
      { kind: 'run', fits: isOfLine },
      { kind: 'one', fits: isSlash },
    );
  }

  private escaped(): void {
    const char = this.chars[this.at++];
    if (char === undefined) {
      // It takes the sign for the end as it is.
      this.literal('$');
      this.found.push(ANYTHING);
      return;
    }
    const place = PLACES[char];
    const set = SETS[char];
    if (place) this.found.push({ kind: 'place', fits: place });
    else if (set) this.found.push({ kind: 'one', fits: set });
    else if (char === 'Q') this.quoted();
    else if (/^[pP]$/.test(char)) this.category(char);
    else this.literal(this.character(char));
  }

  /** Letters, numbers and the like, as `\pL`. */
  private category(mark: string): void {
    const name = this.chars[this.at++] ?? '';
    if (!/^[CLMNPSZ]$/.test(name)) throw new ExpressionError();
    const form = new RegExp(`^\\${mark}{${name}}$`, 'u');
    this.found.push({ kind: 'one', fits: (char) => form.test(char) });
  }

  /** What is between `\Q` and `\E`; without that, it is the rest, and the sign for the end is a part of it. */
  private quoted(): void {
    const rest = this.chars.slice(this.at).join('');
    const end = rest.indexOf('\\E');
    for (const char of end < 0 ? `${rest}$` : rest.slice(0, end)) this.literal(char);
    this.at = end < 0 ? this.chars.length : this.at + [...rest.slice(0, end)].length + 2;
    if (end < 0) this.found.push(ANYTHING);
  }

  /** The character that an escaped one stands for. */
  private character(char: string): string {
    if (/^[\0-\x7f]$/.test(char) && !/^[0-9A-Za-z]$/.test(char)) return char;
    if (Object.hasOwn(CONTROLS, char)) return CONTROLS[char]!;
    if (char === 'x' && this.chars[this.at] === '{') return this.numberInBraces();
    if (char === 'x') return this.number(/^[0-9a-fA-F]{2}/, 16);
    if (!/^[0-7]$/.test(char)) throw new ExpressionError();
    this.at--;
    return this.number(char === '0' ? /^0[0-7]{0,2}/ : /^[1-7][0-7]{1,2}/, 8);
  }

  private numberInBraces(): string {
    const rest = this.chars.slice(this.at, this.at + 12).join('');
    const [written = '', digits = ''] = /^\{([0-9a-fA-F]{1,8})\}/.exec(rest) ?? [];
    const code = Number.parseInt(digits, 16);
    if (!(code <= 0x10ffff)) throw new ExpressionError();
    this.at += written.length;
    return String.fromCodePoint(code);
  }

  private number(form: RegExp, base: number): string {
    const [digits] = form.exec(this.chars.slice(this.at, this.at + 3).join('')) ?? [];
    if (digits === undefined) throw new ExpressionError();
    this.at += digits.length;
    return String.fromCodePoint(Number.parseInt(digits, base));
  }

  /** A set behind its `[`; a `]` at its begin is a member. */
  private set(): Fits {
    const start = this.at;
    if (this.chars.slice(start, start + NAME.length).join('') === NAME) {
      this.at += NAME.length;
      return isOfName;
    }
    const isNegated = this.chars[this.at] === '^';
    if (isNegated) this.at++;
    const members: Fits[] = [];
    do {
      const low = this.member();
      if (this.chars[this.at] !== '-' || this.chars[this.at + 1] === ']') {
        members.push(low.fits);
        continue;
      }
      this.at++;
      const high = this.member();
      if (low.code === undefined || high.code === undefined || low.code > high.code) {
        throw new ExpressionError();
      }
      members.push(inRange(low.code, high.code));
    } while (this.chars[this.at] !== ']');
    const written = this.chars.slice(start, this.at++).join('');
    const known = this.sets.get(`[${written}`);
    if (known) return known;
    const fits: Fits = (char) => members.some((member) => member(char)) !== isNegated;
    this.sets.set(`[${written}`, fits);
    return fits;
  }

  private member(): { fits: Fits; code?: number } {
    const char = this.chars[this.at++];
    if (char === undefined) throw new ExpressionError();
    const escaped = char === '\\' ? this.chars[this.at++]! : undefined;
    const set = escaped === undefined ? undefined : SETS[escaped];
    if (set) return { fits: set };
    const code = (escaped === undefined ? char : this.character(escaped)).codePointAt(0)!;
    return { fits: inRange(code, code), code };
  }
}

function inRange(low: number, high: number): Fits {
  return (char) => low <= char.codePointAt(0)! && char.codePointAt(0)! <= high;
}
