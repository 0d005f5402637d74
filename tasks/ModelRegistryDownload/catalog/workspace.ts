import { type WorkspaceAddress, workspaceHeaders } from '../../common/databricks/address';
import type { TokenProvider } from '../../common/databricks/client';
import { refusesToken } from '../../common/databricks/errors';
import { isObject, type JsonObject, parseJson } from '../../common/databricks/json';
import type { NetworkSettings } from '../../common/network';
import { BrokenAnswerError, PageError, RestError } from '../registry/errors';
import { type Idle, type Receiver, type Stop, stoppedBy } from '../registry/http/answer';
import { Connections } from '../registry/http/connections';
import { WholeText } from '../registry/text-receiver';
import { type Call, RefusedCallError } from './errors';

/** Bytes of an answer: a thousand files with the longest paths have a few megabytes. */
const LARGEST_ANSWER = 16 * 1024 * 1024;

export interface WorkspaceSettings {
  readonly address: WorkspaceAddress;
  readonly token: TokenProvider;
  readonly network: NetworkSettings;
}

/**
 * Asks a Databricks workspace, over connections of the step's own: those of the client of its other APIs are for answers
 * that fit into memory. Each call makes one request, but for one whose token was refused.
 */
export class Workspace {
  private readonly connections: Connections;

  constructor(private readonly settings: WorkspaceSettings) {
    this.connections = new Connections(new URL(settings.address.origin), settings.network);
  }

  /** The JSON object that answers a request. */
  async ask(
    method: 'GET' | 'POST',
    path: string,
    query: Readonly<Record<string, string | undefined>>,
    call: Call,
    idle: Idle,
  ): Promise<JsonObject> {
    const receiver = new WholeText('the answer', LARGEST_ANSWER, idle);
    await stoppedBy(idle.signal, (stop) =>
      this.send(method, withQuery(path, query), {}, receiver, stop, call),
    );
    const { text } = receiver;
    try {
      const value = parseJson(text);
      if (isObject(value)) return value;
    } catch {
      // A page that is not for programs stands in place of the answer.
      if (/^\s*</.test(text)) throw new PageError('a web page came');
    }
    throw new BrokenAnswerError('the answer is not JSON');
  }

  /** Hands on what answers a GET request. */
  async read(
    path: string,
    headers: Readonly<Record<string, string>>,
    receiver: Receiver,
    stop: Stop,
    call: Call,
  ): Promise<void> {
    await this.send('GET', path, headers, receiver, stop, call);
  }

  close(): void {
    this.connections.close();
  }

  private async send(
    method: 'GET' | 'POST',
    path: string,
    headers: Readonly<Record<string, string>>,
    receiver: Receiver,
    stop: Stop,
    call: Call,
  ): Promise<void> {
    const { address, token: provider } = this.settings;
    const sendWith = async (token: string) => {
      const own = { ...headers, ...workspaceHeaders(address), authorization: `Bearer ${token}` };
      await this.connections.send({ method, path, headers: own }, receiver, stop);
    };
    const token = await provider();
    try {
      await sendWith(token).catch(async (error) => {
        const renewed = isTokenRefused(error) ? await provider(token) : token;
        if (renewed === token) throw error;
        await sendWith(renewed);
      });
    } catch (error) {
      throw error instanceof RestError ? new RefusedCallError(error, call) : error;
    }
  }
}

function isTokenRefused(error: unknown): boolean {
  if (!(error instanceof RestError)) return false;
  return refusesToken({ status: error.statusCode, body: Buffer.from(error.body) });
}

function withQuery(path: string, query: Readonly<Record<string, string | undefined>>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return pairs.length > 0 ? `${path}?${pairs.join('&')}` : path;
}
