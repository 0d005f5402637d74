/** Shorter values would blank out half the log, and protect nothing. */
const SHORTEST = 3;

/** Base64 of less than this may well be a part of something else. */
const SHORTEST_BASE64 = 8;

const known = new Map<string, string>();
let pattern: RegExp | undefined;

/**
 * The forms in which a secret turns up most, for the agent to mask. It knows literal values, line by line, so each line of
 * a multi-line secret and each encoding has to be told one by one.
 */
function derivedForms(secret: string, username?: string): string[] {
  const forms = partsOf(secret).flatMap((value) => {
    const json = JSON.stringify(value).slice(1, -1);
    const base64 = Buffer.from(value).toString('base64');
    return [
      value,
      percentEncoded(value),
      // As forms are sent, which is not how `encodeURIComponent` encodes: `~` becomes `%7E`, a space `+`.
      new URLSearchParams([['', value]]).toString().slice(1),
      json,
      // Go's encoder, docker's and Databricks' among others.
      json.replace(/[<>&]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`),
      value.replace(/[&<>"']/g, (sign) => HTML_NAMES.get(sign)!),
      base64,
      base64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, ''),
    ];
  });
  if (username) forms.push(Buffer.from(`${username}:${secret.trim()}`).toString('base64'));
  return [...new Set(forms)].filter((form) => form.length >= SHORTEST && !form.includes('\n'));
}

/** Remembers a secret in all its forms and returns those that the agent was not told before. */
export function rememberSecret(secret: string, username?: string): string[] {
  const fresh = derivedForms(secret, username).filter((form) => !known.has(form));
  for (const form of fresh) known.set(form, escapeRegExp(form));
  for (const value of partsOf(secret)) {
    if (value.length < SHORTEST) continue;
    known.set(value, spellings(value));
    for (const core of base64Cores(value)) if (!known.has(core)) known.set(core, escapeRegExp(core));
  }
  pattern = undefined;
  return fresh;
}

/** Begins anew, as a step's process does. */
export function forgetSecrets(): void {
  known.clear();
  pattern = undefined;
}

/**
 * Replaces every known secret in a text by `***`, however its characters are escaped. The agent masks its log, but
 * neither uploaded files nor summaries: those must pass through here. A text is cut only afterwards, since the beginning
 * of a secret would no longer be known for one.
 */
export function redact(text: string): string {
  if (known.size === 0) return text;
  pattern ??= new RegExp(
    [...known]
      .sort(([a], [b]) => b.length - a.length)
      .map(([, source]) => source)
      .join('|'),
    'g',
  );
  return text.replace(pattern, '***');
}

/** A secret as a whole, and each of its lines. */
function partsOf(secret: string): string[] {
  const lines = secret.split(/\r?\n/).map((line) => line.trim());
  return [...new Set([secret.trim(), ...lines])].filter((value) => value !== '');
}

function percentEncoded(value: string): string {
  // Half a surrogate pair can't be encoded, and is no text.
  return encodeURIComponent(Buffer.from(value).toString());
}

const HTML_NAMES = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
]);

/** A pattern of a secret, each character of which may be written as URLs, JSON, HTML or Markdown write it. */
function spellings(value: string): string {
  return [...value].map((character) => (/\w/.test(character) ? character : spellingsOf(character))).join('');
}

function spellingsOf(character: string): string {
  const units = [...character].flatMap((part) =>
    Array.from({ length: part.length }, (_, at) => part.charCodeAt(at)),
  );
  const decimal = String(character.codePointAt(0));
  const hex = (code: number, digits: number) => anyCase(code.toString(16).padStart(digits, '0'));
  const encoded = [...Buffer.from(character)].map((byte) => `%(?:25)*${hex(byte, 2)}`).join('');
  const name = HTML_NAMES.get(character);
  return `(?:${[
    encoded,
    units.map((unit) => `\\\\u${hex(unit, 4)}`).join(''),
    `&#0*${decimal};`,
    `&#[xX]0*${anyCase(character.codePointAt(0)!.toString(16))};`,
    ...(name ? [name] : []),
    ...(character === "'" ? ['&apos;'] : []),
    ...(character === ' ' ? ['\\+'] : []),
    ...(character === '\n' ? ['\\\\n', '\\r\\n'] : []),
    ...(character === '\r' ? ['\\\\r'] : []),
    ...(character === '\t' ? ['\\\\t'] : []),
    // A backslash stands before what JSON or Markdown would act on; before a backslash, too.
    `\\\\?${escapeRegExp(character)}`,
  ].join('|')})`;
}

function anyCase(hex: string): string {
  return hex.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}

/**
 * What is the same in the Base64 of every text that holds a value, such as that of `user:secret`: it depends on where in
 * three bytes the value begins.
 */
function base64Cores(value: string): string[] {
  const bytes = Buffer.from(value);
  return [0, 1, 2]
    .flatMap((offset) => {
      const whole = Buffer.concat([Buffer.alloc(offset), bytes]);
      const from = Math.ceil((offset * 8) / 6);
      const to = Math.floor((whole.length * 8) / 6);
      return (['base64', 'base64url'] as const).map((encoding) => whole.toString(encoding).slice(from, to));
    })
    .filter((core) => core.length >= SHORTEST_BASE64);
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
