import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { openSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../../../../scripts/paths';
import { readBundle } from '../../../../tasks/ModelRegistryDownload/signature/bundle';
import { compareWithSigned } from '../../../../tasks/ModelRegistryDownload/signature/compare';
import { readSignedModel } from '../../../../tasks/ModelRegistryDownload/signature/signed-model';
import { parseTrustedKeys } from '../../../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { temporaryFolder } from '../support';

/** What the OpenSSF's tool has signed; test/trust/vectors.ts writes it. */
const { signedAt, model, files } = JSON.parse(
  readFileSync(join(root, 'test/unit/ModelRegistryDownload/signature/vectors.json'), 'utf8'),
) as { signedAt: string; model: Record<string, string>; files: Record<string, string> };

const CASES: readonly [signature: string, trusted: string][] = [
  ['p256', 'p256.pub'],
  ['p384', 'p384.pub'],
  ['p521', 'p521.pub'],
  ['blake2', 'p256.pub'],
  ['shards', 'p256.pub'],
  ['shards-blake2', 'p256.pub'],
  ['certificate', 'root.crt'],
  ['certificate', 'between.crt'],
  ['certificate', 'p384.pub'],
];

describe("what the OpenSSF's tool has signed", () => {
  let room: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeEach(async () => {
    room = await temporaryFolder();
  });
  afterEach(() => room.remove());

  for (const [signature, trusted] of CASES) {
    it(`is verified: ${signature}, with ${trusted}`, async () => {
      const signed = readSignedModel(
        readBundle(Buffer.from(files[`${signature}.sig`]!)),
        parseTrustedKeys(files[trusted]!),
        Date.parse(signedAt),
      );
      const compare = async (contents: Record<string, string>) => {
        const all = Object.entries(contents).map(([path, text]) => ({
          path,
          content: Buffer.from(text, 'latin1'),
        }));
        const place = (path: string) => join(room.path, Buffer.from(path).toString('hex'));
        for (const { path, content } of all) await writeFile(place(path), content);
        return compareWithSigned(signed, {
          files: all.map(({ path, content }) => ({
            path,
            size: content.length,
            sha256: createHash('sha256').update(content).digest('hex'),
          })),
          registered: new Set(Object.keys(contents)),
          open: (path) => openSync(place(path), 'r'),
          signal: new AbortController().signal,
        });
      };
      assert.deepEqual(await compare(model), { uncovered: [], absent: [] });
      const weights = model['data/weights.bin']!;
      const changed = { ...model, 'data/weights.bin': `${weights.slice(0, -1)}x` };
      await assert.rejects(compare(changed), /changed since it was signed 'data\/weights\.bin'/);
      await assert.rejects(compare({ ...model, 'more.pkl': 'more' }), /knows nothing of 'more\.pkl'/);
    });
  }

  it('is not verified once its certificates have expired', () => {
    const bundle = readBundle(Buffer.from(files['certificate.sig']!));
    const later = Date.parse(signedAt) + 60 * 24 * 3600 * 1000;
    assert.throws(() => readSignedModel(bundle, parseTrustedKeys(files['root.crt']!), later), /valid from/);
  });
});
