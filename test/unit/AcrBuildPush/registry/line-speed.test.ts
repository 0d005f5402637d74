import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Registry, startRegistry } from '../../../../local/registry/registry';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import { Uploads } from '../../../../tasks/AcrBuildPush/registry/upload';
import { CancelledError } from '../../../../tasks/common/errors';
import { HttpClient } from '../../../../tasks/common/http';
import { capturedLog } from '../support';

const robot = { username: 'robot', password: 'p4ssword' };

describe('the speed of the line to a registry', () => {
  const folder = mkdtempSync(join(tmpdir(), 'line-speed-'));
  let registry: Registry;
  let received: number;
  let fault: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  let cancel: AbortController;

  before(async () => {
    registry = await startRegistry({
      folder,
      ...robot,
      intercept: (request, response) => {
        if (request.method === 'PATCH') received += Number(request.headers['content-length']);
        return fault?.(request, response) ?? false;
      },
    });
  });
  beforeEach(() => {
    received = 0;
    fault = undefined;
    cancel = new AbortController();
  });
  after(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What is measured of a million bytes where the requests take these times, in milliseconds. */
  async function measure(...times: number[]): Promise<number | undefined> {
    const { log } = capturedLog();
    const { signal } = cancel;
    const network = { proxyFor: () => undefined, tls: {} };
    const http = new HttpClient({ log, signal, network, userAgent: 'test' });
    const credentials = fixedCredentials('r', { kind: 'password', ...robot, input: 'acrPassword' });
    const host = registry.loginServer;
    const client = new RegistryClient({ http, log, host, repository: 'models/m', credentials });
    const uploads = new Uploads(client);
    let time = 0;
    const looks = times.flatMap((duration) => [0, duration]);
    const now = () => {
      time += looks.shift() ?? 0;
      return time;
    };
    try {
      return (await uploads.start(randomBytes(1_016_384), signal, now)).line;
    } finally {
      await uploads.close();
      http.close();
    }
  }

  it('is that of the bytes alone, without the time that any request takes, or the line to get up to speed', async () => {
    assert.equal(await measure(900, 40, 60), 25e6);
    assert.equal(received, 1_016_384);
  });

  it('is not taken for endless where any request happens to take as long', async () => {
    assert.equal(await measure(50, 90, 50), 40e6);
  });

  it('is that of the quicker half: what comes between makes either of them slower', async () => {
    assert.equal(await measure(60, 40, 900), 25e6);
  });

  it('is measured by an upload that is dropped when nothing goes on with it', async () => {
    await measure(1, 1, 2);
    const last = registry.requests.at(-1)!;
    assert.equal(`${last.method} ${last.status}`, 'DELETE 204');
  });

  for (const [what, answer] of [
    ['refuses a second part', (response: ServerResponse) => response.writeHead(416).end()],
    ['breaks off', (response: ServerResponse) => response.destroy()],
    [
      'took less than it was sent',
      (response: ServerResponse) => response.writeHead(202, { range: '0-7' }).end(),
    ],
  ] as const) {
    it(`is not known of a registry that ${what}`, async () => {
      fault = (request, response) => {
        if (request.method !== 'PATCH' || received < 600_000) return false;
        answer(response);
        return true;
      };
      assert.equal(await measure(1, 1, 2), undefined);
    });
  }

  it('is given up when the step is cancelled', async () => {
    fault = (request) => {
      if (request.method === 'PATCH') cancel.abort();
      return request.method === 'PATCH';
    };
    await assert.rejects(measure(1, 1, 2), CancelledError);
  });
});
