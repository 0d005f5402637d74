import { TaskError } from '../errors';
import { bound, defuse } from '../foreign-text';
import type { HttpClient } from '../http';
import { readJsonObject } from '../json';
import type { SignInLimits } from '../renewal';
import { servesOneWorkspace, type WorkspaceAddress } from './address';

/** Under these names, everything is Databricks' own. */
const DATABRICKS_DOMAINS = /\.(databricks\.com|azuredatabricks\.net|databricks\.azure\.(us|cn))$/;

/**
 * Where a service principal signs in. A host of one workspace has that at a fixed place; one that serves many says where
 * it is, in `/.well-known/databricks-config`, as Databricks' own clients ask it.
 *
 * @throws TaskError when the host names a place that is not Databricks': no credential is sent there
 */
export async function findTokenEndpoint(
  address: WorkspaceAddress,
  http: Pick<HttpClient, 'send'>,
  limits: SignInLimits,
): Promise<string> {
  const { origin } = address;
  const usual = `${origin}/oidc/v1/token`;
  if (servesOneWorkspace(address)) return usual;
  const answer = await http.send({
    method: 'GET',
    url: `${origin}/.well-known/databricks-config`,
    ...limits,
  });
  const { oidc_endpoint: endpoint, account_id: account } = readJsonObject(answer.body);
  if (answer.status !== 200 || typeof endpoint !== 'string') return usual;
  const base = endpoint.replaceAll('{account_id}', encodeURIComponent(String(account ?? '')));
  if (!isTrusted(base, origin)) {
    throw new TaskError(
      `${origin} says that service principals sign in at ${bound(defuse(base), 200)}, which is no address of Databricks. No ` +
        "credential was sent there. Check input 'databricksHost'.",
    );
  }
  return `${base.replace(/\/+$/, '')}/v1/token`;
}

function isTrusted(address: string, origin: string): boolean {
  if (!URL.canParse(address)) return false;
  const url = new URL(address);
  if (url.origin === origin) return true;
  return url.protocol === 'https:' && DATABRICKS_DOMAINS.test(url.hostname);
}
