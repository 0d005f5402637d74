import { bound, defuse, stripControls } from '../foreign-text';
import { redact } from '../secrets';
import { isObject, type Json, type JsonObject, parseJson } from './json';

/** What the body of a refusal says. */
export interface ErrorBody {
  /** The service's name for the error; empty when it gave none. */
  readonly code: string;
  /** The service's own words, made safe. */
  readonly reason: string;
  /** What it says further, by the names it gives. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads an error from JSON of several shapes, since the generations of the APIs word it differently; from
 * `CODE: message`, or from what a web page shows.
 */
export function readErrorBody(body: string): ErrorBody {
  const wire = tryParse(body);
  if (wire) {
    const details = Array.isArray(wire.details) ? wire.details.filter(isObject) : [];
    const members = details.flatMap(({ metadata }) => Object.entries(isObject(metadata) ? metadata : {}));
    const texts = members.filter((member): member is [string, string] => typeof member[1] === 'string');
    return {
      code: firstWord(wire.error_code, wire.scimType),
      reason: clean(firstWord(wire.message, wire.error, wire.detail)),
      metadata: Object.fromEntries(texts),
    };
  }
  const [, code = '', text = textOfPage(body)] = /^([A-Z_]{4,}): (.+)$/s.exec(body.trim()) ?? [];
  return { code, reason: clean(text), metadata: {} };
}

/** The first of some members that is a word or a number. */
function firstWord(...members: readonly (Json | undefined)[]): string {
  const found = members.find((member) => ['string', 'number', 'bigint'].includes(typeof member));
  return found === undefined ? '' : String(found);
}

function tryParse(body: string): JsonObject | undefined {
  try {
    const parsed = parseJson(body);
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Characters of a page that say what it is; what follows is decoration, and takes ever longer to look through. */
const TELLING_PART = 8_000;

function textOfPage(page: string): string {
  const part = page.slice(0, TELLING_PART);
  const [, shown = part] = /<pre>(.*?)<\/pre>/is.exec(part) ?? /<title>(.*?)<\/title>/is.exec(part) ?? [];
  return shown.replace(/<(style|script)\b.*?<\/\1>|<[^<>]*>/gis, ' ');
}

function clean(text: unknown): string {
  return bound(
    redact(defuse(stripControls(String(text))))
      .replace(/\s+/g, ' ')
      .trim(),
    500,
  );
}
