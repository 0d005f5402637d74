import { statOf } from '../common/files/paths';
import { refuseStrayLink, SourceFileError } from '../common/files/source-file';
import type { InputReader } from '../common/inputs';
import { INLINE_CACHE } from './build-plan';
import { type ExtraOption, parseExtraOption } from './docker/extra-options';
import type { DockerRequest } from './docker/install';
import { serverIn } from './image/image-name';
import { formatPlatform, isKnownPlatform, parsePlatform, startsWithSystem } from './image/platform';

/* The inputs that say what is built, and how. */

/** Lines of a command are taken for what they mean to be, and refused with the line to write. */
export function readBuildArgs(inputs: InputReader): Record<string, string> {
  const args = inputs.keyValueLines('buildArgs');
  for (const key of Object.keys(args)) {
    const [, name = key] = /^--?(?:build-arg[ =])?\s*(.*)$/.exec(key) ?? [];
    if (name !== key) {
      inputs.reject('buildArgs', `has the line '${key}=…'. Leave out the option: write ${name || 'NAME'}=….`);
    } else if (!/^[A-Za-z_][\w.-]*$/.test(key)) {
      inputs.reject(
        'buildArgs',
        `sets '${key}', but the names of ARG lines have letters, digits and '_' only. Write it as in the Dockerfile.`,
      );
    }
  }
  return args;
}

/** Secrets by their ids. */
export function readBuildSecrets(inputs: InputReader): Record<string, string> {
  const secrets = inputs.secretKeyValueLines('buildSecrets');
  for (const [id, value] of Object.entries(secrets)) {
    if (!/^[\w.-]+$/.test(id)) {
      inputs.reject(
        'buildSecrets',
        `has the id '${id}', but ids have letters, digits, '_', '.' and '-' only.`,
      );
    } else if (!value) {
      inputs.reject('buildSecrets', `has nothing for ${id}. Give a secret variable, such as ${id}=$(${id}).`);
    }
  }
  return secrets;
}

/** Platforms by the names that docker knows them by, each once. A processor alone is one of Linux. */
export function readPlatforms(inputs: InputReader): string[] {
  const named = (inputs.optional('platform') ?? '').split(/[\s,]+/).filter(Boolean);
  const platforms = named.map((name) => {
    const platform = parsePlatform(startsWithSystem(name) ? name : `linux/${name}`);
    if (platform && isKnownPlatform(platform)) return formatPlatform(platform);
    inputs.reject('platform', `is '${name}', but a platform is such as linux/amd64 or linux/arm64.`);
    return name;
  });
  return [...new Set(platforms)];
}

/** A cache's image is taken to be in the registry of the step where it names none. */
export function cacheName(cache: string, loginServer: string): string {
  const isWhole = cache.includes('=') || cache === INLINE_CACHE || serverIn(cache) !== undefined;
  return isWhole ? cache : `${loginServer}/${cache}`;
}

/** Which docker client to install; undefined: none. */
export function readDockerRequest(inputs: InputReader): DockerRequest | undefined {
  const read = (name: 'dockerVersion' | 'buildxVersion') => {
    const version = inputs.optional(name)?.replace(/^v/, '');
    if (version === undefined || /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) return version;
    inputs.reject(name, `is '${version}', but must be a whole version, such as 28.2.2.`);
    return undefined;
  };
  const dockerVersion = read('dockerVersion');
  const buildxVersion = read('buildxVersion');
  const source = inputs.optional('dockerDownloadSource')?.replace(/\/+$/, '');
  if (source && !/^https?:\/\/[^\s@]+$/.test(source)) {
    inputs.reject(
      'dockerDownloadSource',
      'is no web address without a user, such as https://mirror.example.com.',
    );
  }
  return dockerVersion || buildxVersion ? { dockerVersion, buildxVersion, source } : undefined;
}

/** Options for docker that the step has no input for. */
export function readDockerOptions(inputs: InputReader): ExtraOption[] {
  return inputs.lines('dockerOptions').flatMap((line) => {
    const option = parseExtraOption(line);
    if (typeof option !== 'string') return option;
    inputs.reject('dockerOptions', `has the line '${line}', which ${option}.`);
    return [];
  });
}

/** The Dockerfile has to be there, and must not be a link out of the checkout. */
export function checkDockerfile(inputs: InputReader, dockerfile: string): void {
  const found = statOf(dockerfile);
  if (!found && /[*?]/.test(dockerfile)) {
    inputs.reject(
      'dockerfile',
      `is '${dockerfile}', but takes no patterns. Give the path of one file, such as model-api/Dockerfile.`,
    );
  } else if (!found) {
    inputs.reject(
      'dockerfile',
      `is '${dockerfile}', but there is no such file. Check the path, which begins at the root of the sources, ` +
        'and that the sources are checked out.',
    );
  } else if (!found.isFile()) {
    inputs.reject(
      'dockerfile',
      `is '${dockerfile}', which is a folder. Give the path of the Dockerfile in it.`,
    );
  }
  if (found) refuseStray(inputs, 'dockerfile', dockerfile);
}

/** So has the folder of the build context, where the step is given one. */
export function checkContext(inputs: InputReader, buildContext: string): void {
  if (!statOf(buildContext)?.isDirectory()) {
    inputs.reject('buildContext', `is '${buildContext}', but there is no such folder.`);
  }
  refuseStray(inputs, 'buildContext', buildContext);
}

/** A commit can hold a link that leads to the agent's own files. */
function refuseStray(inputs: InputReader, name: string, path: string): void {
  try {
    refuseStrayLink(path);
  } catch (error) {
    if (!(error instanceof SourceFileError)) throw error;
    inputs.reject(name, `is '${path}', ${error.message}`);
  }
}
