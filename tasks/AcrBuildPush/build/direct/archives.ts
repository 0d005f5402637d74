import { closeSync, constants, openSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { NO_LINK } from '../../../common/files/open-folder';
import { readFrom } from '../../../common/files/source-file';
import { BLOCK } from '../../files/tar';
import { hasRightSum } from '../../files/tar-reader';

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
    return readFrom(file, HEAD);
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
  if (head.length < BLOCK) return false;
  const header = head.subarray(0, BLOCK);
  return header.some((byte) => byte !== 0) && hasRightSum(header);
}
