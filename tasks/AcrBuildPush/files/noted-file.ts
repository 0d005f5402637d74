import { type FileNode, USER_FILES } from './file-tree';

/* Files of images as they are noted for builds to come: all but their bytes. Anybody may have written such a note. */

/** What is noted is not what it should be; a clause says why. */
export class BrokenNote extends Error {}

/** What is noted of a file, as a note has it. */
interface Attributes {
  readonly kind?: string | null;
  readonly mode?: number | null;
  readonly uid?: number | null;
  readonly gid?: number | null;
}

/** The shape of that. */
export const ATTRIBUTES = { kind: 'text', mode: 'number', uid: 'number', gid: 'number' } as const;

const KINDS: readonly string[] = ['directory', 'file', 'symlink', 'special'] satisfies FileNode['kind'][];

/** Characters of a path and of what a link says, at most, as Linux has it; and of the texts that tell users' names. */
export const LONGEST_PATH = 4096;
const LONGEST_TEXT = 1024 * 1024;

/** What is noted of a file beside its attributes: what a link says, and the text of one that tells users' names. */
export function notedText(path: string, node: FileNode): string | undefined {
  if (node.kind === 'symlink') return node.target;
  const isText = node.kind === 'file' && node.content.kind === 'text' && USER_FILES.has(path);
  return isText ? node.content.data.toString('utf8') : undefined;
}

/**
 * Makes the files that have the same attributes, each by its path and its text.
 *
 * @throws BrokenNote for attributes that no file has; so does what is returned, for a text that a file can't have
 */
export function makerOf({
  kind,
  mode,
  uid,
  gid,
}: Attributes): (path: string, text: string | undefined) => FileNode {
  const isSound =
    typeof kind === 'string' &&
    KINDS.includes(kind) &&
    [mode, uid, gid].every((one) => Number.isSafeInteger(one) && one! >= 0) &&
    mode! <= 0o7777;
  if (!isSound) throw new BrokenNote('it has permissions that are none');
  const owned = { mode: mode!, uid: uid!, gid: gid! };
  return (path, text) => {
    if (text !== undefined && text.length > (kind === 'file' ? LONGEST_TEXT : LONGEST_PATH)) {
      throw new BrokenNote(`'/${path}' has a text that is too long`);
    }
    if (kind === 'symlink') {
      if (text === undefined) throw new BrokenNote(`it does not say where '/${path}' leads`);
      return { kind, ...owned, target: text };
    }
    if (kind !== 'file') return { kind: kind as 'directory' | 'special', ...owned };
    // Of no other file may a note say what is in it.
    if (text === undefined || !USER_FILES.has(path)) return { kind, ...owned, content: { kind: 'base' } };
    return { kind, ...owned, content: { kind: 'text', data: Buffer.from(text) } };
  };
}
