import { join } from 'node:path';
import { gitFolders, readGitFile } from './git-folder';

/** What a commit says of a file: an ordinary one, one that can be started, or a link. */
export type TrackedKind = 'file' | 'executable' | 'link';

/** Files that git tracks, by their paths from the top of the checkout, with slashes. */
export interface GitIndex {
  readonly top: string;
  readonly files: ReadonlyMap<string, TrackedKind>;
}

const KINDS: ReadonlyMap<number, TrackedKind> = new Map([
  [0o100644, 'file'],
  [0o100755, 'executable'],
  [0o120000, 'link'],
]);

/** A larger index is of a checkout of a million files. */
const LARGEST = 200_000_000;

const HEADER = 12;
/** Of an entry: where its mode, its flags and its name begin (git's Documentation/gitformat-index). */
const MODE = 24;
const FLAGS = 60;
const NAME = 62;
const EXTENDED = 0x4000;

/** The index of the git checkout that a folder is part of; undefined where there is none, or none that is understood. */
export function findGitIndex(folder: string): GitIndex | undefined {
  for (const { top, git } of gitFolders(folder)) {
    const index = readGitFile(join(git, 'index'), LARGEST);
    if (!index) continue;
    const files = parseIndex(index);
    return files && { top, files };
  }
  return undefined;
}

/** Versions 2, 3 and 4; undefined for others, for what is damaged, and for an index that is split over two files. */
function parseIndex(data: Buffer): Map<string, TrackedKind> | undefined {
  if (data.length < HEADER || data.toString('latin1', 0, 4) !== 'DIRC') return undefined;
  const version = data.readUInt32BE(4);
  if (version < 2 || version > 4) return undefined;
  const files = new Map<string, TrackedKind>();
  let at = HEADER;
  let name = '';
  try {
    for (let left = data.readUInt32BE(8); left > 0; left--) {
      const kind = KINDS.get(data.readUInt32BE(at + MODE));
      let from = at + NAME + (data.readUInt16BE(at + FLAGS) & EXTENDED ? 2 : 0);
      let kept = '';
      if (version === 4) {
        const dropped = readNumber(data, from);
        from = dropped.end;
        kept = name.slice(0, name.length - dropped.value);
      }
      const end = data.indexOf(0, from);
      if (end < 0) return undefined;
      // Latin 1 keeps bytes as they are, so that a name may be cut within a letter.
      name = kept + data.toString('latin1', from, end);
      if (kind) files.set(Buffer.from(name, 'latin1').toString('utf8'), kind);
      at = version === 4 ? end + 1 : at + Math.ceil((end + 1 - at) / 8) * 8;
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  // The rest of a split index lies in another file.
  return data.includes('link', at, 'latin1') && data.toString('latin1', at, at + 4) === 'link'
    ? undefined
    : files;
}

/** A number as git writes offsets: seven bits a byte, and one added for each byte that goes on. */
function readNumber(data: Buffer, from: number): { value: number; end: number } {
  let at = from;
  let byte = data.readUInt8(at++);
  let value = byte & 0x7f;
  while (byte & 0x80) {
    byte = data.readUInt8(at++);
    value = (value + 1) * 128 + (byte & 0x7f);
  }
  return { value, end: at };
}
