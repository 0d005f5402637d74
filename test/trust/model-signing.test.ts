import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { openSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { preparePython } from '../../local/python';
import { root } from '../../scripts/paths';
import { readBundle } from '../../tasks/ModelRegistryDownload/signature/bundle';
import { compareWithSigned } from '../../tasks/ModelRegistryDownload/signature/compare';
import { readSignedModel } from '../../tasks/ModelRegistryDownload/signature/signed-model';
import { parseTrustedKeys } from '../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { makeSigningKey } from '../support/model-signature';

/*
 * The OpenSSF's own tool and this project sign for each other. It takes half a minute to get: npm run test:trust.
 */

/** Signs the files of a folder with the module beside the notebooks. */
const SIGN = `
import hashlib, pathlib, sys
sys.path.insert(0, sys.argv[1])
import model_registry
model = pathlib.Path(sys.argv[2])
files = [path for path in model.rglob("*") if path.is_file()]
digests = {path.relative_to(model).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
(model / "model.sig").write_bytes(model_registry.sign("titanic", digests, pathlib.Path(sys.argv[3]).read_text()))
(model / "model-manifest.json").write_text("{}")
`;

const run = promisify(execFile);

describe("OpenSSF's model signing", function () {
  this.timeout(600_000);

  let python: string;
  let folder: string;

  before(async () => {
    const requirements = [join(root, 'test/trust/requirements-signing.txt')];
    ({ python } = await preparePython({
      folder: join(root, '.local/model-signing'),
      requirements,
      log: () => {},
    }));
    folder = await mkdtemp(join(tmpdir(), 'model-signing-'));
    await run(python, [join(root, 'test/trust/sign_models.py'), folder]);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  function verify(signature: string, trusted: string, model = join(folder, 'model')) {
    const signed = readSignedModel(
      readBundle(readFileSync(join(folder, `${signature}.sig`))),
      parseTrustedKeys(readFileSync(join(folder, trusted), 'utf8')),
      Date.now(),
    );
    const entries = readdirSync(model, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const files = entries.map((entry) => {
      const file = join(entry.parentPath, entry.name);
      const content = readFileSync(file);
      const sha256 = createHash('sha256').update(content).digest('hex');
      return { path: file.slice(model.length + 1).replaceAll('\\', '/'), size: content.length, sha256 };
    });
    const registered = new Set(files.map(({ path }) => path));
    const { signal } = new AbortController();
    return compareWithSigned(signed, {
      files,
      registered,
      open: (path) => openSync(join(model, path), 'r'),
      signal,
    });
  }

  const SIGNATURES: readonly [signature: string, trusted: string][] = [
    ['p256', 'p256.pub'],
    ['p384', 'p384.pub'],
    ['p521', 'p521.pub'],
    ['blake2', 'p256.pub'],
    ['shards', 'p256.pub'],
    ['shards-blake2', 'p256.pub'],
    ['certificate', 'root.crt'],
    ['certificate', 'between.crt'],
    ['certificate', 'p384.crt'],
    ['certificate', 'p384.pub'],
  ];
  for (const [signature, trusted] of SIGNATURES) {
    it(`signs (${signature}) what the download verifies with ${trusted}, and misses no change of`, async () => {
      assert.deepEqual(await verify(signature, trusted), { uncovered: [], absent: [] });
      const changed = join(folder, `${signature}-${trusted}`);
      await cp(join(folder, 'model'), changed, { recursive: true });
      const weights = await readFile(join(changed, 'data/weights.bin'));
      weights[3_000]! ^= 1;
      await writeFile(join(changed, 'data/weights.bin'), weights);
      await assert.rejects(
        verify(signature, trusted, changed),
        /changed since it was signed 'data\/weights\.bin'/,
      );
    });
  }

  it('signs with keys that the download does not take for others', async () => {
    assert.throws(() => verify('p256', 'p384.pub'), /not made with any key/);
    assert.throws(() => verify('certificate', 'p256.pub'), /vouches/);
  });

  for (const curve of ['P-256', 'P-384', 'P-521']) {
    it(`verifies what the module of the notebooks signs with ${curve}, beside the manifest of a download`, async () => {
      const model = await mkdtemp(join(folder, 'signed-'));
      await cp(join(folder, 'model'), model, { recursive: true });
      const { key, publicKey } = makeSigningKey(curve);
      await writeFile(join(folder, `${curve}.key`), key);
      await writeFile(join(folder, `${curve}.pub`), publicKey);
      await run(python, ['-c', SIGN, join(root, 'notebooks'), model, join(folder, `${curve}.key`)]);
      const check = () =>
        run(python, [
          ...['-m', 'model_signing', 'verify', 'key', model],
          ...['--public_key', join(folder, `${curve}.pub`), '--signature', join(model, 'model.sig')],
        ]);
      await check();
      await writeFile(join(model, 'more.pkl'), 'more');
      await assert.rejects(check(), /more\.pkl/);
    });
  }
});
