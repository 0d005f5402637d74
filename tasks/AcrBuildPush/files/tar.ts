import type { FileNode } from './file-tree';

export const BLOCK = 512;

export interface TarEntry {
  /** Without a slash at its begin or end. */
  readonly path: string;
  readonly node: FileNode;
  /** The path of an earlier entry that this file is a link of. */
  readonly linkTo: string | undefined;
  /** Bytes that follow the header; 0 for all but files. */
  readonly size: number;
}

/** How many bytes fill up the last block of a file. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** The largest numbers that fit into the octal fields of a header. */
const LARGEST_ID = 0o7777777;
const LARGEST_SIZE = 0o77777777777;

/**
 * The header of an entry: ustar, with a pax header before it for what ustar has no room for. Nothing in it depends on
 * the time or the machine.
 */
export function tarHeader({ path, node, linkTo, size }: TarEntry): Buffer {
  const name = node.kind === 'directory' ? `${path}/` : path;
  const link = linkTo ?? (node.kind === 'symlink' ? node.target : '');
  const records: Record<string, string> = {
    ...(!fits(name, 100) && { path: name }),
    ...(!fits(link, 100) && { linkpath: link }),
    ...(size > LARGEST_SIZE && { size: String(size) }),
    ...(node.uid > LARGEST_ID && { uid: String(node.uid) }),
    ...(node.gid > LARGEST_ID && { gid: String(node.gid) }),
  };
  const header = ustar({ name, link, size, node, type: typeFlag(node, linkTo) });
  const pax = paxRecords(records);
  if (!pax.length) return header;
  const paxNode: FileNode = { kind: 'special', mode: 0o644, uid: 0, gid: 0 };
  const paxName = `PaxHeaders.0/${path.slice(path.lastIndexOf('/') + 1)}`;
  return Buffer.concat([
    ustar({ name: paxName, link: '', size: pax.length, node: paxNode, type: 'x' }),
    pax,
    Buffer.alloc(padding(pax.length)),
    header,
  ]);
}

function typeFlag(node: FileNode, linkTo: string | undefined): string {
  if (linkTo !== undefined) return '1';
  if (node.kind === 'symlink') return '2';
  return node.kind === 'directory' ? '5' : '0';
}

function fits(text: string, bytes: number): boolean {
  return /^[\x20-\x7e]*$/.test(text) && text.length <= bytes;
}

interface Ustar {
  readonly name: string;
  readonly link: string;
  readonly size: number;
  readonly node: FileNode;
  readonly type: string;
}

function ustar({ name, link, size, node, type }: Ustar): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) =>
    header.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1');
  // What does not fit stands in the pax header; readers that don't know those get the begin.
  Buffer.from(name).copy(header, 0, 0, 100);
  octal(node.mode, 100, 8);
  octal(Math.min(node.uid, LARGEST_ID), 108, 8);
  octal(Math.min(node.gid, LARGEST_ID), 116, 8);
  octal(size > LARGEST_SIZE ? 0 : size, 124, 12);
  octal(0, 136, 12);
  header.fill(' ', 148, 156);
  header.write(type, 156, 'latin1');
  Buffer.from(link).copy(header, 157, 0, 100);
  header.write('ustar\x0000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** Records of the form `<length> <name>=<value>`, where the length counts itself. */
function paxRecords(records: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(records).map(([name, value]) => {
      const rest = Buffer.from(` ${name}=${value}\n`);
      let length = rest.length;
      while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
      return Buffer.concat([Buffer.from(String(length)), rest]);
    }),
  );
}
