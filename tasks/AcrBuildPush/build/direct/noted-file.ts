import type { FileNode } from '../../files/file-tree';

/** A file or folder, with the text of those that tell users' names. */
export interface NotedFile {
  readonly kind: FileNode['kind'];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly target?: string;
  readonly text?: string;
}

export function noteOf(node: FileNode): NotedFile {
  const { kind, mode, uid, gid } = node;
  return {
    kind,
    mode,
    uid,
    gid,
    ...(node.kind === 'symlink' && { target: node.target }),
    ...(node.kind === 'file' && node.content.kind === 'text' && { text: node.content.data.toString('utf8') }),
  };
}

export function nodeOf({ kind, mode, uid, gid, target = '', text }: NotedFile): FileNode {
  const owned = { mode, uid, gid };
  if (kind === 'symlink') return { kind, ...owned, target };
  if (kind !== 'file') return { kind, ...owned };
  return {
    kind,
    ...owned,
    content: text === undefined ? { kind: 'base' } : { kind: 'text', data: Buffer.from(text) },
  };
}
