import { TaskError } from '../../common/errors';
import { splitRawWords } from './words';

/** A document within a Dockerfile: `<<EOF` and the lines down to `EOF`. */
export interface HereDocument {
  /** The word that introduces it, as it is written among the arguments. */
  readonly word: string;
  readonly name: string;
  readonly text: string;
  /** Whether variables in it are replaced. */
  readonly expand: boolean;
}

/** An instruction with its continued lines joined, not taken apart any further. */
export interface LogicalLine {
  /** Where it begins, counted from 1. */
  readonly line: number;
  readonly text: string;
  readonly documents: readonly HereDocument[];
}

export interface Recipe {
  readonly lines: readonly LogicalLine[];
  /** The character that quotes the next one and, at the end of a line, continues it. */
  readonly escapeChar: '\\' | '`';
}

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const DIRECTIVES = new Set(['escape', 'syntax', 'check']);
const HERE_DOCUMENT = /^(\d*)<<(-?)([^<]+)$/;

/**
 * Splits a Dockerfile into instructions: directives, comments, continued lines and here-documents.
 *
 * @throws TaskError when a here-document has no end
 */
export function readRecipe(text: string): Recipe {
  const source = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const escapeChar = readEscape(source);
  const mark = escapeChar === '`' ? '`' : '\\\\';
  const continued = new RegExp(`(^|[^${mark}])${mark}[ \\t]*$`);
  const lines: LogicalLine[] = [];

  for (let index = 0; index < source.length; index++) {
    const line = index + 1;
    let part = source[index]!.trimStart();
    if (!part || part.startsWith('#')) continue;
    let joined = '';
    for (;;) {
      const goesOn = continued.test(part);
      joined += goesOn ? part.replace(continued, '$1') : part;
      if (!goesOn) break;
      // Within a continued instruction, comments and empty lines are passed over.
      do index++;
      while (index < source.length && /^\s*(#|$)/.test(source[index]!));
      if (index >= source.length) break;
      part = source[index]!;
    }
    const documents: HereDocument[] = [];
    for (const opening of openings(joined, escapeChar)) {
      const end = source.findIndex(
        (candidate, at) =>
          at > index && (opening.chomp ? candidate.replace(/^\t+/, '') : candidate) === opening.name,
      );
      if (end < 0) {
        throw new TaskError(`The Dockerfile has a mistake in line ${line}: nothing ends '${opening.word}'.`);
      }
      const body = source.slice(index + 1, end).map((row) => (opening.chomp ? row.replace(/^\t+/, '') : row));
      documents.push({
        word: opening.word,
        name: opening.name,
        expand: opening.expand,
        text: body.map((row) => `${row}\n`).join(''),
      });
      index = end;
    }
    if (joined.trim()) lines.push({ line, text: joined.trim(), documents });
  }
  return { lines, escapeChar };
}

/** Directives are comments of a form of their own, before anything else. */
function readEscape(source: readonly string[]): Recipe['escapeChar'] {
  for (const line of source) {
    const [, name, value] = DIRECTIVE.exec(line.trimStart()) ?? [];
    if (!name || !DIRECTIVES.has(name.toLowerCase())) break;
    if (name.toLowerCase() !== 'escape') continue;
    if (value === '`' || value === '\\') return value;
    throw new TaskError(`The Dockerfile has a mistake: its escape character can't be '${value}'.`);
  }
  return '\\';
}

/** Only these instructions take here-documents; `ONBUILD` takes them for what it delays. */
const TAKES_DOCUMENTS = /^(?:onbuild\s+)?(?:add|copy|run)\s/i;

function openings(text: string, escapeChar: string) {
  if (!TAKES_DOCUMENTS.test(text)) return [];
  return splitRawWords(text, escapeChar).flatMap((word) => {
    const [, , dash, rest] = HERE_DOCUMENT.exec(word) ?? [];
    if (!rest) return [];
    const name = rest.replace(/^(["'])(.*)\1$/, '$2');
    return [{ word, name, chomp: dash === '-', expand: name === rest }];
  });
}
