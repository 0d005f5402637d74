import { TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { isNearAddress, isPrivateAddress } from './addresses';
import type { CredentialSource } from './credentials';
import { isAzureServer, isLoopback, registryUrl } from './names';

export interface RealmContext {
  /** The registry that names the realm. */
  readonly host: string;
  /** What is sent there. */
  readonly credentials: CredentialSource | undefined;
  readonly log: Logger;
}

/**
 * The address that credentials are sent to for a token. A registry names it in every 401, so whoever can answer in the
 * registry's place once could have them: they go to the registry itself, or else to where they went first. Azure's
 * registries give their tokens themselves.
 *
 * @throws TaskError for an address that credentials must not go to
 */
export function checkRealm(realm: string, { host, credentials, log }: RealmContext): URL {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  const own = new URL(registryUrl(host));
  const isOwn = url?.origin === own.origin;
  // Tests and people at their desks have both on this machine.
  const isHere = isLoopback(host) && isLoopback(url?.host ?? '');
  if (!url || url.username || url.password) throw mustNotGo(host, realm);
  if (!isHere && url.protocol !== 'https:') throw mustNotGo(host, realm);
  if (!isOwn && (isAzureServer(host) || (!isHere && isWithin(url.hostname)))) throw mustNotGo(host, url.host);
  if (!credentials) return url;
  const place = `${url.origin}${url.pathname}`;
  if (credentials.realm === undefined) {
    if (!isOwn)
      log.info(`${host} has its users signed in by ${url.host}, where the credentials go for tokens.`);
    credentials.realm = place;
  }
  if (credentials.realm !== place) throw mustNotGo(host, url.host);
  return url;
}

/** Whether a host is an address within this machine or a private network, which a public registry can't know. */
function isWithin(hostname: string): boolean {
  return isNearAddress(hostname) || isPrivateAddress(hostname);
}

function mustNotGo(host: string, place: string): TaskError {
  return new TaskError(
    `${host} sends us for a token to '${place}', where a password must not be sent. Check input 'loginServer', and the proxy in front of the registry if there is one.`,
  );
}
