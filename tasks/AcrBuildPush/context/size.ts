import { existsSync, readFileSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatBytes, plural } from '../../common/text';
import { type IgnoreRules, parseIgnoreRules } from './ignore';

/** What of a build context may be sent to a builder. */
export interface ContextSize {
  readonly bytes: number;
  readonly files: number;
  /** Folders and files at the top, the largest first. */
  readonly largest: readonly { readonly name: string; readonly bytes: number }[];
  /** Counting was given up: there is more. */
  readonly isPartial: boolean;
}

/** Counting more would take seconds, and says nothing new. */
const MOST_FILES = 50_000;

/** From here on a context is worth a word, in bytes. */
const BIG_CONTEXT = 100_000_000;

/** The rules for a build: those beside the Dockerfile, which BuildKit alone looks at, or those of the context. */
export function readIgnoreRules(
  context: string,
  dockerfile: string,
  builder: { isLegacy: boolean },
): IgnoreRules {
  const own = `${dockerfile}.dockerignore`;
  const file = !builder.isLegacy && existsSync(own) ? own : join(context, '.dockerignore');
  return parseIgnoreRules(existsSync(file) ? readFileSync(file, 'utf8') : '');
}

/** Adds up the files of a context that are not left out. Links are not followed. */
export async function measureContext(context: string, rules: IgnoreRules): Promise<ContextSize> {
  const bytesByName = new Map<string, number>();
  let files = 0;
  const walk = async (folder: string, top: string | undefined): Promise<void> => {
    const entries = await readdir(join(context, folder), { withFileTypes: true });
    for (const entry of entries) {
      if (files >= MOST_FILES) return;
      const path = folder ? `${folder}/${entry.name}` : entry.name;
      const name = top ?? entry.name;
      const ignored = rules.ignores(path);
      if (entry.isDirectory()) {
        if (!ignored || rules.hasExceptions) await walk(path, name);
      } else if (!ignored && entry.isFile()) {
        files += 1;
        bytesByName.set(name, (bytesByName.get(name) ?? 0) + (await lstat(join(context, path))).size);
      }
    }
  };
  await walk('', undefined);
  const largest = [...bytesByName]
    .map(([name, bytes]) => ({ name, bytes }))
    .sort((a, b) => b.bytes - a.bytes);
  const bytes = largest.reduce((sum, one) => sum + one.bytes, 0);
  return { bytes, files, largest, isPartial: files >= MOST_FILES };
}

/** What to say of a context that makes builds slow; undefined for a small one. */
export function describeBigContext({ bytes, files, largest, isPartial }: ContextSize): string | undefined {
  if (bytes < BIG_CONTEXT && !isPartial) return undefined;
  const top = largest.slice(0, 5).map(({ name, bytes: size }) => `${name} (${formatBytes(size)})`);
  return `The build context has ${isPartial ? 'more than ' : ''}${formatBytes(bytes)} in ${plural(files, 'file')}. Largest: ${top.join(', ')}. Name in .dockerignore what the image does not need.`;
}
