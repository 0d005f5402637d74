import { isObject, type JsonObject } from '../../common/databricks/json';
import { CancelledError } from '../../common/errors';
import type { Logger } from '../../common/log';
import type { NetworkSettings } from '../../common/network';
import { BrokenAnswerError, isRefusal, isTransient, PageError, RestError, reason } from '../registry/errors';
import type { Receiver, Stop } from '../registry/http/answer';
import { Connections } from '../registry/http/connections';

/** An address in the cloud's storage from which a file can be read, without any other proof. It is a secret. */
export interface Link {
  readonly url: URL;
  /** To be sent with each request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Links that are kept for the ranges to come: a file's ranges follow one another. */
const MOST_KEPT = 256;

/** How often a file's link is asked for in all. Each serves for an hour, and for any number of ranges. */
const MOST_LINKS = 4;

/** Storage accounts of a model's files: one. */
const MOST_HOSTS = 8;

const NAME = /^[\w-]+$/;
const VALUE = /^[\x20-\x7e]*$/;

/** What a link may not bring along: it would change what is sent, or to whom. */
const OWN_HEADERS = new Set([
  'host',
  'range',
  'connection',
  'content-length',
  'transfer-encoding',
  'authorization',
]);

/** A link that can't be used. */
class UnfitLinkError extends Error {}

/**
 * Reads files from the cloud's storage itself, by links that the workspace gives: the quickest way, where a network has
 * it. Databricks documents it nowhere, and many networks close it; so whatever stands in the way closes it here for good,
 * and files come through the workspace.
 */
export class Links {
  private readonly kept = new Map<string, Promise<Link>>();
  private readonly given = new Map<string, number>();
  private readonly hosts = new Map<string, Connections>();
  isOpen = false;

  constructor(
    private readonly settings: {
      /** Asks the workspace for a file's link. */
      readonly ask: (name: string) => Promise<JsonObject>;
      readonly network: NetworkSettings;
      readonly log: Logger;
      /** Whether the workspace is reached without encryption, as one on this machine is. */
      readonly isLocal: boolean;
    },
  ) {}

  /** Says why files do not come by links, once. */
  shut(why: string): void {
    if (this.isOpen) this.settings.log.info(`The files come through the workspace: ${why}.`);
    this.isOpen = false;
  }

  /**
   * Reads by a file's link.
   *
   * @param read makes the request
   * @returns false where the way is closed, and nothing was read
   */
  async read(name: string, read: (link: Link) => Promise<void>): Promise<boolean> {
    while (this.isOpen) {
      const link = await this.linkTo(name);
      if (!link) return false;
      try {
        await read(link);
        return true;
      } catch (error) {
        const problem = problemOf(error, link);
        if (problem === undefined) throw error;
        this.kept.delete(name);
        // One that has expired is followed by another.
        if (!isRefusal(error as Error) || (this.given.get(name) ?? 0) >= MOST_LINKS) this.shut(problem);
      }
    }
    return false;
  }

  async get(
    { url, headers }: Link,
    more: Record<string, string>,
    receiver: Receiver,
    stop: Stop,
  ): Promise<void> {
    const connections = this.hosts.get(url.origin) ?? new Connections(url, this.settings.network);
    this.hosts.set(url.origin, connections);
    const request = {
      method: 'GET',
      path: `${url.pathname}${url.search}`,
      headers: { ...headers, ...more },
    } as const;
    await connections.send(request, receiver, stop);
  }

  close(): void {
    for (const connections of this.hosts.values()) connections.close();
  }

  private async linkTo(name: string): Promise<Link | undefined> {
    let link = this.kept.get(name);
    if (!link) {
      this.given.set(name, (this.given.get(name) ?? 0) + 1);
      link = this.settings.ask(name).then((answer) => this.check(answer));
      this.kept.set(name, link);
      const [oldest] = this.kept.keys();
      if (this.kept.size > MOST_KEPT) this.kept.delete(oldest!);
    }
    try {
      return await link;
    } catch (error) {
      this.kept.delete(name);
      if (error instanceof CancelledError) throw error;
      this.shut(
        error instanceof UnfitLinkError
          ? error.message
          : `it gives no links to them (${reason(error as Error)})`,
      );
      return undefined;
    }
  }

  private check({ url: text, headers = [] }: JsonObject): Link {
    const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined;
    if (!url) throw new UnfitLinkError('it gives no links to them');
    if (url.protocol !== 'https:' && !(this.settings.isLocal && url.protocol === 'http:')) {
      throw new UnfitLinkError('its links to them are not encrypted');
    }
    if (!this.hosts.has(url.origin) && this.hosts.size >= MOST_HOSTS) {
      throw new UnfitLinkError('its links lead to ever more places');
    }
    return { url, headers: readHeaders(headers) };
  }
}

function readHeaders(headers: unknown): Record<string, string> {
  if (!Array.isArray(headers)) throw new UnfitLinkError('its links to them make no sense');
  const pairs = headers
    .filter(isObject)
    .map(({ name, value }) => [String(name).toLowerCase(), String(value)] as const);
  const isUnfit = pairs.some(
    ([name, value]) => !NAME.test(name) || !VALUE.test(value) || OWN_HEADERS.has(name),
  );
  if (isUnfit) throw new UnfitLinkError('its links to them make no sense');
  return Object.fromEntries(pairs);
}

/** What storage answers about one file, which is gone or has changed, and not about the way to it. */
const OF_FILE = new Set([404, 412, 416]);

/** Why the cloud's storage can't be read from; undefined where that is another matter, or passes. */
function problemOf(error: unknown, { url: { host } }: Link): string | undefined {
  if (error instanceof RestError) {
    if (isRefusal(error)) return `${host}, where they are, turns this agent away (${reason(error)})`;
    const isOfFile = OF_FILE.has(error.statusCode) || isTransient(error);
    return isOfFile ? undefined : `${host}, where they are, does not give them (${reason(error)})`;
  }
  if (error instanceof PageError) return `a web page answers in place of ${host}, where they are`;
  const isClosed =
    error instanceof BrokenAnswerError &&
    /^(ENOTFOUND|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|CERT_|ERR_TLS|ERR_SSL|ERR_PROXY|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/.test(
      error.code ?? '',
    );
  return isClosed ? `${host}, where they are, can't be reached (${reason(error)})` : undefined;
}
