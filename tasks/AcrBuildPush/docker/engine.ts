import { TaskError } from '../../common/errors';
import { readJson } from '../../common/json';
import { faultIn, type Shaped } from '../../common/shape';
import { ANSWER_LIMIT, type DockerCli, NoEngineError } from './cli';
import { explainDockerError } from './errors';
import { hasBuildxFile } from './plugins';

/** An engine's image can't be read, or is not worth reading; docker itself may still push it. */
export class UnreadableImageError extends TaskError {}

/** `buildx` brings BuildKit as a plugin; clients before 23 have it `built-in`; `legacy` is the builder before it. */
export type BuilderKind = 'buildx' | 'built-in' | 'legacy';

export interface Engine {
  readonly clientVersion: string;
  readonly serverVersion: string;
  /** `linux/amd64`. */
  readonly platform: string;
  readonly builder: BuilderKind;
}

const VERSION = {
  Client: { Version: 'text' },
  Server: { Version: 'text', Os: 'text', Arch: 'text' },
} as const;

/**
 * Finds out whether an engine answers, and which builder there is.
 *
 * @throws NoEngineError when docker is missing, or its engine can't be reached
 */
export async function findEngine(docker: DockerCli, env: NodeJS.ProcessEnv): Promise<Engine> {
  const [version, buildx] = await Promise.all([
    // Clients before 23 know no `--format json`.
    docker.capture(['version', '--format', '{{json .}}'], ANSWER_LIMIT),
    hasBuildxFile(env.DOCKER_CONFIG) ? docker.capture(['buildx', 'version'], ANSWER_LIMIT) : undefined,
  ]);
  const answer = parseVersion(version.stdout);
  if (version.exitCode !== 0 || !answer) {
    const output = version.stderr || version.stdout;
    throw new NoEngineError(
      explainDockerError(output) ?? `The Docker engine does not answer. Check that it runs on this agent.`,
      { details: output.split('\n') },
    );
  }
  const { clientVersion, serverVersion, os, architecture } = answer;
  return {
    clientVersion,
    serverVersion,
    platform: `${os}/${architecture}`,
    builder: chooseBuilder({
      clientVersion,
      serverOs: os,
      hasBuildx: buildx?.exitCode === 0,
      requested: env.DOCKER_BUILDKIT,
    }),
  };
}

/**
 * BuildKit wherever it is there: it is quicker, and sends only those files of the context that the Dockerfile needs.
 * `DOCKER_BUILDKIT=0` in the step's environment asks for the legacy builder.
 */
export function chooseBuilder(found: {
  clientVersion: string;
  serverOs: string;
  hasBuildx: boolean;
  requested: string | undefined;
}): BuilderKind {
  // BuildKit does not build Windows containers.
  if (found.requested === '0' || found.serverOs === 'windows') return 'legacy';
  if (found.hasBuildx) return 'buildx';
  return Number.parseInt(found.clientVersion, 10) < 23 ? 'built-in' : 'legacy';
}

/** By which driver buildx builds: `docker` in the engine itself, `docker-container` in a container of its own. */
export async function findDriver(docker: DockerCli): Promise<string | undefined> {
  const { stdout } = await docker.capture(['buildx', 'inspect'], ANSWER_LIMIT);
  return /^Driver:\s+(\S+)/m.exec(stdout)?.[1];
}

/** `docker 28.2.2 (legacy builder)`. */
export function describeBuilder({ clientVersion, builder }: Engine): string {
  const name = { buildx: 'BuildKit by buildx', 'built-in': 'BuildKit', legacy: 'legacy builder' }[builder];
  return `docker ${clientVersion} (${name})`;
}

/** What a client and its engine say of themselves; undefined where one of them is missing. */
function parseVersion(text: string) {
  const answer = readJson(text);
  if (faultIn(answer, VERSION) !== undefined) return undefined;
  const { Client: client, Server: server } = answer as Shaped<typeof VERSION>;
  if (!client?.Version || !server?.Version || !server.Os || !server.Arch) return undefined;
  return {
    clientVersion: client.Version,
    serverVersion: server.Version,
    os: server.Os,
    architecture: server.Arch,
  };
}

/** What an engine knows of an image by its name. */
export interface FoundImage {
  /** Of its manifest; undefined where the engine knows none, or several. */
  readonly digest: string | undefined;
  /** False where the image may have been made in this engine, and no registry have it. */
  readonly isPulled: boolean;
}

/** Looks for an image in an engine; undefined where it has none. */
export async function findInEngine(docker: DockerCli, image: string): Promise<FoundImage | undefined> {
  const format = '{{.Id}}{{range .RepoDigests}}{{println}}{{.}}{{end}}';
  const request = ['image', 'inspect', '--format', format, image];
  const { exitCode, stdout } = await docker.capture(request, ANSWER_LIMIT);
  if (exitCode !== 0) return undefined;
  const [id] = stdout.split('\n');
  const digests = new Set([...stdout.matchAll(/@(sha256:[0-9a-f]{64})$/gm)].map(([, digest]) => digest));
  const digest = digests.size === 1 ? [...digests][0] : undefined;
  // containerd's store knows every image by the digest of its manifest, wherever it comes from.
  return { digest, isPulled: digest !== id };
}

/** The id by which an engine knows an image, of several that it may have; undefined where it knows none. */
export async function findImageId(docker: DockerCli, ids: readonly string[]): Promise<string | undefined> {
  const request = ['image', 'inspect', '--format', '{{.Id}}', ...ids];
  const { stdout } = await docker.capture(request, ANSWER_LIMIT);
  return stdout.split('\n').find((line) => ids.includes(line));
}

/** An image in an engine's hands. */
export interface EngineImage {
  readonly docker: DockerCli;
  /** Digest of its configuration, or of its manifest where the engine keeps images in containerd's store. */
  readonly id: string;
  /** How many steps its history has on top of its base image. */
  readonly ownInstructions: number;
}

/** What an engine tells of an image that it holds. */
export interface ImageFacts {
  /** The digests of its layers before compression, from the bottom. */
  readonly diffIds: readonly string[];
  /** Bytes of its files. */
  readonly size: number;
  readonly os: string;
}

/** Asks an engine what an image of its is made of. */
export async function describeImage(docker: DockerCli, id: string): Promise<ImageFacts> {
  const format = '{{json .RootFS.Layers}} {{.Size}} {{.Os}}';
  const { stdout, stderr } = await docker.capture(['image', 'inspect', '--format', format, id], ANSWER_LIMIT);
  const [, layers, size, os] = /^(\[.*\]|null) (\d+) (\w+)$/.exec(stdout.trim()) ?? [];
  const diffIds = readJson(layers ?? '') ?? [];
  if (!layers || !os || faultIn(diffIds, ['text']) !== undefined) {
    throw new UnreadableImageError(`The engine does not describe the image ${id}.`, {
      details: stderr.split('\n'),
    });
  }
  return { diffIds: diffIds as string[], size: Number(size), os };
}

/** Bytes of the files that the last instructions of an image added to it. */
export async function sizeOfInstructions(docker: DockerCli, id: string, count: number): Promise<number> {
  const request = ['history', '--human=false', '--format', '{{.Size}}', id];
  const { stdout } = await docker.capture(request, ANSWER_LIMIT);
  const sizes = stdout.split('\n').slice(0, count).map(Number);
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}
