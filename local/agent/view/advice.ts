import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../../scripts/paths';

/** What docs/troubleshooting.md says of a message that a step may fail with. */
export interface Advice {
  /** The task that says it; undefined for any. */
  readonly task: string | undefined;
  readonly says: RegExp;
  /** Markdown. */
  readonly advice: string;
}

/** A text of fewer words than these would be found in too many messages. */
const FEWEST_WORDS = 3;

/** How many rows may fit one message: one for what failed, one for why. */
const MOST_ROWS = 2;

let advices: readonly Advice[] | undefined;

/** What to do about an error, beyond what it says itself, as Markdown; undefined where nothing is known. */
export function adviceOn(message: string, task: string | undefined): string | undefined {
  advices ??= readAdvices(readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8'));
  const name = task?.replace(/@.*/, '');
  const found = advices.filter((one) => (one.task ?? name) === name && one.says.test(message));
  return found.length === 0
    ? undefined
    : found
        .slice(0, MOST_ROWS)
        .map(({ advice }) => `- ${advice}`)
        .join('\n');
}

/**
 * Reads the tables of messages: in the first column what is said, in backticks, `…` for what differs, in the second what
 * it means. Rows that describe what is seen, or quote too little of it, are left out.
 */
export function readAdvices(markdown: string): Advice[] {
  const found: Advice[] = [];
  let task: string | undefined;
  for (const line of markdown.split('\n')) {
    const heading = /^## (.*)$/.exec(line)?.[1];
    if (heading !== undefined) task = /^\w+$/.test(heading) ? heading : undefined;
    const [, seen = '', advice = ''] = /^\| (.+?) \| (.+) \|$/.exec(line) ?? [];
    for (const [, text = ''] of seen.matchAll(/`([^`]+)`/g)) {
      if (text.split(/\s+/).filter((word) => /\p{L}{2}/u.test(word)).length < FEWEST_WORDS) continue;
      found.push({ task, says: patternOf(text), advice });
    }
  }
  return found;
}

function patternOf(text: string): RegExp {
  const parts = text.split(/\s*…\s*/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  // Bounded, so that a long message takes no longer than its length.
  return new RegExp(parts.filter((part) => part !== '').join('.{0,200}?'), 'is');
}
