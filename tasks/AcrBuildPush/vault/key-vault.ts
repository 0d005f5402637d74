import type { EntraTokens } from '../../common/entra';
import { TaskError } from '../../common/errors';
import { bound } from '../../common/foreign-text';
import type { HttpAnswer, HttpClient } from '../../common/http';
import { isRecord, readJsonObject, textIn } from '../../common/json';

/** What names a key in Azure Key Vault, or a certificate with its key. */
export interface KeyName {
  readonly kind: 'keys' | 'certificates';
  /** Such as `https://models.vault.azure.net`. */
  readonly vault: string;
  readonly name: string;
  /** Undefined: the newest. */
  readonly version: string | undefined;
}

/** The domains of vaults in Azure's clouds. Nowhere else does a token for them go. */
const DOMAINS = ['vault.azure.net', 'vault.azure.cn', 'vault.usgovcloudapi.net'];

/** Which every vault knows. */
const API_VERSION = '7.4';

/** Reads the identifier that the portal shows for a key or certificate; undefined for what is none. */
export function parseKeyName(text: string): KeyName | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, origin, pathname, search, hash, username } = new URL(text);
  const isLocal = hostname === '127.0.0.1' || hostname === 'localhost';
  const isVault =
    protocol === 'https:' && DOMAINS.some((domain) => /^[a-z0-9-]+$/.test(labelBefore(hostname, domain)));
  const [, kind, name, version] =
    /^\/(keys|certificates)\/([\w-]{1,127})(?:\/([0-9a-f]{32}))?\/?$/i.exec(pathname) ?? [];
  if (!kind || !name || search || hash || username || !(isVault || isLocal)) return undefined;
  return { kind: kind.toLowerCase() as KeyName['kind'], vault: origin, name, version };
}

function labelBefore(host: string, domain: string): string {
  return host.endsWith(`.${domain}`) ? host.slice(0, -domain.length - 1) : '';
}

/** What tokens for a vault are asked for. */
function scopeOf({ vault }: KeyName): string {
  const { hostname } = new URL(vault);
  const domain = DOMAINS.find((one) => hostname.endsWith(`.${one}`)) ?? DOMAINS[0];
  return `https://${domain}/.default`;
}

/** A key as a vault has it: its address with its version. */
export interface VaultKey {
  readonly id: string;
  /** As a JSON Web Key; undefined where a certificate has it. */
  readonly jwk?: Readonly<Record<string, unknown>>;
  /** DER. */
  readonly certificate?: Buffer;
}

/** One key of a vault of Azure Key Vault, over its REST API. It never leaves the vault: digests go there to be signed. */
export class KeyVault {
  constructor(
    private readonly key: KeyName,
    private readonly tokens: EntraTokens,
    private readonly http: Pick<HttpClient, 'send'>,
  ) {}

  /**
   * Reads what everybody may know of the key.
   *
   * @throws TaskError when there is none, or the identity may not read it
   */
  async find(): Promise<VaultKey> {
    const { kind, vault, name, version } = this.key;
    const path = [vault, kind, name, ...(version ? [version] : [])].join('/');
    const answer = await this.send('GET', path);
    if (answer.status !== 200)
      throw this.refusal(answer, kind === 'keys' ? 'read the key' : 'read the certificate');
    const content = readJsonObject(answer.body);
    if (kind === 'certificates') {
      const certificate = Buffer.from(textIn(content, 'cer', 'Key Vault'), 'base64');
      return { id: this.checked(textIn(content, 'kid', 'Key Vault')), certificate };
    }
    const jwk = isRecord(content.key) ? content.key : {};
    return { id: this.checked(textIn(content, 'key.kid', 'Key Vault')), jwk };
  }

  /**
   * Signs by ES256.
   *
   * @param digest the SHA-256 of what is signed
   * @returns 64 bytes, r and s
   */
  async sign(id: string, digest: Buffer): Promise<Buffer> {
    const body = JSON.stringify({ alg: 'ES256', value: digest.toString('base64url') });
    const answer = await this.send('POST', `${id}/sign`, body);
    if (answer.status !== 200) throw this.refusal(answer, 'sign with the key');
    return Buffer.from(textIn(readJsonObject(answer.body), 'value', 'Key Vault'), 'base64url');
  }

  private async send(method: 'GET' | 'POST', path: string, body?: string): Promise<HttpAnswer> {
    const scope = scopeOf(this.key);
    const ask = (token: string) =>
      this.http.send({
        method,
        url: `${path}?api-version=${API_VERSION}`,
        headers: {
          Authorization: `Bearer ${token}`,
          Accept: 'application/json',
          ...(body && { 'Content-Type': 'application/json' }),
        },
        ...(body && { body }),
        repeatable: true,
      });
    const token = await this.tokens.token(scope);
    const answer = await ask(token);
    return answer.status === 401 ? ask(await this.tokens.token(scope, token)) : answer;
  }

  /** Keys of another vault are none of this step's. */
  private checked(id: string): string {
    const { vault } = this.key;
    if (parseKeyName(id)?.vault === vault && parseKeyName(id)?.version) return id;
    throw new TaskError(`${vault} names a key elsewhere, ${bound(id, 200)}. Check input 'signingKey'.`);
  }

  private refusal(answer: HttpAnswer, purpose: string): TaskError {
    const { kind, vault, name } = this.key;
    const { error } = readJsonObject(answer.body);
    const said = isRecord(error) && typeof error.message === 'string' ? error.message : '';
    const reason =
      answer.status === 404
        ? `There is no such ${kind === 'keys' ? 'key' : 'certificate'}. Check input 'signingKey'.`
        : answer.status === 401 || answer.status === 403
          ? "Give the identity of the service connection the roles Key Vault Crypto User and Key Vault Reader on the vault (with access policies: keys/get, keys/sign and certificates/get), and check the vault's firewall."
          : 'Run the step again.';
    return new TaskError(`${vault} refused to ${purpose} '${name}' (${answer.status}). ${reason}`, {
      details: said ? [bound(said, 1_000)] : [],
    });
  }
}
