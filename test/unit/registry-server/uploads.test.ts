import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { errorCode, sha256, startTestRegistry, type TestRegistry } from './support';

describe('local registry: blobs', () => {
  let server: TestRegistry;
  before(async () => {
    server = await startTestRegistry();
  });
  after(() => server.close());

  const start = async (repository = 'repo') => {
    const answer = await server.send('POST', `/v2/${repository}/blobs/uploads/`);
    assert.equal(answer.status, 202);
    assert.equal(answer.headers.get('range'), '0-0');
    return answer.headers.get('location')!;
  };
  const patch = (location: string, body: string, headers: Record<string, string> = {}) =>
    server.send('PATCH', location, { body, headers });
  const finish = (location: string, digest: string, body = '') =>
    server.send('PUT', `${location}&digest=${digest}`, { body });
  const read = async (digest: string, headers: Record<string, string> = {}, repository = 'repo') =>
    server.send('GET', `/v2/${repository}/blobs/${digest}`, { headers });

  const idOf = (location: string) => /uploads\/([0-9a-f-]+)\?/.exec(location)![1]!;
  const unfinished = () => readdir(join(server.folder, 'uploads'));

  it('puts a blob together from chunks and reads it back', async () => {
    const digest = sha256('hello world');
    const first = await patch(await start(), 'hello ', { 'Content-Range': '0-5' });
    assert.equal(first.status, 202);
    assert.equal(first.headers.get('range'), '0-5');
    const second = await patch(first.headers.get('location')!, 'wor', { 'Content-Range': '6-8' });
    const last = await finish(second.headers.get('location')!, digest, 'ld');
    assert.equal(last.status, 201);
    assert.equal(last.headers.get('docker-content-digest'), digest);
    assert.equal(last.headers.get('location'), `/v2/repo/blobs/${digest}`);

    const answer = await read(digest);
    assert.equal(answer.headers.get('content-length'), '11');
    assert.equal(await answer.text(), 'hello world');
    const head = await server.send('HEAD', `/v2/repo/blobs/${digest}`);
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, '11']);
  });

  it('takes a whole blob with the request that starts the upload', async () => {
    const digest = await server.putBlob('repo', 'at once');
    assert.equal(await (await read(digest)).text(), 'at once');
  });

  it('takes an empty blob', async () => {
    const digest = sha256('');
    assert.equal((await finish(await start(), digest)).status, 201);
    assert.equal(await (await read(digest)).text(), '');
  });

  it('throws away what does not have the digest it was promised', async () => {
    const location = await start();
    const answer = await finish(location, sha256('something else'), 'content');
    assert.equal(answer.status, 400);
    assert.equal(await errorCode(answer), 'DIGEST_INVALID');
    assert.equal((await read(sha256('content'))).status, 404);
    assert.equal((await read(sha256('something else'))).status, 404);
    assert.equal(await errorCode(await server.send('GET', location)), 'BLOB_UPLOAD_UNKNOWN');
    assert.ok(!(await unfinished()).includes(idOf(location)));
  });

  it('refuses to finish without a digest, and lets the upload go on', async () => {
    const location = await start();
    assert.equal(await errorCode(await server.send('PUT', location, { body: 'x' })), 'DIGEST_INVALID');
    assert.equal((await finish(location, sha256('x'), 'x')).status, 201);
  });

  it('answers a chunk out of order with 416 and keeps what it has', async () => {
    const location = await start();
    await patch(location, 'abc');
    for (const range of ['0-2', '4-6']) {
      const answer = await patch(location, 'def', { 'Content-Range': range });
      assert.equal(answer.status, 416, range);
      assert.equal(await errorCode(answer), 'RANGE_INVALID');
    }
    assert.equal((await patch(location, 'def', { 'Content-Range': '3-5' })).status, 202);
    assert.equal((await finish(location, sha256('abcdef'))).status, 201);
  });

  it('refuses a chunk whose length is not the one it names', async () => {
    const answer = await patch(await start(), 'abc', { 'Content-Range': '0-9' });
    assert.equal(await errorCode(answer), 'SIZE_INVALID');
  });

  it('keeps what came before the connection broke, and says how much that is', async () => {
    const location = await start();
    const digest = sha256('first half, second half');
    await sendAndBreakOff(location, 'first half, ');
    const status = await server.send('GET', location);
    assert.equal(status.status, 204);
    assert.equal(status.headers.get('range'), '0-11');
    const rest = await patch(status.headers.get('location')!, 'second half', { 'Content-Range': '12-22' });
    assert.equal((await finish(rest.headers.get('location')!, digest)).status, 201);
  });

  it('forgets a cancelled upload', async () => {
    const location = await start();
    assert.ok((await unfinished()).includes(idOf(location)));
    assert.equal((await server.send('DELETE', location)).status, 204);
    assert.equal((await patch(location, 'x')).status, 404);
    assert.ok(!(await unfinished()).includes(idOf(location)));
  });

  it('knows an upload only by the full address it gave out', async () => {
    const location = await start();
    const withoutState = await server.send('PATCH', location.split('?')[0]!, { body: 'x' });
    assert.equal(await errorCode(withoutState), 'BLOB_UPLOAD_INVALID');
    const elsewhere = await patch(location.replace('/repo/', '/other/'), 'x');
    assert.equal(await errorCode(elsewhere), 'BLOB_UPLOAD_UNKNOWN');
  });

  it('shows a blob only in repositories that have it', async () => {
    const digest = await server.putBlob('repo', 'private');
    const answer = await read(digest, {}, 'elsewhere');
    assert.equal(answer.status, 404);
    assert.equal(await errorCode(answer), 'BLOB_UNKNOWN');
  });

  it('mounts a blob of another repository without sending it', async () => {
    const digest = await server.putBlob('base', 'base layer');
    const mounted = await server.send('POST', `/v2/mounted/blobs/uploads/?mount=${digest}&from=base`);
    assert.equal(mounted.status, 201);
    assert.equal(mounted.headers.get('docker-content-digest'), digest);
    assert.equal(await (await read(digest, {}, 'mounted')).text(), 'base layer');
  });

  it('starts an ordinary upload when there is nothing to mount', async () => {
    const digest = sha256('unheard of');
    const answer = await server.send('POST', `/v2/mounted/blobs/uploads/?mount=${digest}&from=base`);
    assert.equal(answer.status, 202);
    assert.equal((await finish(answer.headers.get('location')!, digest, 'unheard of')).status, 201);
  });

  for (const { range, status, text } of [
    { range: 'bytes=0-3', status: 206, text: '0123' },
    { range: 'bytes=4-', status: 206, text: '456789' },
    { range: 'bytes=-2', status: 206, text: '89' },
    { range: 'bytes=8-100', status: 206, text: '89' },
    { range: 'bytes=0-1,4-5', status: 200, text: '0123456789' },
  ]) {
    it(`answers the range ${range} with ${JSON.stringify(text)}`, async () => {
      const digest = await server.putBlob('repo', '0123456789');
      const answer = await read(digest, { Range: range });
      assert.equal(answer.status, status);
      assert.equal(await answer.text(), text);
    });
  }

  it('answers a range beyond the end with 416 and the size', async () => {
    const digest = await server.putBlob('repo', '0123456789');
    const answer = await read(digest, { Range: 'bytes=10-' });
    assert.deepEqual([answer.status, answer.headers.get('content-range')], [416, 'bytes */10']);
  });

  /** Sends bytes of a longer stream, waits until the registry has them, and hangs up. */
  async function sendAndBreakOff(location: string, content: string): Promise<void> {
    const { registry, send } = server;
    const authorization = `Bearer ${await server.token('repository:repo:pull,push')}`;
    const stream = request(new URL(location, registry.url), {
      method: 'PATCH',
      headers: { Authorization: authorization, 'Transfer-Encoding': 'chunked' },
    });
    const broken = new Promise((resolve) => stream.on('error', resolve));
    stream.write(content);
    const all = `0-${content.length - 1}`;
    while ((await send('GET', location)).headers.get('range') !== all) await new Promise(setImmediate);
    stream.destroy(new Error('cable pulled'));
    await broken;
    while ((await patch(location, '')).status !== 202) await new Promise(setImmediate);
  }
});
