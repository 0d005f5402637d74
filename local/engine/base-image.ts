import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../processes';
import { dockerLogin } from './docker-login';
import { RegistryClient, type RegistryLogin } from './registry-client';

export interface LayerOptions {
  /** A virtual environment's Python that has the packages of model-api/requirements.txt. */
  readonly python: string;
  /** Where an image made here goes, so that it is there when the image built on it is pushed. */
  readonly registry: RegistryLogin;
  /** Keeps the layer of an image made here from one call to the next. */
  readonly cacheFolder: string;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface BaseImageOptions extends LayerOptions {
  /** The `docker` command. */
  readonly docker?: string;
  /** The image that the Dockerfile wants, such as `python:3.12-slim`. */
  readonly reference: string;
}

export interface BaseImage {
  /** What to give to the Dockerfile as `BASE_IMAGE`; the engine has it. */
  readonly image: string;
  readonly origin: 'engine' | 'pulled' | 'made here';
}

/** Marks what was made on this machine for the example, in the engine too. */
export const LOCAL_LABEL = 'model-pipeline-tasks.local';

const SCRIPT = join(import.meta.dirname, 'base_layer.py');
const REQUIREMENTS = join(import.meta.dirname, '../../model-api/requirements.txt');
const REPOSITORY = 'base/python';
const PULL_LIMIT = 60_000;
/** Milliseconds without use after which a layer is removed. */
const UNUSED = 14 * 24 * 3_600_000;
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * Provides the image that the API's image is built on, also where the engine cannot pull it: then a small one is made
 * of this machine's own Python and stored in the registry.
 *
 * @throws when the image cannot be pulled and none can be made here, with what to do about it
 */
export async function ensureBaseImage(options: BaseImageOptions): Promise<BaseImage> {
  const { reference, log } = options;
  if (await engineHas(reference, options)) {
    log(`The Docker engine has ${reference}.`);
    return { image: reference, origin: 'engine' };
  }
  const layer = await describeLayer(options);
  if (!('obstacle' in layer) && (await isKept(layer))) {
    log(`${reference} could not be pulled before: using the base image made here of Python ${layer.python}.`);
    return { image: await publish(layer, options), origin: 'made here' };
  }
  const problem = await pullProblem(reference, options);
  if (!problem) return { image: reference, origin: 'pulled' };
  if ('obstacle' in layer) {
    throw new Error(
      `The Docker engine cannot pull ${reference} (${problem}), and no base image can be made instead: ${layer.obstacle}. ` +
        `Connect the engine to a registry that has ${reference}, or load it with "docker load", and run this again.`,
    );
  }
  log(`${reference} cannot be pulled: ${problem}`);
  await makeLayer(layer, options);
  return { image: await publish(layer, options), origin: 'made here' };
}

/**
 * Provides an image that the API can run on, its packages included, where no engine could install them: one made of
 * this machine's own Python, in the registry.
 *
 * @throws when none can be made here
 */
export async function makeRuntimeImage(options: LayerOptions): Promise<string> {
  const layer = await describeLayer(options);
  if ('obstacle' in layer)
    throw new Error(`No image with the API's packages can be made here: ${layer.obstacle}.`);
  if (await isKept(layer))
    options.log(`Using the image made here before, of Python ${layer.python} and the API's packages.`);
  else await makeLayer(layer, options);
  const image = await store(layer, options);
  options.log(`It is ${image}.`);
  return image;
}

/** The layer of an image made here, and where it is kept. */
interface Layer {
  /** Changes with everything that the layer is made of. */
  readonly key: string;
  readonly python: string;
  readonly file: string;
}

async function describeLayer(options: LayerOptions): Promise<Layer | { obstacle: string }> {
  const { python, cacheFolder, signal } = options;
  if (process.platform !== 'linux') return { obstacle: 'that works on Linux only' };
  if (!ARCHITECTURES[process.arch]) return { obstacle: `that does not work on ${process.arch}` };
  const { exitCode, output } = await run(python, [SCRIPT, 'key', REQUIREMENTS], { signal });
  if (exitCode !== 0) return { obstacle: `${python} says ${lastLine(output)}` };
  const { key, python: version } = JSON.parse(output) as { key: string; python: string };
  return { key, python: version, file: join(cacheFolder, `base-${key}.tar`) };
}

/** Whether the layer was made before; then it counts as used now. */
async function isKept({ file }: Layer): Promise<boolean> {
  const now = new Date();
  return utimes(file, now, now).then(
    () => true,
    () => false,
  );
}

/** Checkouts that share the folder may need others, by turns: only what none has used for a while goes. */
async function removeUnused(cacheFolder: string): Promise<void> {
  for (const name of await readdir(cacheFolder)) {
    if (!/^base-.*\.tar/.test(name)) continue;
    const file = join(cacheFolder, name);
    const age = Date.now() - (await stat(file).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (age > UNUSED) await rm(file, { force: true });
  }
}

async function makeLayer(layer: Layer, { python, cacheFolder, log, signal }: LayerOptions): Promise<void> {
  log(`Making a small base image, of this machine's Python ${layer.python} and the API's packages.`);
  const start = Date.now();
  await mkdir(cacheFolder, { recursive: true });
  await removeUnused(cacheFolder);
  const unfinished = `${layer.file}.${process.pid}`;
  const { exitCode, output } = await run(python, [SCRIPT, 'make', REQUIREMENTS, unfinished], { signal });
  if (exitCode !== 0) {
    throw new Error(`No base image could be made of Python ${layer.python}.\n${output.trim()}`);
  }
  await rename(unfinished, layer.file);
  const { size } = await stat(layer.file);
  log(
    `Made it in ${seconds(Date.now() - start)}: ${Math.round(size / 1_000_000)} MB. It is kept for the next time.`,
  );
}

/** Puts the image into the registry and lets the engine pull it from there. */
async function publish(layer: Layer, options: BaseImageOptions): Promise<string> {
  const image = await store(layer, options);
  const problem = await pullProblem(image, options);
  if (problem) throw new Error(`The Docker engine cannot pull ${image} from the local registry: ${problem}`);
  options.log(`The base image is ${image}.`);
  return image;
}

/** Puts the image into the registry. */
async function store(layer: Layer, { registry, signal }: LayerOptions): Promise<string> {
  const client = new RegistryClient(registry, REPOSITORY, signal);
  const tag = `${layer.key}-${registry.loginServer.split(':').pop()}`;
  if (!(await client.hasTag(tag))) {
    await client.putImage(tag, await client.putLayer(layer.file), configuration(layer, registry));
  }
  return `${registry.loginServer}/${REPOSITORY}:${tag}`;
}

/**
 * Names the registry, which makes the image another one in each. An engine notes that a registry has a layer only
 * when it pulls an image that it does not know; with the note, a later push mounts the layer instead of compressing it.
 */
function configuration({ python }: Layer, { loginServer }: RegistryLogin): object {
  const created = '1970-01-01T00:00:00Z';
  return {
    architecture: ARCHITECTURES[process.arch],
    os: 'linux',
    created,
    config: {
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'LANG=C.UTF-8', `PYTHON_VERSION=${python}`],
      Cmd: ['python3'],
      WorkingDir: '/',
      // Images built on this one inherit it, so that all of them can be found and removed.
      Labels: { [LOCAL_LABEL]: 'true' },
    },
    history: [{ created, created_by: 'local/engine/base-image.ts', comment: `stored in ${loginServer}` }],
  };
}

async function engineHas(image: string, { docker = 'docker', signal }: BaseImageOptions): Promise<boolean> {
  const { exitCode } = await run(docker, ['image', 'inspect', '--format', '{{.Id}}', image], { signal });
  return exitCode === 0;
}

/** Pulls an image. Returns why it does not work; undefined when it does. */
async function pullProblem(image: string, options: BaseImageOptions): Promise<string | undefined> {
  const { docker = 'docker', registry, log, signal } = options;
  log(`Pulling ${image}.`);
  const limit = AbortSignal.timeout(PULL_LIMIT);
  const folder = await mkdtemp(join(tmpdir(), 'docker-config-'));
  try {
    const own = image.startsWith(`${registry.loginServer}/`);
    const env = own ? await dockerLogin({ folder, registry, docker, signal }) : process.env;
    const { exitCode, output } = await run(docker, ['pull', '--quiet', image], {
      env,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    return exitCode === 0 ? undefined : `docker says ${lastLine(output)}`;
  } catch (error) {
    if (!limit.aborted || signal?.aborted) throw error;
    return `it took longer than ${seconds(PULL_LIMIT)}`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function lastLine(output: string): string {
  return output.trim().split('\n').pop() || 'nothing';
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
