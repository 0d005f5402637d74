import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../scripts/paths';

/**
 * Writes what the OpenSSF's tool has signed into a file for the tests of every day, which do not have that tool: the model,
 * the keys and certificates, and the signatures. Its argument is a Python with test/trust/requirements-signing.txt.
 */
const folder = mkdtempSync(join(tmpdir(), 'vectors-'));
try {
  execFileSync(process.argv[2]!, [join(root, 'test/trust/sign_models.py'), folder]);
  const filesIn = (path: string) =>
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
  const model = filesIn(join(folder, 'model')).map((file) => [
    file.slice(join(folder, 'model').length + 1).replaceAll('\\', '/'),
    readFileSync(file, 'latin1'),
  ]);
  const others = filesIn(folder)
    .filter((file) => /\.(sig|pub|crt)$/.test(file))
    .map((file) => [file.slice(folder.length + 1), readFileSync(file, 'utf8')]);
  const vectors = {
    signedAt: new Date().toISOString(),
    model: Object.fromEntries(model),
    files: Object.fromEntries(others),
  };
  writeFileSync(
    join(root, 'test/unit/ModelRegistryDownload/signature/vectors.json'),
    `${JSON.stringify(vectors, null, 2)}\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
