/** Where a workspace is: the origin of its API, and its id where the address tells it. */
export interface WorkspaceAddress {
  readonly origin: string;
  readonly workspaceId: string | undefined;
}

const ADVICE = "Give the workspace's address, such as https://adb-1234567890123456.7.azuredatabricks.net.";

/** A host of a single workspace has its id in its name. Other hosts may serve every workspace of an account. */
const HOST_OF_ONE = /^adb-(\d+)\./;

/**
 * Reads a workspace's address as people copy it: with or without a scheme, with a path behind it, with the
 * workspace's id as `?o=` or `?w=`.
 *
 * @throws TypeError when it is not a URL
 */
export function parseWorkspaceAddress(text: string): WorkspaceAddress {
  const { origin, hostname, searchParams } = parseUrl(text);
  const given = searchParams.get('o') || searchParams.get('w');
  return { origin, workspaceId: given || HOST_OF_ONE.exec(hostname)?.[1] };
}

/** Whether a host is that of one workspace, as far as its address tells. */
export function servesOneWorkspace({ origin, workspaceId }: WorkspaceAddress): boolean {
  return workspaceId === undefined || HOST_OF_ONE.test(new URL(origin).hostname);
}

/** What tells a host that serves many workspaces which one is meant; others do not mind it. */
export function workspaceHeaders({ workspaceId }: WorkspaceAddress): Record<string, string> {
  return workspaceId === undefined ? {} : { 'X-Databricks-Workspace-Id': workspaceId };
}

/** Why a text can't be the address of a workspace; goes on from the input's name. */
export function addressProblem(text: string): string | undefined {
  let url: URL;
  try {
    url = parseUrl(text);
  } catch {
    return `is '${text}', which is not a URL. ${ADVICE}`;
  }
  if (/^https?$/.test(url.hostname)) {
    const isTwice = /^https?:\/+https?:/i.test(text);
    return `is '${text}', which ${isTwice ? 'begins with a scheme twice' : "does not begin with 'https://'"}. ${ADVICE}`;
  }
  if (/^accounts[.-]/.test(url.hostname)) {
    return `is '${text}', the address of the account console, which is no workspace. ${ADVICE}`;
  }
  if (url.protocol === 'http:' && !isLocal(url.hostname)) {
    return `is '${text}', which would send the token unencrypted. Begin it with https://.`;
  }
  return undefined;
}

/** A page of the workspace in a browser. */
export function pageAt({ origin, workspaceId }: WorkspaceAddress, path: string): string {
  return `${origin}${path}${workspaceId ? `?o=${workspaceId}` : ''}`;
}

function parseUrl(text: string): URL {
  const url = new URL(/^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `https://${text}`);
  if (!/^https?:$/.test(url.protocol))
    throw new TypeError(`${url.protocol} is not the scheme of a workspace.`);
  return url;
}

/** This machine, or a container beside it: hosts that a plain connection reaches without leaving the house. */
function isLocal(hostname: string): boolean {
  return /^127(\.\d+){3}$/.test(hostname) || hostname === '[::1]' || !hostname.includes('.');
}
