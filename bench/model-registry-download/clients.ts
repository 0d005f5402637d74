import { join } from 'node:path';
import type { Command } from '../measure';
import { bundle, certificate } from './place';
import { VERSION } from './protocol';

/** A registry that a client downloads one version from. */
export interface Registry {
  readonly endpoint: string;
  /** The address of the workspace that has the same version in Unity Catalog, where there is one. */
  readonly workspace?: string;
  readonly account: string;
  readonly key: string;
  readonly container: string;
  /** Paths of its blobs in the container. */
  readonly blobs: readonly string[];
  /** What a blob of so many bytes holds. */
  readonly sha256: (size: number) => string;
}

export interface Client {
  readonly name: string;
  /** Where it brings the version, in the folder that it is given. */
  readonly result?: string;
  readonly command: (registry: Registry, folder: string) => Command;
}

export const task: Client = {
  name: 'ModelRegistryDownload',
  result: 'model',
  command: ({ endpoint, account, key, container }, folder) => ({
    file: process.execPath,
    args: [bundle],
    env: {
      INPUT_STORAGEACCOUNT: account,
      INPUT_STORAGEKEY: key,
      INPUT_BLOBENDPOINT: endpoint,
      INPUT_MODELNAME: container,
      INPUT_MODELVERSION: VERSION,
      INPUT_DESTINATIONFOLDER: join(folder, 'model'),
      AGENT_TEMPDIRECTORY: folder,
      ...(endpoint.startsWith('https:') && { AGENT_CAINFO: certificate.cert }),
    },
  }),
};

export const catalogTask: Client = {
  name: `${task.name} from Unity Catalog`,
  result: 'model',
  command: ({ workspace = '' }, folder) => ({
    file: process.execPath,
    args: [bundle],
    env: {
      INPUT_REGISTRYTYPE: 'unityCatalog',
      INPUT_AUTHTYPE: 'token',
      INPUT_DATABRICKSHOST: workspace,
      INPUT_DATABRICKSTOKEN: 'dapi-bench',
      INPUT_MODELNAME: 'main.ml.bench',
      INPUT_MODELVERSION: '1',
      INPUT_DESTINATIONFOLDER: join(folder, 'model'),
      AGENT_TEMPDIRECTORY: folder,
      AGENT_CAINFO: certificate.cert,
    },
  }),
};

export const curl: Client = {
  name: 'curl',
  command: ({ endpoint, container, blobs }, folder) => ({
    file: 'curl',
    args: [
      ...['--silent', '--show-error', '--fail', '--cacert', certificate.cert],
      ...blobs.flatMap((blob, n) => ['--output', join(folder, `${n}`), `${endpoint}/${container}/${blob}`]),
    ],
  }),
};

export const parallelCurl = (most: number): Client => ({
  name: `curl --parallel (${most})`,
  command: (registry, folder) => {
    const { file, args } = curl.command(registry, folder);
    return { file, args: ['--parallel', '--parallel-max', `${most}`, ...args] };
  },
});

const library = (method: string): Client => ({
  name: `@azure/storage-blob ${method}`,
  command: ({ endpoint, account, key, container }, folder) => ({
    file: process.execPath,
    args: [
      join(import.meta.dirname, 'storage-blob.mjs'),
      ...[method, folder, endpoint, account, key, container, `${VERSION}/`],
    ],
    env: { NODE_EXTRA_CA_CERTS: certificate.cert },
  }),
});
export const toFile = library('downloadToFile');
export const toBuffer = library('downloadToBuffer');

export const azcopy: Client = {
  name: 'azcopy',
  command: ({ endpoint, container }, folder) => ({
    file: 'azcopy',
    args: ['copy', `${endpoint}/${container}/${VERSION}`, folder, '--recursive', '--from-to=BlobLocal'],
    env: { SSL_CERT_FILE: certificate.cert },
  }),
};

export const azureCli: Client = {
  name: 'az storage blob download',
  command: ({ endpoint, account, key, container, blobs }, folder) => ({
    file: 'sh',
    args: [
      '-c',
      'for blob; do az storage blob download --output none -c "$CONTAINER" -n "$blob" -f "$FOLDER/$(basename "$blob")" || exit; done',
      'sh',
      ...blobs,
    ],
    env: {
      CONTAINER: container,
      FOLDER: folder,
      AZURE_STORAGE_CONNECTION_STRING: `AccountName=${account};AccountKey=${key};BlobEndpoint=${endpoint}`,
      REQUESTS_CA_BUNDLE: certificate.cert,
    },
  }),
};

/** As {@link azureCli}, with one process for all blobs. */
export const azureCliBatch: Client = {
  name: 'az storage blob download-batch',
  command: (registry, folder) => ({
    file: 'az',
    args: [
      ...['storage', 'blob', 'download-batch', '--output', 'none', '--only-show-errors'],
      ...['--source', registry.container, '--destination', folder, '--pattern', `${VERSION}/*`],
    ],
    env: azureCli.command(registry, folder).env ?? {},
  }),
};

/** The program that has to be on the PATH for a client. */
export function programOf(client: Client): string {
  if (client === azureCli || client === azureCliBatch) return 'az';
  return client.command(
    { endpoint: '', account: '', key: '', container: '', blobs: [], sha256: () => '' },
    '',
  ).file;
}
