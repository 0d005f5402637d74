import { closeSync, constants, openSync, readSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { NO_LINK } from '../../../common/files/open-folder';

/** Enough to hold a tar's first header, packed or not. */
const HEAD = 64 * 1024;

/** How the compressed files begin whose content can't be looked into here. */
const PACKED = [/^BZh/, /^\xfd7zXZ\0/, /^\x28\xb5\x2f\xfd/];

/** Whether `ADD` would unpack a file: a tar, packed or not. Of what can't be looked into, it is taken to be one. */
export function isArchive(path: string): boolean {
  const head = readHead(path);
  const start = head.toString('latin1', 0, 6);
  if (PACKED.some((magic) => magic.test(start))) return true;
  return isTar(start.startsWith('\x1f\x8b') ? unzipHead(head) : head);
}

function readHead(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | NO_LINK);
  try {
    const head = Buffer.alloc(HEAD);
    return head.subarray(0, readSync(file, head, 0, HEAD, 0));
  } finally {
    closeSync(file);
  }
}

function unzipHead(head: Buffer): Buffer {
  try {
    // The file goes on beyond its head; what is there can be read all the same.
    return gunzipSync(head, { finishFlush: 2 });
  } catch {
    return Buffer.alloc(0);
  }
}

/** A tar's first header has a sum of its own bytes. */
function isTar(head: Buffer): boolean {
  if (head.length < 512) return false;
  const header = head.subarray(0, 512);
  if (header.every((byte) => byte === 0)) return false;
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  return sum === Number.parseInt(header.toString('latin1', 148, 156).replace(/\0.*/s, '').trim(), 8);
}
