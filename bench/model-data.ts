import { randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';

const PIECE = 1024 * 1024;

/**
 * Writes a file of numbers as models hold them, other ones each time: doubles whose mantissas have twenty bits, which shrink to
 * about a half.
 */
export function writeModelData(path: string, bytes: number): void {
  const file = openSync(path, 'w');
  for (let left = bytes; left > 0; left -= PIECE) {
    const data = Buffer.alloc(Math.min(PIECE, left) & ~7);
    const noise = randomBytes(data.length);
    for (let at = 0; at < data.length; at += 8) {
      data.writeDoubleLE(Math.fround((noise.readInt32LE(at) >> 11) / 2 ** 18), at);
    }
    writeSync(file, data);
  }
  closeSync(file);
}
