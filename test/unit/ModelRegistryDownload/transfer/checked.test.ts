import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadModel } from '../../../../tasks/ModelRegistryDownload/download-model';
import { crc64 } from '../../../../tasks/ModelRegistryDownload/registry/crc64';
import { BlobServer } from '../../../support/blob-server';
import { FakeStep, impatient, inputsFor, temporaryFolder } from '../support';

const MIB = 1024 * 1024;
const content = randomFillSync(Buffer.alloc(9 * MIB + 5));

describe('a download that is verified part by part', () => {
  let server: BlobServer;
  let workspace: Awaited<ReturnType<typeof temporaryFolder>>;
  let step: FakeStep;

  beforeEach(async () => {
    server = await BlobServer.start();
    server.crc64 = crc64;
    workspace = await temporaryFolder();
    server.put('titanic', '1.0.0/model.bin', content, { md5: undefined });
    server.put('titanic', '1.0.0/small.pkl', 'small');
    server.put('titanic', '1.0.0/empty', '', { md5: undefined });
  });

  afterEach(async () => {
    await server.stop();
    await workspace.remove();
  });

  async function download() {
    step = new FakeStep(workspace.path);
    const destination = join(workspace.path, 'model');
    await downloadModel(inputsFor(server, destination, { verify: 'crc64' }), step, impatient());
    assert.ok(
      content.equals(await readFile(join(destination, 'model.bin'))),
      'the file is as it was published',
    );
  }

  it('asks for parts that the service tells a CRC64 of, where nothing better is known', async () => {
    await download();
    const ofBig = server.reads.filter(({ blob }) => blob.endsWith('model.bin'));
    assert.deepEqual(
      ofBig.map(({ length }) => length).sort((a, b) => b - a),
      [4 * MIB, 4 * MIB, MIB + 5],
    );
    assert.match(step.summary, /\| model\.bin \|.*\| CRC64 of each part \|/);
    assert.match(step.summary, /\| small\.pkl \|.*\| Content-MD5 \|/);
    assert.match(step.summary, /\| empty \|.*\| length and ETag \|/);
    assert.equal(step.outputs.downloadedBytes, content.length + 5);
  });

  it('notices one bit that is another, and asks for that part again', async () => {
    let flips = 1;
    server.fault = ({ kind, offset }) =>
      kind === 'read' && offset === 4 * MIB && flips-- > 0 ? { flipByte: 77 } : undefined;
    await download();
    assert.match(step.text, /model\.bin: the CRC64 of a part is .* Trying again/);
  });

  it('fails when a part arrives damaged each time', async () => {
    server.fault = ({ blob }) => (blob.endsWith('model.bin') ? { flipByte: 0 } : undefined);
    await assert.rejects(download(), {
      name: 'TaskError',
      message: /'model\.bin' arrives damaged each time: the CRC64/,
    });
  });

  it('brings a part anew when its connection breaks', async () => {
    let resets = 1;
    server.fault = ({ kind, offset }) =>
      kind === 'read' && offset === 4 * MIB && resets-- > 0 ? { resetAfter: MIB } : undefined;
    await download();
  });

  it('asks for smaller parts where every connection breaks, until they come', async () => {
    server.fault = ({ kind, length }) =>
      kind === 'read' && length > 700_000 ? { resetAfter: 600_000 } : undefined;
    await download();
    assert.match(step.summary, /\| model\.bin \|.*\| CRC64 of each part \|/);
  });

  it('starts over when the blob is replaced on the way', async () => {
    server.fault = ({ kind }) =>
      void (
        kind === 'read' &&
        server.reads.length === 1 &&
        server.put('titanic', '1.0.0/model.bin', content, { md5: undefined })
      );
    await download();
    assert.match(step.text, /has changed in the registry.*starts over/);
  });

  it('says so when the service tells no CRC64', async () => {
    server.crc64 = undefined;
    await assert.rejects(download(), {
      name: 'TaskError',
      message: /does not tell the CRC64.*'verify' to stored/,
    });
  });
});
