import { expand, WordError } from './words';

/** A document within a Dockerfile: `<<EOF` and the lines down to `EOF`. */
export interface HereDocument extends Opening {
  /** As it is written, with the tabs at the begin of its lines. */
  readonly text: string;
}

/** The word that introduces a here-document among the arguments of an instruction. */
export interface Opening {
  /** The line that ends it, and the name of the file that it becomes. */
  readonly name: string;
  /** Whether variables in it are replaced: not where a part of the name is quoted. */
  readonly expand: boolean;
  /** Whether tabs at the begin of its lines go. */
  readonly chomp: boolean;
}

/** An instruction with its continued lines joined, not taken apart any further. */
export interface LogicalLine {
  /** Where it begins, counted from 1. */
  readonly line: number;
  readonly text: string;
  readonly documents: readonly HereDocument[];
  /** What is wrong with it, as a clause without a full stop. */
  readonly problem?: string | undefined;
}

/** The character that quotes the next one and, at the end of a line, continues it. */
export type EscapeChar = '\\' | '`';

/** A comment that says how the file is to be read: `# escape=`, `# syntax=` or `# check=`. */
export interface Directive {
  readonly line: number;
  /** In lower case. */
  readonly name: string;
  readonly value: string;
}

export interface Recipe {
  readonly lines: readonly LogicalLine[];
  readonly escapeChar: EscapeChar;
  readonly directives: readonly Directive[];
}

const DIRECTIVES = new Set(['escape', 'syntax', 'check']);

/** Bytes of a line with its end, at most: BuildKit reads no longer ones. */
const LONGEST_LINE = 65_536;

/** Splits a Dockerfile into instructions: directives, comments, continued lines and here-documents. */
export function readRecipe(source: string): Recipe {
  const rows = source.replace(/^\uFEFF/, '').split(/(?<=\n)/);
  const { escapeChar, directives, problem } = readDirectives(rows);
  const long = findLongLine(rows);
  const lines: LogicalLine[] = [problem, long].filter((one) => one !== undefined);
  for (let index = 0; index < rows.length; index++) {
    const line = index + 1;
    if (isPassedOver(rows[index]!)) continue;
    let joined = '';
    for (;;) {
      const row = withoutEnd(rows[index]!, '\r\n');
      const rest = withoutMark(row, escapeChar);
      joined += rest ?? row;
      if (rest === undefined) break;
      // Within a continued instruction, comments and empty lines are passed over.
      do index++;
      while (index < rows.length && isPassedOver(rows[index]!));
      if (index >= rows.length) break;
    }
    const text = joined.trim();
    const documents: HereDocument[] = [];
    let unfinished: string | undefined;
    // A space at the end may belong to the name of a document: `<<EOF\ `.
    for (const opening of openingsIn(joined.trimStart())) {
      const end = findEnd(rows, index + 1, opening);
      if (end === undefined) {
        unfinished = `nothing ends the document '${opening.name}'`;
        break;
      }
      documents.push({ ...opening, text: rows.slice(index + 1, end).join('') });
      index = end;
    }
    if (text) lines.push({ line, text, documents, problem: unfinished });
    // Nobody builds such a file, and each further document would be looked for to its end.
    if (unfinished) break;
  }
  return { lines, escapeChar, directives };
}

function findLongLine(rows: readonly string[]): LogicalLine | undefined {
  const index = rows.findIndex((row) => Buffer.byteLength(row) > LONGEST_LINE);
  if (index < 0) return undefined;
  const problem = `it has more than ${LONGEST_LINE - 1} bytes, and docker reads no longer lines`;
  return { line: index + 1, text: 'LINE', documents: [], problem };
}

/** Whether a row is a comment or empty. */
function isPassedOver(row: string): boolean {
  return /^\s*(#|$)/.test(row);
}

/** A row without the mark at its end that continues it; undefined where it has none, or one that is quoted. */
function withoutMark(row: string, mark: EscapeChar): string | undefined {
  const end = withoutEnd(row, ' \t');
  return end.endsWith(mark) && end.at(-2) !== mark ? end.slice(0, -1) : undefined;
}

/** A text without some characters at its end; a regular expression would look at long ones again and again. */
function withoutEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/**
 * Directives are comments of a form of their own, each once, before anything else. Behind the line that names a program to run
 * the file with (`#!`), BuildKit looks for all but the escape character.
 */
function readDirectives(rows: readonly string[]): {
  escapeChar: EscapeChar;
  directives: readonly Directive[];
  problem?: LogicalLine;
} {
  let escapeChar: EscapeChar = '\\';
  const directives: Directive[] = [];
  const isProgram = rows[0]?.startsWith('#!') === true;
  for (const [index, row] of rows.entries()) {
    if (index === 0 && isProgram) continue;
    const text = row.trim();
    const mistake = (what: string): LogicalLine => ({ line: index + 1, text, documents: [], problem: what });
    const [, written = '', rest = ''] = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=(.*)$/s.exec(text) ?? [];
    const name = written.toLowerCase();
    const value = rest.trim();
    if (!DIRECTIVES.has(name) || !value) break;
    if (!isProgram && directives.some((one) => one.name === name)) {
      return { escapeChar, directives, problem: mistake(`there is a second directive '${name}'`) };
    }
    directives.push({ line: index + 1, name, value });
    if (name !== 'escape' || isProgram) continue;
    if (value !== '`' && value !== '\\') {
      return { escapeChar, directives, problem: mistake(`the escape character can't be '${value}'`) };
    }
    escapeChar = value;
  }
  return { escapeChar, directives };
}

/** Only these instructions take here-documents; `ONBUILD` takes them for what it delays. */
const TAKES_DOCUMENTS = /^(?:onbuild\s+)?(?:add|copy|run)\s/i;

const noVariables = () => undefined;

/** Whatever the escape character of the file, a backslash is the one of here-documents. */
const DOCUMENT_ESCAPE = '\\';

function openingsIn(text: string): Opening[] {
  if (!text.includes('<<') || !TAKES_DOCUMENTS.test(text)) return [];
  try {
    const { words } = expand(text, noVariables, DOCUMENT_ESCAPE, {
      raw: true,
      keepUnset: true,
    });
    return words.flatMap((word) => readOpening(word) ?? []);
  } catch (error) {
    // A command may have words that only a shell can read, and then no document.
    if (error instanceof WordError) return [];
    throw error;
  }
}

/** Reads a word that introduces a here-document, such as `<<EOF` or `3<<-"END"`; undefined for any other. */
export function readOpening(word: string): Opening | undefined {
  const [, dash, rest] = /^\d*<<(-?)\s*([^<]*)$/.exec(word) ?? [];
  if (!rest) return undefined;
  // Variables have no place in the name of a document: they stay as they are written.
  const { words } = expand(rest, noVariables, DOCUMENT_ESCAPE, { keepUnset: true });
  const [name] = words;
  if (name === undefined || words.length > 1) return undefined;
  const quotes = (text: string) => text.replace(/[^'"]/g, '').length;
  return { name, expand: quotes(rest) === quotes(name), chomp: dash === '-' };
}

/** In which row a document ends; undefined where nothing ends it. */
function findEnd(rows: readonly string[], from: number, { name, chomp }: Opening): number | undefined {
  for (let index = from; index < rows.length; index++) {
    const row = withoutEnd(rows[index]!, '\r\n');
    if ((chomp ? row.replace(/^\t+/, '') : row) === name) return index;
  }
  return undefined;
}
