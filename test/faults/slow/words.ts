import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A pattern in the source, and in it what it looks for letter by letter. */
const PATTERN =
  /(?<=[=(:,?|&\s[!])\/(?![/*])((?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/[dgimsuvy]*(?=[\s.,;)\]])/g;
const LITERAL = /[\w<>"':=#./ -]{3,}/g;

/**
 * What the patterns of the tasks look for. Repeated, each is the nastiest input for the pattern that begins with it: it may
 * look to the end of the text from every place where it begins.
 */
export function patternWords(): string[] {
  const words = new Set<string>();
  for (const file of readdirSync('tasks', { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    for (const [, pattern] of readFileSync(join('tasks', file), 'utf8').matchAll(PATTERN)) {
      const bare = pattern!
        .replace(/\[(?:[^\]\\]|\\.)*\]|\\[a-zA-Z]|\(\?(?:[:=!]|<[=!])/g, '\n')
        .replace(/\\(.)/g, '$1');
      for (const [word] of bare.matchAll(LITERAL)) words.add(word);
    }
  }
  return [...words].sort();
}
