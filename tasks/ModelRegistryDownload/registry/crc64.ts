/** The polynomial of CRC-64/NVME, which Blob storage uses, with its bits in reverse. */
const POLYNOMIAL = 0x9a6c9329ac4bc9b5n;

/** Bytes that are taken at a time. */
const SLICE = 8;

interface Tables {
  readonly low: Uint32Array;
  readonly high: Uint32Array;
}

/** For each place of a byte in a slice, and each byte there, what it does to the checksum. Made when first needed. */
let tables: Tables | undefined;

/**
 * The CRC64 of some bytes as Blob storage writes it in headers: Base64 of its eight bytes, the lowest first.
 *
 * JavaScript has no quick integers of 64 bits, so the checksum is kept in two halves.
 */
export function crc64(bytes: Uint8Array): string {
  tables ??= makeTables();
  const { low: tableLow, high: tableHigh } = tables;
  let low = 0xffffffff;
  let high = 0xffffffff;
  const wholeSlices = bytes.length - (bytes.length % SLICE);
  let at = 0;
  for (; at < wholeSlices; at += SLICE) {
    low ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    high ^= bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
    const [a, b, c, d] = [
      low & 255,
      256 + ((low >>> 8) & 255),
      512 + ((low >>> 16) & 255),
      768 + (low >>> 24),
    ];
    const [e, f, g, h] = [
      1024 + (high & 255),
      1280 + ((high >>> 8) & 255),
      1536 + ((high >>> 16) & 255),
      1792 + (high >>> 24),
    ];
    low =
      tableLow[a]! ^
      tableLow[b]! ^
      tableLow[c]! ^
      tableLow[d]! ^
      tableLow[e]! ^
      tableLow[f]! ^
      tableLow[g]! ^
      tableLow[h]!;
    high =
      tableHigh[a]! ^
      tableHigh[b]! ^
      tableHigh[c]! ^
      tableHigh[d]! ^
      tableHigh[e]! ^
      tableHigh[f]! ^
      tableHigh[g]! ^
      tableHigh[h]!;
  }
  for (; at < bytes.length; at++) {
    const entry = 1792 + ((low ^ bytes[at]!) & 255);
    low = ((low >>> 8) | (high << 24)) ^ tableLow[entry]!;
    high = (high >>> 8) ^ tableHigh[entry]!;
  }
  const result = Buffer.alloc(8);
  result.writeUInt32LE(~low >>> 0, 0);
  result.writeUInt32LE(~high >>> 0, 4);
  return result.toString('base64');
}

function makeTables(): Tables {
  const low = new Uint32Array(SLICE * 256);
  const high = new Uint32Array(SLICE * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte);
    // The last byte of a slice is followed by none, the first by seven.
    for (let place = SLICE - 1; place >= 0; place--) {
      for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ POLYNOMIAL : value >> 1n;
      low[place * 256 + byte] = Number(value & 0xffffffffn);
      high[place * 256 + byte] = Number(value >> 32n);
    }
  }
  return { low, high };
}
