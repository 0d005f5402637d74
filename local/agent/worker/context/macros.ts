/**
 * Replaces `$(name)` once, from left to right: what a variable holds is not searched again, and a name that
 * is not known stays as it is written.
 */
export function expandMacros(text: string, find: (name: string) => string | undefined): string {
  let result = text;
  for (let from = 0; ; ) {
    const start = result.indexOf('$(', from);
    const end = start < 0 ? -1 : result.indexOf(')', start + 2);
    if (end < 0) return result;
    const name = result.slice(start + 2, end);
    const value = name === '' ? undefined : find(name);
    if (value === undefined) {
      from = start + 1;
    } else {
      result = result.slice(0, start) + value + result.slice(end + 1);
      from = start + value.length;
    }
  }
}
