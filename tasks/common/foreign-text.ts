import { stripVTControlCharacters } from 'node:util';

/**
 * Breaks up everything in a text that the agent would obey or decorate: it takes `##vso[` anywhere in a line for a
 * command, warns of any other `##vso`, and draws `##[error]` and the like. Text from docker, notebooks, services and
 * file names must not be able to set variables or results.
 */
export function defuse(text: string): string {
  return text.replace(/##(?=vso|\[)/gi, '##_');
}

/** Removes color codes and all control characters but line feeds and tabs; a lone carriage return ends a line. */
export function stripControls(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\r\n?/g, '\n')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g, '');
}

/** Cuts a text at a number of characters and says how much was left out. */
export function bound(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text;
  // Half of a pair that stands for one character would be none.
  const isWithinPair =
    /[\ud800-\udbff]/.test(text[maxCharacters - 1] ?? '') && /[\udc00-\udfff]/.test(text[maxCharacters]!);
  const end = isWithinPair ? maxCharacters - 1 : maxCharacters;
  return `${text.slice(0, end)}… (${text.length - end} more characters)`;
}
