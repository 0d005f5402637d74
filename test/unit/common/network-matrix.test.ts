import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { explainConnectionError } from '../../../tasks/common/connection';
import { HttpClient } from '../../../tasks/common/http';
import { createLogger } from '../../../tasks/common/log';
import type { NetworkSettings } from '../../../tasks/common/network';
import { type AgentProxy, proxyRules } from '../../../tasks/common/proxy';
import { ONE_TRY } from '../../../tasks/common/retry';
import { openContainer } from '../../../tasks/ModelRegistryDownload/registry/client';
import { BlobServer } from '../../support/blob-server';
import { makeCertificate } from '../../support/certificate';
import { TestProxy } from '../../support/proxy';

/**
 * Every kind of client that a task has, through every kind of proxy, with every setting of TLS. The host has a name that
 * no DNS knows: whoever does not go through the proxy can't reach it.
 */
const HOST = 'models.example';
const { signal } = new AbortController();
setMaxListeners(0, signal);
const authority = makeCertificate('Company', { isAuthority: true });
const stranger = makeCertificate('Stranger', { isAuthority: true });
const proxyCertificate = makeCertificate('proxy', { issuer: authority, hosts: ['127.0.0.1'] });
const client = makeCertificate('agent', { issuer: authority });
const LOGIN = { username: 'robot', password: 'p~#/"@: ä€😀%' };

type Tls = NetworkSettings['tls'];

describe('connections of the agent', () => {
  let service: Server;
  let blobs: BlobServer;
  let proxy: TestProxy | undefined;

  before(async () => {
    service = createServer((request, response) => {
      request.resume().on('end', () => response.end(`${request.method} ${request.headers.host}`));
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    blobs = await BlobServer.start();
    blobs.put('titanic', '1.0.0/model.pkl', 'the model');
  });

  after(async () => {
    service.closeAllConnections();
    service.close();
    await blobs.stop();
  });

  afterEach(() => proxy?.stop());

  function openBlobs(network: NetworkSettings) {
    return openContainer({
      account: blobs.account,
      credential: blobs.credential,
      endpoint: `https://${HOST}/${blobs.account}`,
      container: 'titanic',
      network,
    });
  }

  async function send(
    network: NetworkSettings,
    request: { method: 'GET' | 'POST'; body?: string },
  ): Promise<string> {
    const http = new HttpClient({
      log: createLogger(() => {}),
      signal,
      network,
      userAgent: 'test',
      retry: ONE_TRY,
    });
    try {
      return (await http.send({ ...request, url: `https://${HOST}/a` })).body.toString();
    } finally {
      http.close();
    }
  }

  /** What each client of ours brings from the host. */
  const CLIENTS: Record<string, (network: NetworkSettings) => Promise<string>> = {
    'a request': (network) => send(network, { method: 'GET' }),
    'a request with a body': (network) => send(network, { method: 'POST', body: 'x'.repeat(200_000) }),
    'a listing of folders': async (network) => {
      const container = openBlobs(network);
      try {
        return (await container.listFolders('', undefined, { signal, touch() {} })).items.join();
      } finally {
        container.close();
      }
    },
    'a part of a blob': async (network) => {
      const container = openBlobs(network);
      let text = '';
      const take = (piece: Buffer) => {
        text += piece.toString();
      };
      try {
        const { items } = await container.listBlobs('1', undefined, { signal, touch() {} });
        const stop = { stopped: false, onStop: undefined };
        await container.read(items[0]!, { offset: 0, length: 9 }, { begin() {}, take }, stop);
        return text;
      } finally {
        container.close();
      }
    },
  };
  const EXPECTED: Record<string, string> = {
    'a request': `GET ${HOST}`,
    'a request with a body': `POST ${HOST}`,
    'a listing of folders': '1.0.0',
    'a part of a blob': 'the model',
  };

  const PROXIES = {
    'an open proxy': {},
    'a proxy with a password': { login: LOGIN },
    'a proxy that speaks TLS itself': { certificate: proxyCertificate },
    'a proxy that speaks TLS itself, with a password': { certificate: proxyCertificate, login: LOGIN },
  } as const;

  const TRUST: Record<string, { tls: Tls; clientAuthority?: typeof authority; error?: RegExp }> = {
    'with its authority': { tls: { ca: [authority.certificate] } },
    'with its authority among others': { tls: { ca: [stranger.certificate, authority.certificate] } },
    'with certificates not checked': { tls: { rejectUnauthorized: false } },
    'with a client certificate': {
      tls: { ca: [authority.certificate], cert: client.certificate, key: client.key },
      clientAuthority: authority,
    },
    'without its authority': { tls: {}, error: /certificate is not trusted \(\w+\).*--sslcacert/ },
    'with the authority of somebody else': {
      tls: { ca: [stranger.certificate] },
      error: /certificate is not trusted \(\w+\).*that one has not signed it/,
    },
    'without the client certificate that is wanted': {
      tls: { ca: [authority.certificate] },
      clientAuthority: authority,
      error: /client certificate|connection broke|ECONNRESET|socket hang up/,
    },
  };

  async function startProxy(
    options: Parameters<typeof TestProxy.start>[0],
    what: string,
  ): Promise<TestProxy> {
    const ours = /request/.test(what)
      ? (service.address() as AddressInfo).port
      : Number(new URL(blobs.endpoint).port);
    proxy = await TestProxy.start({ authority, hosts: { [HOST]: ours }, ...options });
    return proxy;
  }

  function settings(agent: AgentProxy, tls: Tls): NetworkSettings {
    return { proxyFor: proxyRules(agent, {}), tls };
  }

  async function failureOf(work: Promise<unknown>): Promise<string> {
    const error = await work.then(
      () => assert.fail('it came through'),
      (failure: Error) => failure,
    );
    return `${error.message} ${explainConnectionError(error)}`;
  }

  for (const [what, use] of Object.entries(CLIENTS)) {
    for (const [which, options] of Object.entries(PROXIES)) {
      for (const [trust, { tls, clientAuthority, error }] of Object.entries(TRUST)) {
        // A proxy that speaks TLS is itself not trusted without its authority.
        it(`${what} through ${which} that inspects TLS, ${trust}${error ? ' fails and says why' : ''}`, async () => {
          const { url, tunnels } = await startProxy(
            { ...options, ...(clientAuthority && { clientAuthority }) },
            what,
          );
          const network = settings({ url, ...('login' in options && options.login), bypass: [] }, tls);
          if (!error) {
            assert.equal(await use(network), EXPECTED[what]);
            assert.equal(tunnels[0], `${HOST}:443`);
          } else if ('certificate' in options && !tls.ca?.includes(authority.certificate)) {
            assert.match(
              await failureOf(use(network)),
              /agent's proxy, 127\S+, can't be reached: .*certificate/,
            );
          } else {
            assert.match(await failureOf(use(network)), error);
          }
        });
      }
    }

    for (const [status, message] of [
      ['407 Proxy Authentication Required', /agent's proxy, 127\S+, does not let this agent in \(HTTP 407\)/],
      [
        '403 Forbidden',
        /agent's proxy, 127\S+, does not allow connections to models\.example:443 \(HTTP 403\)/,
      ],
      ['502 Bad Gateway', /agent's proxy, 127\S+, got no connection to models\.example:443 \(HTTP 502\)/],
    ] as const) {
      it(`${what}: ${status} of a proxy is said as the proxy's`, async () => {
        const { url } = await startProxy({}, what);
        proxy!.refusal = `HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nno`;
        const failure = await failureOf(use(settings({ url, bypass: [] }, { ca: [authority.certificate] })));
        assert.match(failure, message);
      });
    }

    it(`${what}: a wrong password for the proxy is said, and not shown`, async () => {
      const { url } = await startProxy({ login: LOGIN }, what);
      const login = { username: 'robot', password: 'wrong-password' };
      const failure = await failureOf(use(settings({ url, ...login, bypass: [] }, {})));
      assert.match(failure, /does not let this agent in \(HTTP 407\)\. Check its user and password/);
      assert.doesNotMatch(failure, /wrong-password/);
    });

    it(`${what}: a proxy that is not there is said`, async () => {
      const { url } = await startProxy({}, what);
      await proxy!.stop();
      proxy = undefined;
      assert.match(
        await failureOf(use(settings({ url, bypass: [] }, {}))),
        /agent's proxy, 127\S+, can't be reached/,
      );
    });

    it(`${what}: the agent's exceptions go past the proxy`, async () => {
      const { url, tunnels } = await startProxy({}, what);
      const failure = await failureOf(use(settings({ url, bypass: ['models\\.example'] }, {})));
      assert.match(failure, /no such host|ENOTFOUND|EAI_AGAIN/);
      assert.deepEqual(tunnels, []);
    });
  }
});
