import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** What stands in every page beside its content. They are files of their own so that editors and linters know them. */
export const STYLE = read('style.css');
export const PAGE_SCRIPT = read('page-script.js');
/** Follows a run that goes on; comes after the other script, whose functions it calls. */
export const LIVE_SCRIPT = read('live-script.js');

/** What the page's security policy calls a script that may run. */
export function scriptHash(script: string): string {
  return `'sha256-${createHash('sha256').update(script).digest('base64')}'`;
}

function read(file: string): string {
  return readFileSync(new URL(file, import.meta.url), 'utf8').trim();
}
