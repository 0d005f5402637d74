import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DevOpsRequest } from './request';
import {
  answerRequest,
  DevOpsError,
  newOrganization,
  type Organization,
  type OrganizationOptions,
} from './resources';

/** What happens to a request instead of its answer. */
export interface DevOpsFault {
  /** Without one, the connection is cut. */
  readonly answer?: {
    readonly status: number;
    readonly headers?: Record<string, string>;
    readonly body: string;
  };
  /** Does what was asked for first: only its answer is lost. */
  readonly afterHandling?: boolean;
}

/** An organization of Azure DevOps on loopback, as far as set-up needs it. */
export interface AzureDevOps {
  /** The organization's address. */
  readonly url: string;
  readonly organization: Organization;
  readonly requests: readonly DevOpsRequest[];
  intercept(decide: (request: DevOpsRequest) => DevOpsFault | undefined): void;
  stop(): Promise<void>;
}

/** @param isToken whether a token is good for the organization */
export async function startAzureDevOps(
  options: OrganizationOptions,
  isToken: (token: string) => boolean,
): Promise<AzureDevOps> {
  const organization = newOrganization(options);
  const requests: DevOpsRequest[] = [];
  let decide: (request: DevOpsRequest) => DevOpsFault | undefined = () => undefined;
  const server = createServer(async (incoming, response) => {
    const request = await read(incoming);
    requests.push(request);
    const fault = decide(request);
    if (fault && !fault.afterHandling) return spoil(response, request, fault);
    const answer = respond(organization, request, isToken);
    if (fault) return spoil(response, request, fault);
    request.status = answer.status;
    response.writeHead(answer.status, {
      'Content-Type': 'application/json; charset=utf-8',
      ...answer.headers,
    });
    response.end(answer.body);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/contoso`,
    organization,
    requests,
    intercept: (next) => {
      decide = next;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function read(incoming: IncomingMessage): Promise<DevOpsRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const url = new URL(incoming.url ?? '/', 'http://localhost');
  const text = Buffer.concat(chunks).toString();
  return {
    method: incoming.method ?? '',
    path: decodeURIComponent(url.pathname).replace(/^\/contoso/, ''),
    query: url.searchParams,
    body: text ? JSON.parse(text) : undefined,
    authorization: incoming.headers.authorization ?? '',
    status: 0,
  };
}

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body: string;
}

function respond(
  organization: Organization,
  request: DevOpsRequest,
  isToken: (token: string) => boolean,
): Answer {
  // Whoever is not signed in gets the page to sign in at, as browsers do.
  if (!isToken(request.authorization.replace(/^Bearer /, ''))) {
    return {
      status: 302,
      headers: { Location: 'https://spsprodeus1.vssps.visualstudio.com/_signin' },
      body: '',
    };
  }
  try {
    const { value, continuationToken, status = 200 } = answerRequest(organization, request);
    const headers: Record<string, string> = continuationToken
      ? { 'x-ms-continuationtoken': continuationToken }
      : {};
    return { status, headers, body: value === undefined ? '' : JSON.stringify(value) };
  } catch (error) {
    // What is no refusal is a mistake of the request, which the service would not take either.
    const { status, typeKey } =
      error instanceof DevOpsError ? error : { status: 400, typeKey: 'ArgumentException' };
    const body = { $id: '1', innerException: null, message: (error as Error).message, typeKey, errorCode: 0 };
    return { status, body: JSON.stringify(body) };
  }
}

function spoil(response: ServerResponse, request: DevOpsRequest, { answer }: DevOpsFault): void {
  if (!answer) {
    response.destroy();
    return;
  }
  request.status = answer.status;
  response.writeHead(answer.status, { 'Content-Type': 'application/json', ...answer.headers });
  response.end(answer.body);
}
