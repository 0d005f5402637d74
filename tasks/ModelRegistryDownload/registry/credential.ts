/** How a step proves that it may read the registry. Each names the input that it comes from, for messages. */
export type RegistryCredential =
  | { readonly kind: 'accountKey'; readonly input: string; readonly key: string }
  | SharedAccessSignature
  | EntraCredential
  /** Nothing, for containers that anybody may read. */
  | { readonly kind: 'anonymous'; readonly input: string };

/** Microsoft Entra, asked for a token before each request. */
export interface EntraCredential {
  readonly kind: 'entra';
  readonly input: string;
  /** @param refused a token that the service did not take, so that it is given no more */
  token(refused?: string): Promise<string>;
}

export interface SharedAccessSignature {
  readonly kind: 'sas';
  readonly input: string;
  /** A query without its question mark. */
  readonly token: string;
  /** When it begins and ends to be good; undefined where it leaves that to a policy of the container. */
  readonly starts: Date | undefined;
  readonly expires: Date | undefined;
}

/** What Microsoft Entra calls reading Blob storage, in all clouds. */
export const STORAGE_SCOPE = 'https://storage.azure.com/.default';

/**
 * Reads a shared access signature, as the portal gives it out: a query, with or without its question mark.
 *
 * @returns or what is wrong with it for reading a model, going on from "the signature"
 */
export function parseSharedAccessSignature(
  text: string,
  input: string,
): SharedAccessSignature | { readonly fault: string } {
  const token = text.replace(/^\?/, '');
  const query = queryOf(token);
  if (!query.get('sig') || !(query.has('sp') || query.has('si'))) {
    return { fault: "is not whole: it needs at least 'sig', and 'sp' or 'si'. Copy all of it" };
  }
  const fault = faultOf(query);
  if (fault) return { fault };
  return { kind: 'sas', input, token, starts: dateOf(query.get('st')), expires: dateOf(query.get('se')) };
}

/** The signature proper, as it is and as it is written in an address: both would open the registry. */
export function secretsOf({ token }: SharedAccessSignature): string[] {
  const encoded = /(?:^|&)sig=([^&]*)/.exec(token)?.[1] ?? '';
  return [token, encoded, queryOf(token).get('sig') ?? ''];
}

/** The parts of a token. A plus is one: signatures hold no spaces, but may have been copied without their encoding. */
export function queryOf(token: string): URLSearchParams {
  return new URLSearchParams(token.replaceAll('+', '%2B'));
}

/** Permissions that a model's listing and its files need. */
const NEEDED = { r: 'Read', l: 'List' };

function faultOf(query: URLSearchParams): string | undefined {
  const [permissions, resource, services, types] = ['sp', 'sr', 'ss', 'srt'].map((name) => query.get(name));
  if (resource && !['c', 'd'].includes(resource)) {
    return "is for a single blob (sr=b). Make one for the container, or for the account's Blob service";
  }
  if (services && !services.includes('b')) return 'is not for the Blob service (ss). Make one that is';
  if (types && !(types.includes('c') && types.includes('o'))) {
    return 'is not for containers and objects (srt). Make one for both';
  }
  const missing = Object.entries(NEEDED).filter(([letter]) => permissions && !permissions.includes(letter));
  if (missing.length === 0) return undefined;
  const names = missing.map(([, name]) => name).join(' and ');
  return `lacks the permission ${names} (sp=${permissions}). Make one with Read and List`;
}

function dateOf(text: string | null | undefined): Date | undefined {
  const date = new Date(text ?? '');
  return Number.isNaN(date.getTime()) ? undefined : date;
}
