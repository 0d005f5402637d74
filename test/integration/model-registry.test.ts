import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../../scripts/paths';
import { modelDigest } from '../../tasks/ModelRegistryDownload/folder/manifest';
import { readBundle } from '../../tasks/ModelRegistryDownload/signature/bundle';
import { readSignedModel } from '../../tasks/ModelRegistryDownload/signature/signed-model';
import { parseTrustedKeys } from '../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { makeSigningKey } from '../support/model-signature';
import { examplePython } from '../support/python';

/** Publishes with a registry that is a dictionary, and prints in what order it changed. */
const PUBLISH = `
import json, pathlib, sys
from datetime import datetime, timezone
sys.path.insert(0, sys.argv[1])
import model_registry

order = json.load(sys.stdin)
blobs = {name: content.encode() for name, content in order["blobs"].items()}
changes = []

class Blob:
    def __init__(self, name):
        self.name = name
    def upload_blob(self, content, overwrite):
        content = content if isinstance(content, bytes) else content.read()
        if self.name == order.get("failsAt"):
            raise ConnectionError("the network is gone")
        if self.name in blobs and not overwrite:
            raise FileExistsError(self.name)
        blobs[self.name] = content
        changes.append("+" + self.name)
        return {"etag": '"0x1"', "last_modified": datetime(2026, 11, 23, tzinfo=timezone.utc), "content_md5": None}

class Container:
    account_name = "contosomodels"
    url = "https://contosomodels.blob.core.windows.net/titanic"
    def exists(self):
        return True
    def list_blobs(self, name_starts_with):
        return [Blob(name) for name in blobs if name.startswith(name_starts_with)]
    def delete_blob(self, name):
        del blobs[name]
        changes.append("-" + name)
    def get_blob_client(self, name):
        return Blob(name)
    def upload_blob(self, name, content, overwrite):
        return Blob(name).upload_blob(content, overwrite)

class Registry:
    def get_container_client(self, name):
        return Container()

files = {path: pathlib.Path(content[1:]) if content.startswith("@") else content.encode() for path, content in order["files"].items()}
error = None
try:
    model_registry.publish(Registry(), "titanic", "1.0.0", files, {"rows": 3}, order.get("key"))
except Exception as raised:
    error = f"{type(raised).__name__}: {raised}"
said = {name: content.decode() for name, content in blobs.items()}
print("\\n" + json.dumps({"error": error, "changes": changes, "blobs": said}))
`;

interface Published {
  readonly error: string | null;
  readonly changes: readonly string[];
  readonly blobs: Readonly<Record<string, string>>;
}

describe('the module that publishes models', function () {
  this.timeout(600_000); // the first time, Python packages have to be fetched

  let python: string;
  let folder: string;

  before(async () => {
    ({ python } = await examplePython());
    folder = await mkdtemp(join(tmpdir(), 'publish-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function publish(order: object): Promise<Published> {
    const run = promisify(execFile)(python, ['-c', PUBLISH, join(root, 'notebooks')]);
    run.child.stdin!.end(JSON.stringify({ blobs: {}, files: { 'model.pkl': 'the model' }, ...order }));
    const { stdout } = await run;
    return JSON.parse(stdout.trim().split('\n').at(-1)!);
  }

  it('stores the list of files last, and takes it away first', async () => {
    const { error, changes, blobs } = await publish({
      blobs: {
        '1.0.0/model-manifest.json': '{}',
        '1.0.0/old.pkl': 'old',
        '1.0.0/model.sig': 'old',
        '1.0.00/a': 'a',
      },
    });
    assert.equal(error, null);
    assert.deepEqual(changes, [
      '-1.0.0/model-manifest.json',
      '+1.0.0/model.pkl',
      '+1.0.0/metadata.json',
      '-1.0.0/model.sig',
      '-1.0.0/old.pkl',
      '+1.0.0/model-manifest.json',
    ]);
    const manifest = JSON.parse(blobs['1.0.0/model-manifest.json']!);
    assert.equal(manifest.digest, modelDigest(manifest.files));
    assert.deepEqual(JSON.parse(blobs['1.0.0/metadata.json']!), {
      model: 'titanic',
      version: '1.0.0',
      rows: 3,
    });
  });

  it('leaves no list of files where it fails on the way', async () => {
    const blobs = { '1.0.0/model-manifest.json': '{}', '1.0.0/model.pkl': 'old' };
    const published = await publish({ blobs, failsAt: '1.0.0/metadata.json' });
    assert.match(published.error!, /the network is gone/);
    assert.equal(published.blobs['1.0.0/model-manifest.json'], undefined);
  });

  it('takes large files from the disk', async () => {
    const file = join(folder, 'weights.bin');
    await writeFile(file, 'weights');
    const { blobs } = await publish({ files: { 'data/weights.bin': `@${file}` } });
    assert.equal(blobs['1.0.0/data/weights.bin'], 'weights');
    const { files } = JSON.parse(blobs['1.0.0/model-manifest.json']!);
    assert.deepEqual([files[0].path, files[0].size], ['data/weights.bin', 7]);
  });

  for (const path of ['../model.pkl', '/model.pkl', 'a//b', 'model.sig', 'model-manifest.json']) {
    it(`refuses to store '${path}'`, async () => {
      const { error, changes } = await publish({ files: { [path]: 'x' } });
      assert.match(error!, /^ValueError: A version can't have a file/);
      assert.deepEqual(changes, []);
    });
  }

  for (const curve of ['P-256', 'P-384', 'P-521']) {
    it(`signs with a key on ${curve} what the download then verifies`, async () => {
      const { key, publicKey } = makeSigningKey(curve);
      const { error, blobs, changes } = await publish({ key, files: { 'z.pkl': 'z', 'ä/a.pkl': 'a' } });
      assert.equal(error, null);
      assert.deepEqual(changes.slice(-2), ['+1.0.0/model.sig', '+1.0.0/model-manifest.json']);
      const bundle = readBundle(Buffer.from(blobs['1.0.0/model.sig']!));
      const { resources, ignored } = readSignedModel(bundle, parseTrustedKeys(publicKey), Date.now());
      assert.deepEqual([...resources.keys()], ['metadata.json', 'z.pkl', 'ä/a.pkl']);
      assert.ok(ignored.includes('model-manifest.json'));
      assert.doesNotMatch(JSON.stringify(blobs), /PRIVATE KEY/);
    });
  }

  it('signs with no other key, and stores nothing then', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const { error, changes } = await publish({ key });
    assert.match(error!, /another kind than P-256/);
    assert.deepEqual(changes, []);
  });
});
