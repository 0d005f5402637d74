import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { crc64 } from '../../../../tasks/ModelRegistryDownload/registry/crc64';

/** CRC-64/NVME by its definition, a bit at a time. */
function byDefinition(bytes: Uint8Array): string {
  let crc = 0xffffffffffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x9a6c9329ac4bc9b5n : crc >> 1n;
  }
  const result = Buffer.alloc(8);
  result.writeBigUInt64LE(crc ^ 0xffffffffffffffffn);
  return result.toString('base64');
}

describe('the CRC64 of Blob storage', () => {
  it('is the published one of the usual nine digits', () => {
    const bytes = Buffer.from(crc64(Buffer.from('123456789')), 'base64');
    assert.equal(bytes.reverse().toString('hex'), 'ae8b14860a799888');
  });

  for (const length of [0, 1, 7, 8, 9, 16, 1000, 4099]) {
    it(`is right for ${length} bytes`, () => {
      const bytes = randomBytes(length);
      assert.equal(crc64(bytes), byDefinition(bytes));
    });
  }
});
