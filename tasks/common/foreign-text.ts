import { stripVTControlCharacters } from 'node:util';
import { redact } from './secrets';

/**
 * Breaks up everything in a text that the agent would obey or decorate: it takes `##vso[` anywhere in a line for a
 * command, warns of any other `##vso`, and draws `##[error]` and the like. Text from docker, notebooks, services and
 * file names must not be able to set variables or results.
 */
export function defuse(text: string): string {
  return text.replace(/##(?=vso|\[)/gi, '##_');
}

/**
 * Removes color codes, marks that turn the direction of writing, and all control characters but line feeds and tabs; a
 * lone carriage return ends a line.
 */
export function stripControls(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\r\n?/g, '\n')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '');
}

/**
 * Cuts a text at a number of characters and says how much was left out. Secrets are taken out first: the beginning of one
 * would no longer be known.
 */
export function bound(text: string, maxCharacters: number): string {
  const whole = redact(stripControls(text));
  if (whole.length <= maxCharacters) return whole;
  // A character beyond the first 65,536 is a pair of units.
  const end = /[\ud800-\udbff]/.test(whole[maxCharacters - 1]!) ? maxCharacters - 1 : maxCharacters;
  return `${whole.slice(0, end)}… (${whole.length - end} more characters)`;
}
