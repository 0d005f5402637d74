import { randomUUID } from 'node:crypto';
import { isTooMuch } from '../json';

/** What {@link parseJson} reads and {@link writeJson} writes. */
export type Json = null | boolean | number | bigint | string | Json[] | JsonObject;
export type JsonObject = { [name: string]: Json };

/**
 * Parses JSON without losing digits: whole numbers that a JavaScript number can't hold, as Databricks' ids may be,
 * come back as bigints. (Node 20 shows a reviver the rounded number only.)
 *
 * @throws SyntaxError when the text is not JSON
 */
export function parseJson(text: string): Json {
  checkSize(text);
  // Marks a long number while it is a string; no text from outside begins with it.
  const mark = `number ${randomUUID()} `;
  const marked = quoteNumbers(text, (number) => (/^-?\d{16,}$/.test(number) ? mark + number : undefined));
  return JSON.parse(marked, (_name, value) =>
    typeof value === 'string' && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value,
  );
}

/** Parses JSON with all numbers as strings, as they were written: `1.0` stays `1.0`. */
export function parseJsonVerbatim(text: string): unknown {
  checkSize(text);
  JSON.parse(text);
  return JSON.parse(quoteNumbers(text, (number) => number));
}

/** Whoever walks through what nests too deeply runs out of stack, and what has too many values fills the memory. */
function checkSize(text: string): void {
  if (isTooMuch(text)) throw new SyntaxError('it nests too deeply, or has too many values');
}

/** Writes JSON; a bigint becomes a plain number, and members that are undefined are left out. */
export function writeJson(value: unknown): string {
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${writeJson(member)}`).join(',')}}`;
}

/** Steps from token to token: a pattern for whole strings overflows the stack on outputs of some megabytes. */
function quoteNumbers(json: string, textFor: (number: string) => string | undefined): string {
  let inString = false;
  return json.replace(/\\.|"|-?\d[\d.eE+-]*/gs, (token) => {
    if (token === '"') inString = !inString;
    const text = !inString && /^[-\d]/.test(token) ? textFor(token) : undefined;
    return text === undefined ? token : `"${text}"`;
  });
}

/** Whether a value of such JSON is an object, and no list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
