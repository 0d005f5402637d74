import { TaskError } from './errors';
import { bound } from './foreign-text';

/** The deepest that an answer may nest: those of the services here nest less than twenty deep. */
const DEEPEST = 200;

const [QUOTE, BACKSLASH, COMMA, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [
  0x22, 0x5c, 0x2c, 0x7b, 0x7d, 0x5b, 0x5d,
];

/** The most values that an answer of a service has: pages of lists and manifests of images have some thousands. */
const MOST_VALUES = 100_000;

/**
 * What a JSON text says; undefined where it is none, has more values than fit into memory, or nests so deep that whoever
 * walks through it would run out of stack.
 */
export function readJson(text: string | Buffer, mostValues = MOST_VALUES): unknown {
  const json = text.toString();
  if (isTooMuch(json, mostValues)) return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** What a JSON text says, where that is an object; one without members where it is not. */
export function readJsonObject(text: string | Buffer, mostValues = MOST_VALUES): Record<string, unknown> {
  return recordOf(readJson(text, mostValues));
}

/** A value where that is an object; one without members where it is not. */
export function recordOf(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

/** Whether a value of JSON is an object, and no list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A text within the JSON of an answer, at a path of members such as `properties.runId`.
 *
 * @param from who sent it, as the message begins with
 * @throws TaskError that says what came in its place
 */
export function textIn(content: unknown, path: string, from: string): string {
  let value = content;
  for (const name of path.split('.')) value = isRecord(value) ? value[name] : undefined;
  if (typeof value === 'string' && value !== '') return value;
  throw new TaskError(
    `${from} did not tell '${path}', but sent ${describe(content)}. Check for a proxy in between, and run the step again.`,
  );
}

/** What JSON is, without anything of it that could be secret. */
function describe(value: unknown): string {
  if (value === undefined) return 'no JSON';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (!isRecord(value)) return `a ${typeof value}`;
  const names = Object.keys(value).slice(0, 5);
  return names.length > 0
    ? `an object of ${names.map((name) => bound(name, 40)).join(', ')}`
    : 'an empty object';
}

/**
 * Whether a JSON text nests deeper than any answer, or has more values than some: each takes much more memory than its few
 * characters, and time in which nothing else goes on.
 */
export function isTooMuch(json: string, mostValues = MOST_VALUES): boolean {
  let depth = 0;
  let values = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const character = json.charCodeAt(at);
    if (inString) {
      if (character === BACKSLASH) at += 1;
      else if (character === QUOTE) inString = false;
    } else if (character === QUOTE) {
      inString = true;
    } else if (character === OPEN_BRACE || character === OPEN_BRACKET) {
      depth += 1;
      values += 1;
      if (depth > DEEPEST || values > mostValues) return true;
    } else if (character === CLOSE_BRACE || character === CLOSE_BRACKET) {
      depth -= 1;
    } else if (character === COMMA) {
      values += 1;
    }
  }
  return false;
}
