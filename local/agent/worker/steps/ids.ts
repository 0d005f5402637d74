import { createHash } from 'node:crypto';

/** A version 5 UUID of a name. */
export function nameBasedId(name: string): string {
  const bytes = createHash('sha1').update(`local-agent:${name.toLowerCase()}`).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
