import { BlockList, isIP } from 'node:net';
import { TaskError } from './errors';
import { METADATA_SERVICE, type ProxyServer } from './network';

/** The proxy that the agent was configured with. */
export interface AgentProxy {
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Patterns of addresses that are reached without it. */
  readonly bypass: readonly string[];
}

/**
 * Which proxy leads to an address: the agent's own; where it has none, the one that `HTTPS_PROXY` or `HTTP_PROXY` names,
 * less what `NO_PROXY` lists, as for other tools. What is on this machine is asked directly: what a proxy reaches under
 * such an address is another machine's.
 *
 * @param agent undefined where the agent has no proxy
 * @param env the step's environment
 * @throws TaskError for a proxy that can't be used
 */
export function proxyRules(
  agent: AgentProxy | undefined,
  env: NodeJS.ProcessEnv,
): (url: string) => ProxyServer | undefined {
  if (agent) {
    const proxy = parseProxy(agent.url, "the agent's proxy", agent);
    const bypass = agent.bypass.flatMap(compile);
    return (url) =>
      url.startsWith(METADATA_SERVICE) || bypass.some((pattern) => pattern.test(url)) ? undefined : proxy;
  }
  const find = (name: string) => {
    const value = env[name.toLowerCase()] || env[name];
    return value ? parseProxy(value, `the proxy in ${name}`) : undefined;
  };
  const proxies = new Map([
    ['https:', find('HTTPS_PROXY')],
    ['http:', find('HTTP_PROXY')],
  ]);
  let isExempt: ReturnType<typeof exemptions> | undefined;
  return (url) => {
    const { protocol, hostname, port } = new URL(url);
    const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
    if (url.startsWith(METADATA_SERVICE) || isLoopback(host)) return undefined;
    const proxy = proxies.get(protocol);
    if (!proxy) return undefined;
    // Read when it is needed: most agents have no proxy, and the lists of addresses are slow to load.
    isExempt ??= exemptions(env.no_proxy || env.NO_PROXY || '');
    return isExempt(host, port || (protocol === 'https:' ? '443' : '80')) ? undefined : proxy;
  };
}

/** Passwords hold whatever their owners like, so an address with one is split from behind and not read as a URL. */
const PROXY =
  /^(?:([a-z][a-z0-9+.-]*):\/\/)?(?:(.*)@)?((?:\[[\da-f:.]+\]|[^@/?#:\s]+)(?::\d+)?)(?:[/?#][^@]*)?$/is;

/**
 * @param whose names it in messages
 * @param login where it is not a part of the address
 */
function parseProxy(
  address: string,
  whose: string,
  login: { readonly username?: string | undefined; readonly password?: string | undefined } = {},
): ProxyServer {
  const [, scheme = 'http', userInfo = '', host = ''] = PROXY.exec(address.trim()) ?? [];
  if (!/^https?$/i.test(scheme)) {
    throw new TaskError(
      `The step can't use ${whose}: it is one of ${scheme}, not of http or https. Give the address of one that speaks HTTP.`,
    );
  }
  if (!URL.canParse(`${scheme}://${host}`)) {
    throw new TaskError(
      `The step can't use ${whose}: its address is not valid. Give one such as http://host:8080.`,
    );
  }
  const colon = userInfo.indexOf(':');
  const username = login.username || decode(colon < 0 ? userInfo : userInfo.slice(0, colon));
  const password = login.username
    ? (login.password ?? '')
    : decode(colon < 0 ? '' : userInfo.slice(colon + 1));
  return {
    url: new URL(`${scheme}://${host}`),
    whose,
    ...(username && { login: { username, password } }),
  };
}

/** What stands for itself in an address stays; `%` that begins no code, too. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A line of the agent's `.proxybypass`. The agent passes over those that are no patterns, too. */
function compile(pattern: string): RegExp[] {
  try {
    return [new RegExp(pattern, 'i')];
  } catch {
    return [];
  }
}

/** `NO_PROXY` as Go's tools read it: hosts with all below them, `*`, addresses and their ranges, each with a port or not. */
function exemptions(list: string): (host: string, port: string) => boolean {
  const entries = list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  const ranges = new BlockList();
  const names: { readonly name: string; readonly port: string | undefined }[] = [];
  for (const entry of entries) {
    const [, address, prefix] = /^\[?([0-9a-f.:]+)\]?\/(\d+)$/.exec(entry) ?? [];
    const family = isIP(address ?? '');
    if (address && family && Number(prefix) <= (family === 4 ? 32 : 128)) {
      ranges.addSubnet(address, Number(prefix), family === 4 ? 'ipv4' : 'ipv6');
    } else if (isIP(entry)) {
      names.push({ name: entry, port: undefined });
    } else {
      const [, name = entry, port] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(entry) ?? [];
      names.push({ name: name.replace(/^\*?\./, ''), port });
    }
  }
  return (host, port) => {
    const family = isIP(host);
    if (family && ranges.check(host, family === 4 ? 'ipv4' : 'ipv6')) return true;
    return names.some(
      (one) =>
        (one.port ?? port) === port &&
        (one.name === '*' || host === one.name || host.endsWith(`.${one.name}`)),
    );
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127\./.test(host);
}
