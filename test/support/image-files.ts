import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { readTar, type TarMember } from '../../tasks/AcrBuildPush/files/tar-reader';
import type {
  ContainerSettings,
  ImageConfig,
  Layer,
  OciImage,
  Platform,
  RemoteLayer,
} from '../../tasks/AcrBuildPush/image/image';
import type { PulledImage } from '../../tasks/AcrBuildPush/registry/pull';

/** An image with its layers laid over each other: what a container of it would see. */
export interface FlatImage {
  readonly settings: Record<string, unknown>;
  /** Path to type, permissions, owner, and where a link leads or the digest of a file's bytes. */
  readonly files: Record<string, string>;
}

/** Unpacks images that an engine holds, and returns them by name. */
export async function saveImages(
  docker: (...args: string[]) => Buffer | string,
  names: readonly string[],
  folder: string,
): Promise<Map<string, FlatImage>> {
  const images = new Map<string, FlatImage>();
  const inspected: InspectedImage[] = JSON.parse(docker('image', 'inspect', ...names).toString());
  const saved: string[] = [];
  for (const [index, { RootFS, Config, Os, Architecture }] of inspected.entries()) {
    // Images without a layer can't be saved.
    if (RootFS.Layers?.length) saved.push(names[index]!);
    else
      images.set(names[index]!, {
        settings: settingsOf({ os: Os, architecture: Architecture }, Config),
        files: {},
      });
  }
  if (!saved.length) return images;
  const archive = join(folder, 'images.tar');
  docker('save', '--output', archive, ...saved);
  execFileSync('tar', ['-xf', archive, '-C', folder]);
  for (const { Config, RepoTags, Layers } of readManifest(folder)) {
    const config = JSON.parse(readFileSync(join(folder, Config), 'utf8'));
    const streams = Layers.map((layer) => readLayer(join(folder, layer)));
    const flat = await flatten(config, streams);
    for (const name of RepoTags ?? []) images.set(name, flat);
  }
  return images;
}

/** A layer of a saved image, which engines with containerd's store keep compressed. */
function readLayer(path: string): Readable {
  const stream = createReadStream(path);
  return isGzip(path) ? stream.pipe(createGunzip()) : stream;
}

function isGzip(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const start = Buffer.alloc(2);
    readSync(file, start);
    return start.toString('hex') === '1f8b';
  } finally {
    closeSync(file);
  }
}

interface InspectedImage {
  readonly Os: string;
  readonly Architecture: string;
  readonly Config: ContainerSettings;
  readonly RootFS: { readonly Layers?: string[] };
}

interface SavedImage {
  readonly Config: string;
  readonly RepoTags: string[] | null;
  readonly Layers: string[];
}

function readManifest(folder: string): SavedImage[] {
  return JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
}

/** An unpacked image as if it lay in a registry. */
export function asPulledImage(folder: string): PulledImage {
  const { Config, Layers } = readManifest(folder)[0]!;
  const config: ImageConfig = JSON.parse(readFileSync(join(folder, Config), 'utf8'));
  return {
    digest: `sha256:${'0'.repeat(64)}`,
    config,
    layers: Layers.map((layer, index): RemoteLayer => {
      const diffId = config.rootfs.diff_ids[index]!;
      const path = join(folder, layer);
      const blob = /^blobs\/sha256\/(\w+)$/.exec(layer)?.[1];
      return {
        kind: 'remote',
        diffId,
        descriptor: {
          mediaType: `application/vnd.docker.image.rootfs.diff.tar${isGzip(path) ? '.gzip' : ''}`,
          digest: blob ? `sha256:${blob}` : diffId,
          size: statSync(path).size,
        },
        host: 'registry.example',
        repository: 'base',
        open: async () => createReadStream(path),
      };
    }),
  };
}

export function flattenBuilt({ config, layers }: OciImage): Promise<FlatImage> {
  return flattenFiles(JSON.parse(config.toString('utf8')), layers);
}

/** What a container of an image would see. */
export async function flattenFiles(config: ImageConfig, layers: readonly Layer[]): Promise<FlatImage> {
  const streams = await Promise.all(
    layers.map(async (layer) => {
      const stream = await layer.open();
      const isCompressed = layer.kind === 'remote' && layer.descriptor.mediaType.endsWith('gzip');
      return isCompressed ? stream.pipe(createGunzip()) : stream;
    }),
  );
  return flatten(config, streams);
}

const SETTINGS = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'Healthcheck',
  'Shell',
  'OnBuild',
];

function settingsOf({ os, architecture }: Platform, config: ContainerSettings = {}): Record<string, unknown> {
  const settings: Record<string, unknown> = { os, architecture };
  for (const key of SETTINGS) {
    const value = config[key];
    const empty = value === null || value === undefined || Object.keys(Object(value)).length === 0;
    if (key === 'WorkingDir') settings[key] = value || '/';
    else if (typeof value === 'string' ? value : !empty) settings[key] = value;
  }
  return settings;
}

async function flatten(config: ImageConfig, layers: readonly Readable[]): Promise<FlatImage> {
  const files = new Map<string, string>();
  for (const layer of layers) await layOver(files, layer);
  return {
    settings: settingsOf(config, config.config),
    files: Object.fromEntries([...files].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

async function layOver(files: Map<string, string>, layer: Readable): Promise<void> {
  const members: { member: TarMember; digest: () => string }[] = [];
  await readTar(layer, (member) => {
    const hash = createHash('sha256');
    let digest: string | undefined;
    members.push({
      member,
      digest: () => {
        digest ??= hash.digest('hex').slice(0, 12);
        return digest;
      },
    });
    return (chunk) => hash.update(chunk);
  });
  const remove = (path: string) => {
    for (const known of [...files.keys()]) {
      if (known === path || known.startsWith(`${path}/`)) files.delete(known);
    }
  };
  for (const { member } of members) {
    const white = /^(.*\/)?\.wh\.([^/]+)$/.exec(member.path);
    if (white) remove(`${white[1] ?? ''}${white[2]}`);
  }
  for (const { member, digest } of members) {
    const { path, kind, mode, uid, gid, link } = member;
    if (/(^|\/)\.wh\./.test(path) || path === '') continue;
    if (kind === 'hardlink') {
      files.set(path, files.get(link.replace(/^\.?\//, ''))!);
      continue;
    }
    if (kind !== 'directory') remove(path);
    const rights = kind === 'symlink' ? '' : ` ${mode.toString(8)}`;
    const content = kind === 'symlink' ? ` -> ${link}` : kind === 'file' ? ` ${digest()}` : '';
    files.set(path, `${kind}${rights} ${uid}:${gid}${content}`);
  }
}
