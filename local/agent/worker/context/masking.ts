import { SecretIndex } from './secret-index';

/** What the agent puts in place of a secret. */
const MASK = '***';

/** A minimum length that is set higher than this counts as this. */
const LONGEST_IGNORED = 6;

// The password in `https://user:password@host` is hidden even when nobody named it a secret.
const URL_PASSWORD =
  /(?<=\/\/[^:/?#\n]+:)(?:[\p{L}\p{M}\p{Nd}\p{Pc}.~-]|%(?:AZP25)?[0-9a-fA-F]{2}|[!$&'()*+,;=:])+(?=@)/gu;

/**
 * Hides secrets in log lines exactly as far as the agent does, not further: one line at a time, known
 * encodings only, so that a log which leaks on a real agent leaks here too.
 */
export class SecretMasker {
  private readonly secrets = new Set<string>();
  /** Made when it is needed, since secrets come in groups. */
  private index: SecretIndex | undefined;
  private minimum = 0;

  /** Secrets shorter than this are not hidden (`AZP_IGNORE_SECRETS_SHORTER_THAN`). */
  set minimumLength(length: number) {
    this.minimum = Math.min(length, LONGEST_IGNORED);
    for (const secret of this.secrets) if (secret.length < this.minimum) this.secrets.delete(secret);
    this.index = undefined;
  }

  get minimumLength(): number {
    return this.minimum;
  }

  /** Hides a value and what JSON, URL and backslash encoding make of it. */
  add(value: string): void {
    if (value.length < this.minimum) return;
    for (const form of [value, jsonEscaped(value), uriEscaped(value), backslashUnescaped(value)]) {
      if (form !== '' && form.length >= this.minimum) this.secrets.add(form);
    }
    this.index = undefined;
  }

  /** Hides a secret variable of the job in all forms in which the agent expects it to turn up. */
  addVariable(value: string): void {
    if (value.trim() === '') return;
    const base64 = Buffer.from(value, 'utf8').toString('base64');
    for (const form of [value, base64]) {
      this.addTrimmed(form);
      this.addTrimmed(escapeLineBreaks(form.replaceAll('%', '%AZP25')));
      this.addTrimmed(escapeLineBreaks(form));
    }
  }

  private addTrimmed(value: string): void {
    this.add(value);
    for (const quote of ["'", '"']) {
      if (value.length > 1 && value.startsWith(quote) && value.endsWith(quote)) this.add(trim(value, quote));
    }
    this.add(trim(value, '\r\n '));
  }

  mask(text: string): string {
    this.index ??= new SecretIndex(this.secrets);
    const spans = this.index.find(text);
    // The pattern looks back from every colon, which is worth it in lines with an address only.
    for (const match of text.includes('//') ? text.matchAll(URL_PASSWORD) : []) {
      spans.push([match.index, match.index + match[0].length]);
    }
    if (spans.length === 0) return text;

    spans.sort(([a], [b]) => a - b);
    let masked = '';
    let end = 0;
    let covered = -1;
    for (const [start, stop] of spans) {
      // Spans that overlap or touch become one.
      if (start > covered) masked += text.slice(end, start) + MASK;
      covered = Math.max(covered, stop);
      end = covered;
    }
    return masked + text.slice(end);
  }
}

function trim(text: string, characters: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && characters.includes(text.charAt(start))) start++;
  while (end > start && characters.includes(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

function escapeLineBreaks(text: string): string {
  return text.replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function jsonEscaped(text: string): string {
  const rare = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\u0085\u2028\u2029]/g, rare);
}

/** `encodeURIComponent` leaves five characters alone that .NET's escaping does not. */
function uriEscaped(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString()).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function backslashUnescaped(text: string): string {
  return text.replaceAll('\\\\', '\\').replaceAll("\\'", "'").replaceAll('\\"', '"').replaceAll('\\t', '\t');
}
