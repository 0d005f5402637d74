/**
 * Parses JSON without losing digits: whole numbers that a JavaScript number can't hold, as Databricks' ids may be,
 * come back as strings. (Node 20 shows a reviver the rounded number only.)
 *
 * @throws SyntaxError when the text is not JSON
 */
export function parseJson(text: string): unknown {
  return JSON.parse(quoteNumbers(text, (number) => /^-?\d{16,}$/.test(number)));
}

/** Parses JSON with all numbers as strings, as they were written: `1.0` stays `1.0`. */
export function parseJsonVerbatim(text: string): unknown {
  JSON.parse(text);
  return JSON.parse(quoteNumbers(text, () => true));
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
function quoteNumbers(json: string, isQuoted: (number: string) => boolean): string {
  let inString = false;
  return json.replace(/\\.|"|-?\d[\d.eE+-]*/gs, (token) => {
    if (token === '"') inString = !inString;
    const isNumber = !inString && /^[-\d]/.test(token);
    return isNumber && isQuoted(token) ? `"${token}"` : token;
  });
}
