import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Registry } from '../../../../local/registry/registry';
import { BaseNotes } from '../../../../tasks/AcrBuildPush/base-notes/base-notes';
import { LayerPackages } from '../../../../tasks/AcrBuildPush/bill-of-materials/layer-packages';
import { planDirectly } from '../../../../tasks/AcrBuildPush/build/direct/builder';
import type { ImageConfig } from '../../../../tasks/AcrBuildPush/image/image';
import { noteBases } from '../../../../tasks/AcrBuildPush/publish/note-bases';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import { createPull } from '../../../../tasks/AcrBuildPush/registry/pull';
import { Uploads } from '../../../../tasks/AcrBuildPush/registry/upload';
import { HttpClient } from '../../../../tasks/common/http';
import { debian, digestOf, gzipped, layerTar } from '../bill-of-materials/support';
import { capturedLog, leastPlan } from '../support';

export const USER = { username: 'robot', password: 'pa55-word' };

const IDENTITY = { kind: 'password', ...USER, input: 'acrPassword' } as const;

const OCI = 'application/vnd.oci.image';

/** An agent: its own connections and its own log. */
export function agent() {
  const { lines, log } = capturedLog();
  const { signal } = new AbortController();
  const network = { proxyFor: () => undefined, tls: {} };
  const http = new HttpClient({ log, signal, network, userAgent: 'test', sleep: async () => undefined });
  return { lines, log, http, signal };
}

/** A repository of a registry, for what lies there. */
export function repositoryOf({ loginServer }: Pick<Registry, 'loginServer'>, repository: string) {
  const { http, log } = agent();
  const credentials = fixedCredentials(loginServer, IDENTITY);
  return new RegistryClient({ http, log, host: loginServer, repository, credentials });
}

export type Repository = ReturnType<typeof repositoryOf>;

/** What the tests' base images have: a link that a copy follows, users, and packages. */
export const BASE_FILES = {
  'etc/passwd': 'root:x:0:0::/:\napi:x:42:43::/:\n',
  'etc/os-release': 'ID=debian\nVERSION_ID=13\n',
  'var/lib/dpkg/status': debian('libc6', '2.41'),
  'srv/models': undefined,
  models: { link: 'srv/models' },
} as const;

async function send(client: RegistryClient, mediaType: string, content: Buffer) {
  const digest = digestOf(content);
  const open = () => Readable.from([content], { objectMode: false });
  const source = { name: 'a part of an image', size: content.length, digest: () => digest, open };
  const { log, signal } = agent();
  await new Uploads(client).send(source, { log, signal });
  return { mediaType, digest, size: content.length };
}

/** Stores a manifest by its digest, and under a tag where one is given. */
export async function put(client: RegistryClient, content: object, tag?: string) {
  const mediaType = (content as { mediaType: string }).mediaType;
  const body = Buffer.from(JSON.stringify(content));
  const digest = digestOf(body);
  await client.put({ mediaType, body }, tag ?? digest);
  return { mediaType, digest, size: body.length };
}

/** Pushes a base image for two platforms, as others would. */
export async function pushBase(client: RegistryClient, tag: string, files: object = BASE_FILES) {
  await client.signIn();
  const images = [];
  for (const architecture of ['amd64', 'arm64']) {
    const tar = layerTar({ ...files, [architecture]: architecture });
    const layer = await send(client, `${OCI}.layer.v1.tar+gzip`, gzipped(tar));
    const platform = { os: 'linux', architecture };
    const config = { ...platform, rootfs: { type: 'layers', diff_ids: [digestOf(tar)] } };
    const parts = {
      config: await send(client, `${OCI}.config.v1+json`, Buffer.from(JSON.stringify(config))),
      layers: [layer],
    };
    const manifest = await put(client, { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, ...parts });
    images.push({ manifest: { ...manifest, platform }, layer, diffId: digestOf(tar) });
  }
  const manifests = images.map(({ manifest }) => manifest);
  const index = await put(client, { schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests }, tag);
  return { index, images, name: `${client.host}/${client.repository}:${tag}` };
}

/** Attaches something to a manifest, as anybody may who may push. */
export async function plant(
  client: RegistryClient,
  subject: object,
  artifactType: string,
  contents: Buffer[],
) {
  const layers = [];
  for (const content of contents) layers.push(await send(client, artifactType, content));
  const config = await send(client, 'application/vnd.oci.empty.v1+json', Buffer.from('{}'));
  const manifest = {
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    artifactType,
    config,
    layers,
    subject,
  };
  return put(client, manifest);
}

export interface Built {
  readonly lines: readonly string[];
  readonly config: ImageConfig;
  readonly packages: LayerPackages;
}

/** Builds an image for a repository on an agent that has never seen anything, and notes what it has read. */
export async function buildFor(
  client: RegistryClient,
  folder: string,
  recipe: readonly string[],
  { platform = 'linux/amd64', isTrusting = true, billed = true, limit = 60_000 } = {},
): Promise<Built> {
  const { http, log, lines, signal } = agent();
  const plan = {
    ...leastPlan,
    dockerfile: join(folder, 'Dockerfile'),
    context: folder,
    recipe: recipe.join('\n'),
    platforms: [platform],
  };
  const beside = new BaseNotes({ isTrusting, limit, log, signal });
  const packages = new LayerPackages(log);
  const pull = createPull({ http, log, credentialsFor: (host) => fixedCredentials(host, IDENTITY) });
  try {
    const services = { pull, beside, packages: billed ? packages : undefined, log, signal };
    const planned = await planDirectly(plan, services);
    const { config } = await planned.make({});
    await noteBases(beside.read, client, { limit, log, signal });
    return { lines, config: JSON.parse(config.toString()), packages };
  } finally {
    http.close();
  }
}
