import { formatBytes, plural } from '../../common/text';
import type { ContextEntry } from './build-context';

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

/** Adds up the files of a context. */
export function measureContext(entries: Iterable<ContextEntry>): ContextSize {
  const bytesByName = new Map<string, number>();
  let files = 0;
  for (const { path, node } of entries) {
    if (node.kind !== 'file' || node.content.kind !== 'path') continue;
    const name = path.split('/', 1)[0]!;
    bytesByName.set(name, (bytesByName.get(name) ?? 0) + node.content.size);
    if (++files >= MOST_FILES) break;
  }
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
