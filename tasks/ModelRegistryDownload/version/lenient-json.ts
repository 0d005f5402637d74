import { readJson } from '../../common/json';

/** Numbers that Python writes, and that JSON does not have. */
const NO_NUMBERS = ['NaN', '-Infinity', 'Infinity'];

/**
 * What people's programs write for JSON: Python writes metrics that are no numbers as `NaN`, which is none, and PowerShell
 * begins its files with a byte order mark, some of them in UTF-16.
 *
 * @returns undefined where it is none even so, or has too much in it
 */
export function readLenientJson(content: Buffer, mostValues?: number): unknown {
  const text = decode(content);
  const read = readJson(text, mostValues);
  return read === undefined && NO_NUMBERS.some((word) => text.includes(word))
    ? readJson(withNulls(text), mostValues)
    : read;
}

function decode(content: Buffer): string {
  const [first, second] = content;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(content);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(content);
  // Leaves the mark out.
  return new TextDecoder().decode(content);
}

/** By hand, since the time that a pattern takes may grow with the square of a text that ends within a string. */
function withNulls(text: string): string {
  const parts: string[] = [];
  let from = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (inString) {
      if (character === '\\') at += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') {
      inString = true;
    } else if ('NI-'.includes(character)) {
      const word = NO_NUMBERS.find((one) => text.startsWith(one, at));
      if (word === undefined) continue;
      parts.push(text.slice(from, at), 'null');
      from = at + word.length;
      at = from - 1;
    }
  }
  return parts.join('') + text.slice(from);
}
