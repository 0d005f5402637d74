/** What a connection string says about Blob storage. */
export interface ConnectionString {
  readonly account: string;
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly key: string | undefined;
  readonly sharedAccessSignature: string | undefined;
}

/** Azurite's account and key, which are the same everywhere and no secret. */
const DEVELOPMENT_STORAGE = [
  'AccountName=devstoreaccount1',
  'AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
].join(';');

/** Whether a text is a connection string, by the names in it, however whole it is. */
export function looksLikeConnectionString(text: string): boolean {
  return /(^|;)\s*(AccountName|AccountKey|BlobEndpoint|DefaultEndpointsProtocol|SharedAccessSignature|UseDevelopmentStorage)\s*=/i.test(
    text,
  );
}

/**
 * Takes apart a connection string of a storage account.
 *
 * @returns undefined when it is none, or says nothing of where the Blob service is
 */
export function parseConnectionString(text: string): ConnectionString | undefined {
  const pairs = new Map(
    text.split(';').flatMap((pair): [string, string][] => {
      const equals = pair.indexOf('=');
      return equals < 0 ? [] : [[pair.slice(0, equals).trim().toLowerCase(), pair.slice(equals + 1).trim()]];
    }),
  );
  if (pairs.get('usedevelopmentstorage')?.toLowerCase() === 'true') {
    // Where it is, if not on this machine; Azure's libraries know it by this name.
    const host = (pairs.get('developmentstorageproxyuri') || 'http://127.0.0.1').replace(/\/+$/, '');
    return parseConnectionString(`${DEVELOPMENT_STORAGE};BlobEndpoint=${host}:10000/devstoreaccount1`);
  }
  const name = pairs.get('accountname');
  const protocol = pairs.get('defaultendpointsprotocol') ?? 'https';
  const suffix = pairs.get('endpointsuffix') ?? 'core.windows.net';
  const endpoint = pairs.get('blobendpoint') ?? (name && `${protocol}://${name}.blob.${suffix}`);
  if (!endpoint || !URL.canParse(endpoint)) return undefined;
  return {
    account: name ?? accountOf(new URL(endpoint)),
    endpoint: endpoint.replace(/\/+$/, ''),
    key: pairs.get('accountkey') || undefined,
    sharedAccessSignature: pairs.get('sharedaccesssignature') || undefined,
  };
}

/** Strings that hold a signature leave the account's name out: it begins the host, or, in an emulator, the path. */
function accountOf({ hostname, pathname }: URL): string {
  return pathname.split('/')[1] || hostname.split('.')[0]!;
}
