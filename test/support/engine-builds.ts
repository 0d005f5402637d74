import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type FlatImage, saveImages } from './image-files';

/** A docker client, and which of the engine's builders it talks to. */
export interface Builder {
  readonly client: string;
  readonly kind: 'buildkit' | 'legacy';
}

export interface EngineBuild {
  readonly file: string;
  readonly context: string;
  readonly name: string;
  /** `KEY=VALUE`. */
  readonly label: string;
  readonly arguments?: Readonly<Record<string, string>> | undefined;
  readonly target?: string | undefined;
}

/** @returns what the engine said if it built nothing */
export async function build(builder: Builder, engineBuild: EngineBuild): Promise<string | undefined> {
  const { file, context, name, label, arguments: given = {}, target } = engineBuild;
  const words = [
    'build',
    '--quiet',
    // BuildKit's cache takes a copy of files of one owner for one of another's. For its own, the legacy builder looks
    // at every image of the engine, and gives up where another test removes one of them meanwhile.
    '--no-cache',
    ...['--file', file, '--tag', name, '--label', label],
    ...Object.entries(given).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
    ...(target ? ['--target', target] : []),
    context,
  ];
  const env = {
    ...process.env,
    DOCKER_BUILDKIT: builder.kind === 'buildkit' ? '1' : '0',
    BUILDX_NO_DEFAULT_ATTESTATIONS: '1',
  };
  return new Promise((resolve) => {
    execFile(builder.client, words, { env }, (error, stdout, stderr) => {
      resolve(error ? `${stdout}${stderr}`.trim().split('\n').slice(-2).join(' ') : undefined);
    });
  });
}

/** Unpacks images that a builder made, and returns them by name. */
export function save(
  { client }: Builder,
  names: readonly string[],
  folder: string,
): Promise<Map<string, FlatImage>> {
  return saveImages((...args) => execFileSync(client, args, { maxBuffer: 1e8 }), names, folder);
}

/** The digest of an image's configuration, which is its id but in engines with containerd's store. */
export function configDigest(image: string): string {
  const input = execFileSync('docker', ['save', image], { maxBuffer: 1e9 });
  const [{ Config }] = JSON.parse(execFileSync('tar', ['-xO', 'manifest.json'], { input }).toString());
  return `sha256:${basename(Config, '.json')}`;
}

export function versionOf({ client }: Builder): string {
  return execFileSync(client, ['--version'], { encoding: 'utf8' });
}

/**
 * The builders that this machine's docker clients can use: newer ones need a plugin for BuildKit, older ones don't.
 *
 * @param label of the image that shows it, `KEY=VALUE`
 */
export async function findBuilders(folder: string, label: string): Promise<Builder[]> {
  const file = join(folder, 'probe.Dockerfile');
  writeFileSync(file, 'FROM scratch\nLABEL probe=1\n');
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  const works = async (builder: Builder) =>
    !(await build(builder, { file, context: empty, name: `probe:${label.split('=')[1]}`, label }));
  const kinds: Builder[] = [
    { client: 'docker', kind: 'buildkit' },
    { client: '/usr/bin/docker', kind: 'buildkit' },
    { client: 'docker', kind: 'legacy' },
  ];
  const working: Builder[] = [];
  for (const builder of kinds) {
    if (!working.some(({ kind }) => kind === builder.kind) && (await works(builder))) working.push(builder);
  }
  return working;
}

/**
 * Takes what was built with a label out of the engine again.
 *
 * @param label `KEY=VALUE`
 */
export function removeBuilt(client: string, label: string): void {
  const list = () => {
    const ids = execFileSync(client, ['images', '--quiet', '--filter', `label=${label}`]).toString();
    return [...new Set(ids.split('\n').filter(Boolean))];
  };
  // The engine lists images of one second in any order, and keeps those whose children come after them.
  let ids = list();
  while (ids.length > 0) {
    spawnSync(client, ['image', 'rm', '--force', ...ids], { stdio: 'ignore' });
    const left = list();
    if (left.length === ids.length) throw new Error(`These images can't be removed: ${left.join(', ')}`);
    ids = left;
  }
}
