import { TaskError } from '../../common/errors';
import type { BaseImage } from './image';

/** An image's name, taken apart. */
export interface ImageName {
  /** The server as names have it: Docker Hub is `docker.io`. */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

/** Docker Hub in the names of images. */
const DOCKER_HUB = 'docker.io';

/** What names may have for Docker Hub besides. */
const OTHER_HUB = 'index.docker.io';

/** The server that speaks for Docker Hub, which no name has. */
const DOCKER_HUB_API = 'registry-1.docker.io';

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const SERVER = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9A-Fa-f:]+\\])(?::[0-9]{1,5})?$`);

/** What stands between the slashes of a repository's name, by the OCI distribution specification. */
export const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';

/** A server, then the repository in parts, then a tag, a digest, or both. */
const NAME = new RegExp(
  `^(?<repository>${COMPONENT}(?:/${COMPONENT})*)(?::(?<tag>\\w[\\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))?$`,
);

/** What stands for an image by itself, and is no name. */
const IMAGE_ID = /^[0-9a-f]{64}$/;

/**
 * Reads an image's name as docker does: what has no server before the first slash is on Docker Hub.
 *
 * @throws TaskError for what is no name
 */
export function parseImageName(text: string): ImageName {
  const name = readImageName(text);
  if (name) return name;
  // Servers and tags may have capitals.
  const [, repository = ''] = /^(?:[^/]*[.:][^/]*\/|localhost\/)?([^:@]*)/.exec(text) ?? [];
  const reason = /[A-Z]/.test(repository)
    ? ", since it has capitals. Write the Dockerfile's FROM lines in lower case."
    : '. Check the FROM lines of the Dockerfile.';
  throw new TaskError(`'${text}' is no name of an image${reason}`);
}

/** Reads an image's name; undefined for what is none. */
export function readImageName(text: string): ImageName | undefined {
  const server = serverIn(text);
  const { repository, tag, digest } =
    NAME.exec(server === undefined ? text : text.slice(server.length + 1))?.groups ?? {};
  if (!repository || (server !== undefined && !SERVER.test(server))) return undefined;
  const registry = server === undefined || server === OTHER_HUB ? DOCKER_HUB : server;
  const isOfficial = registry === DOCKER_HUB && !repository.includes('/');
  if (
    isOfficial &&
    server === undefined &&
    IMAGE_ID.test(repository) &&
    tag === undefined &&
    digest === undefined
  ) {
    return undefined;
  }
  return {
    registry,
    repository: isOfficial ? `library/${repository}` : repository,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  };
}

/** The server that a name begins with; undefined where it names none. Only servers have a dot, a colon, capitals or this name. */
export function serverIn(name: string): string | undefined {
  const [first, ...rest] = name.split('/');
  return rest.length > 0 && (/[.:A-Z]/.test(first!) || first === 'localhost') ? first : undefined;
}

/** What a registry is asked for: the digest where there is one, else the tag. */
export function referenceOf({ tag, digest }: ImageName): string {
  return digest ?? tag ?? 'latest';
}

/** The server that is asked for images of a registry. */
export function apiHostOf(registry: string): string {
  return registry === DOCKER_HUB ? DOCKER_HUB_API : registry;
}

/** A registry as names have it, by the server that is asked. */
export function registryOf(apiHost: string): string {
  return apiHost === DOCKER_HUB_API ? DOCKER_HUB : apiHost;
}

/** A base image as labels name it: with its registry, and with `latest` where there is neither tag nor digest. */
export function asBaseImage({ registry, repository, tag, digest }: ImageName): BaseImage {
  const version = tag ?? (digest === undefined ? 'latest' : undefined);
  return { name: `${registry}/${repository}${version === undefined ? '' : `:${version}`}`, digest };
}
