import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { schemaFaults } from '../../../../scripts/json-schema';
import { root } from '../../../../scripts/paths';
import { downloadModel } from '../../../../tasks/ModelRegistryDownload/download-model';
import { parseTrustedKeys } from '../../../../tasks/ModelRegistryDownload/signature/trusted-keys';
import { BlobServer } from '../../../support/blob-server';
import { makeSigningKey, signModel } from '../../../support/model-signature';
import { FakeStep, impatient, inputsFor, temporaryFolder } from '../support';

const schema = JSON.parse(readFileSync(join(root, 'docs/model-manifest.schema.json'), 'utf8'));

describe("the manifest's schema", () => {
  let server: BlobServer;
  let workspace: Awaited<ReturnType<typeof temporaryFolder>>;
  let manifest: ReturnType<typeof JSON.parse>;

  before(async () => {
    server = await BlobServer.start();
    workspace = await temporaryFolder();
    server.put('titanic', 'live/1.0.0/data/model.pkl', 'the model', { md5: undefined });
    server.put('titanic', 'live/1.0.0/empty', '');
    const { key, publicKey } = makeSigningKey();
    const signature = signModel({ 'data/model.pkl': 'the model', empty: '' }, key);
    server.put('titanic', 'live/1.0.0/model.sig', signature.toString());
    const destination = join(workspace.path, 'model');
    const trustedKeys = parseTrustedKeys(publicKey);
    const changes = { version: 'latest', versionsFolder: 'live/', trustedKeys };
    const inputs = inputsFor(server, destination, changes);
    await downloadModel(inputs, new FakeStep(workspace.path), impatient());
    manifest = JSON.parse(await readFile(join(destination, 'model-manifest.json'), 'utf8'));
  });

  after(async () => {
    await server.stop();
    await workspace.remove();
  });

  it('fits what a download writes', () => {
    assert.deepEqual(schemaFaults(manifest, schema), []);
  });

  it('describes every property that a download writes', () => {
    const { source, files } = schema.properties;
    // Nothing of this model was refused.
    const always = Object.keys(schema.properties).filter((name) => name !== 'refused');
    assert.deepEqual(always, Object.keys(manifest));
    assert.deepEqual(Object.keys(source.oneOf[0].properties), Object.keys(manifest.source));
    assert.deepEqual(Object.keys(files.items.properties), Object.keys(manifest.files[0]));
  });

  const broken: [what: string, changes: object, fileChanges: object, fault: string][] = [
    ['of another format', { schemaVersion: 2 }, {}, '$.schemaVersion must be equal to constant'],
    [
      'with half a digest',
      { digest: 'sha256:ab' },
      {},
      '$.digest must match pattern "^sha256:[0-9a-f]{64}$"',
    ],
    ['without files', { files: [] }, {}, '$.files must NOT have fewer than 1 items'],
    ['without a source', { source: null }, {}, '$.source must be object'],
    ['with half a checksum', {}, { sha256: 'ab' }, '$.files[0].sha256 must match pattern "^[0-9a-f]{64}$"'],
    ['with a size that is no number', {}, { size: '9' }, '$.files[0].size must be integer'],
    [
      'with a path that leads out',
      {},
      { path: '/etc' },
      '$.files[0].path must match pattern "^[^/\\\\]+(/[^/\\\\]+)*$"',
    ],
  ];
  for (const [what, changes, fileChanges, fault] of broken) {
    it(`does not fit a manifest ${what}`, () => {
      const [first, ...others] = manifest.files;
      const files = [{ ...first, ...fileChanges }, ...others];
      assert.deepEqual(schemaFaults({ ...manifest, files, ...changes }, schema)[0], fault);
    });
  }

  it('does not fit a manifest that lacks a property', () => {
    const { digest: _, ...rest } = manifest;
    assert.deepEqual(schemaFaults(rest, schema), ["$ must have required property 'digest'"]);
  });
});
