import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { AccessControl, type Identities } from './access';
import { manifestAttributes, tagAttributes } from './api/attributes';
import { deleteBlob, readBlob } from './api/blobs';
import { listRepositories, listTags } from './api/listings';
import { deleteManifest, readManifest, writeManifest } from './api/manifests';
import { listReferrers } from './api/referrers';
import { exchangeToken, tokenForBasic, tokenForGrant } from './api/tokens';
import { cancelUpload, continueUpload, finishUpload, startUpload, uploadStatus } from './api/uploads';
import { BlobStore } from './blob-store';
import { Catalog } from './catalog';
import { RegistryError } from './errors';
import { type Exchange, reply, replyJson } from './exchange';
import { LONGEST_FULL_NAME } from './names';
import { findRoute, neededAccess, type Operation } from './routes';

export interface RegistryOptions {
  /** Where blobs, manifests and tags are kept from one start to the next. */
  readonly folder: string;
  readonly username: string;
  readonly password: string;
  /** By default that of the last start, or a free one. */
  readonly port?: number;
  /** Milliseconds until an access token expires; by default the real service's 75 minutes. */
  readonly tokenLifetime?: number;
  /** Lets identities of Microsoft Entra in, beside the admin user. */
  readonly identities?: Identities;
  readonly log?: (line: string) => void;
  /** Sees every request first, and returns true for those it has answered itself: the place to script faults. */
  readonly intercept?: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
}

export interface RecordedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** 0 until it is answered. */
  status: number;
}

export interface Registry {
  /** As it stands in an image's name: `127.0.0.1:<port>`. */
  readonly loginServer: string;
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly requests: readonly RecordedRequest[];
  stop(): Promise<void>;
}

type Handler = (exchange: Exchange) => Promise<void>;
type Handlers = Record<Operation, Record<string, Handler>>;

const TOKEN_LIFETIME = 75 * 60 * 1000;

/** Longer than clients keep an idle connection, so that it is never closed under a request on its way. Milliseconds. */
const KEEP_ALIVE = 120_000;

/**
 * Starts a container registry on a loopback port that speaks as Azure Container Registry does: its registry protocol,
 * its tokens, its locks on tags and its texts for errors. Fails when the port is taken or the folder is damaged.
 */
export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const blobs = new BlobStore(options.folder);
  const catalog = new Catalog(options.folder);
  const requests: RecordedRequest[] = [];

  const server = createServer({ requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE });
  const loginServer = `127.0.0.1:${await listen(server, options)}`;
  const { username, password, tokenLifetime = TOKEN_LIFETIME } = options;
  const access = new AccessControl({
    loginServer,
    username,
    password,
    tokenLifetime,
    identities: options.identities,
  });
  const handlers = createHandlers(blobs, catalog, access, loginServer);

  server.on('request', async (request, response) => {
    const record = { method: request.method ?? '', path: request.url ?? '', status: 0 };
    requests.push(record);
    response.once('finish', () => {
      record.status = response.statusCode;
      options.log?.(`${record.method} ${record.path} ${record.status}`);
    });
    try {
      if (await options.intercept?.(request, response)) return;
      await answer(request, response, { handlers, access, loginServer });
    } catch (error) {
      replyError(request, response, error);
    }
  });

  return {
    loginServer,
    url: `http://${loginServer}`,
    username,
    password,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Returns the port: the one asked for; else that of the last start, as it is in the images' names; else a free one. */
async function listen(server: Server, { port, folder }: RegistryOptions): Promise<number> {
  const record = join(folder, 'port');
  const open = async (wanted: number) => {
    server.listen(wanted, '127.0.0.1');
    await once(server, 'listening');
  };
  if (port === undefined) {
    const last = await readFile(record, 'utf8').catch(() => '0');
    await open(Number(last)).catch(() => open(0));
  } else {
    await open(port).catch((error: Error) => {
      throw new Error(`The local registry cannot start: ${error.message}`);
    });
  }
  const opened = (server.address() as AddressInfo).port;
  await writeFile(record, String(opened));
  return opened;
}

function createHandlers(
  blobs: BlobStore,
  catalog: Catalog,
  access: AccessControl,
  loginServer: string,
): Handlers {
  const getBlob: Handler = (exchange) => readBlob(exchange, blobs, catalog);
  const getManifest: Handler = (exchange) => readManifest(exchange, blobs, catalog);
  const tag: Handler = (exchange) => tagAttributes(exchange, catalog, loginServer);
  const manifest: Handler = (exchange) => manifestAttributes(exchange, catalog, loginServer);
  return {
    ping: { GET: async ({ response }) => replyJson(response, 200, {}) },
    token: {
      GET: (exchange) => tokenForBasic(exchange, access),
      POST: (exchange) => tokenForGrant(exchange, access),
    },
    exchange: { POST: (exchange) => exchangeToken(exchange, access) },
    listRepositories: { GET: (exchange) => listRepositories(exchange, catalog) },
    listTags: { GET: (exchange) => listTags(exchange, catalog) },
    manifest: {
      GET: getManifest,
      HEAD: getManifest,
      PUT: (exchange) => writeManifest(exchange, blobs, catalog),
      DELETE: (exchange) => deleteManifest(exchange, catalog),
    },
    blob: { GET: getBlob, HEAD: getBlob, DELETE: (exchange) => deleteBlob(exchange, catalog) },
    referrers: { GET: (exchange) => listReferrers(exchange, blobs, catalog) },
    startUpload: { POST: (exchange) => startUpload(exchange, blobs, catalog) },
    upload: {
      GET: (exchange) => uploadStatus(exchange, blobs),
      PATCH: (exchange) => continueUpload(exchange, blobs),
      PUT: (exchange) => finishUpload(exchange, blobs, catalog),
      DELETE: (exchange) => cancelUpload(exchange, blobs),
    },
    tagAttributes: { GET: tag, PATCH: tag },
    manifestAttributes: { GET: manifest, PATCH: manifest },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { handlers, access, loginServer }: { handlers: Handlers; access: AccessControl; loginServer: string },
): Promise<void> {
  response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0');
  response.setHeader('X-Ms-Correlation-Request-Id', randomUUID());
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const route = findRoute(path);
  if (!route) return reply(response, 404, { 'Content-Type': 'text/plain' }, '404 page not found\n');

  const { operation, repository, reference } = route;
  const exchange = { request, response, query: new URLSearchParams(query), repository, reference };
  const handler = handlers[operation][request.method ?? ''];
  if (!handler) throw new RegistryError('UNSUPPORTED', 'The operation is unsupported.');
  if (operation !== 'token' && operation !== 'exchange')
    access.check(request.headers.authorization, neededAccess(operation, exchange));
  if (`${loginServer}/${repository}`.length > LONGEST_FULL_NAME) {
    throw new RegistryError('NAME_INVALID', 'invalid repository name', { name: repository });
  }
  await handler(exchange);
}

/** A client that hung up gets no answer; an error that nobody foresaw is the registry's own and says so. */
function replyError(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent || request.errored || response.destroyed) {
    response.destroy();
  } else if (error instanceof RegistryError) {
    replyJson(response, error.status, error.body, error.headers);
  } else {
    replyJson(response, 500, new RegistryError('UNKNOWN', `unknown error: ${String(error)}`).body);
  }
}
