import { randomUUID } from 'node:crypto';

/**
 * JSON whose integers keep all their digits. Databricks' ids are 64-bit integers, and a JavaScript number holds only 53
 * bits of one: integers beyond that are read as `bigint`, and a `bigint` is written as a plain integer.
 */

export type Json = null | boolean | number | bigint | string | Json[] | { [name: string]: Json | undefined };
export type JsonObject = { [name: string]: Json | undefined };

const LONG_INTEGER = /(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g;

/** Marks digits while they are a string; no text from outside can begin with it. */
const MARK = `integer ${randomUUID()} `;

/** @throws SyntaxError when it is not JSON. */
export function parseJson(text: string): Json {
  return JSON.parse(quoteLongIntegers(text), (_name, value) =>
    typeof value === 'string' && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value,
  );
}

function quoteLongIntegers(text: string): string {
  const parts: string[] = [];
  for (let start = 0; start < text.length; ) {
    const quote = text.indexOf('"', start);
    const end = quote === -1 ? text.length : quote;
    parts.push(text.slice(start, end).replace(LONG_INTEGER, `"${MARK}$&"`));
    start = quote === -1 ? end : endOfString(text, quote);
    parts.push(text.slice(end, start));
  }
  return parts.join('');
}

/** Where the string that begins at a quote is over. A loop: regular expressions run out of stack on long strings. */
function endOfString(text: string, quote: number): number {
  let at = quote + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

export function writeJson(value: Json): string {
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${writeJson(member!)}`).join(',')}}`;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
