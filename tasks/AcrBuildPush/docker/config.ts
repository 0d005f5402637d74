import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { describeError } from '../../common/errors';
import { isInside, realPath } from '../../common/files/paths';
import { TemporaryFolder } from '../../common/files/temporary-folder';
import type { Logger } from '../../common/log';
import { EACH, faultIn, type Shape, withoutNulls } from '../../common/shape';
import { taskVariable } from '../../common/task-variable';

/** The parts of docker's `config.json` that matter here; all others pass through. */
export interface DockerConfigFile {
  readonly auths?: Readonly<Record<string, { readonly auth?: string }>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
  readonly cliPluginsExtraDirs?: readonly string[];
  readonly [setting: string]: unknown;
}

/** The shape of those. */
const CONFIG = {
  auths: { [EACH]: 'object' },
  credHelpers: { [EACH]: 'text' },
  credsStore: 'text',
  cliPluginsExtraDirs: ['text'],
} as const satisfies Shape;

/** What docker is signed in with to a registry. */
export interface RegistryCredentials {
  readonly host: string;
  readonly username: string;
  readonly password: string;
}

export interface DockerConfigOptions {
  /** A private folder in which the configuration is made. */
  readonly parentFolder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
  /** Told of the configuration's folder before there is anything in it. */
  readonly onCreate: (folder: string) => void;
}

/** The task variable that tells the end of the job where the configuration is. */
export const CONFIG_VARIABLE = 'dockerConfigFolder';

const FOLDER_PREFIX = 'docker-';

/** A docker configuration of the step's own. */
export interface DockerConfig {
  /** The environment of a docker that uses it. */
  readonly env: NodeJS.ProcessEnv;
  /** Gives docker the credentials of a registry, in place of those it had before. */
  signIn(credentials: RegistryCredentials): void;
}

/**
 * Calls `body` with a docker configuration of its own: the user's settings, plugins, contexts and logins, and what the
 * step signs in with, which nothing else on the agent gets to see. It is gone when this returns, and when the process
 * ends before.
 */
export async function withDockerConfig<T>(
  options: DockerConfigOptions,
  body: (config: DockerConfig) => Promise<T>,
): Promise<T> {
  const folder = new TemporaryFolder(options.parentFolder, FOLDER_PREFIX);
  options.onCreate(folder.path);
  try {
    return await body(setUp(folder.path, options));
  } finally {
    folder.remove();
  }
}

/**
 * Removes the configuration of a step that was killed before it could do so. Only a folder that can be one is touched:
 * everything in the job could have set the variable.
 */
export function removeForgottenConfig(env: NodeJS.ProcessEnv, log: Logger): void {
  const folder = taskVariable(env, CONFIG_VARIABLE);
  const temp = env.AGENT_TEMPDIRECTORY;
  if (!folder || !temp || !existsSync(folder)) return;
  if (!isInside(realPath(resolve(folder)), realPath(resolve(temp)))) return;
  if (!basename(folder).startsWith(FOLDER_PREFIX)) return;
  try {
    rmSync(folder, { recursive: true, force: true });
    log.info("Removed the step's private Docker configuration, which the step had no time to remove.");
  } catch (error) {
    log.warning(
      `The step's private Docker configuration, which holds the registry's password, may still be in '${folder}': ${describeError(error)}. Delete that folder.`,
    );
  }
}

function setUp(folder: string, { env, log }: DockerConfigOptions): DockerConfig {
  const originalFolder = env.DOCKER_CONFIG || join(homedir(), '.docker');
  const original = readConfig(originalFolder, log);
  const write = (credentials: RegistryCredentials | undefined) => {
    const config = privateConfig(original, originalFolder, credentials);
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config), { mode: 0o600 });
  };
  write(undefined);

  const contexts = join(originalFolder, 'contexts');
  if (existsSync(contexts)) symlinkSync(contexts, join(folder, 'contexts'), 'junction');
  return {
    env: {
      ...env,
      DOCKER_CONFIG: folder,
      BUILDX_CONFIG: env.BUILDX_CONFIG || join(originalFolder, 'buildx'),
      // Docker looks for the client certificate of a remote engine in its configuration's folder.
      ...(env.DOCKER_TLS_VERIFY && { DOCKER_CERT_PATH: env.DOCKER_CERT_PATH || originalFolder }),
    },
    signIn: write,
  };
}

/**
 * The user's configuration with other credentials for one registry. A credentials store is named for each registry
 * that it serves, instead of for all: given the chance, docker would put the password into it, where it would outlive
 * the step.
 */
export function privateConfig(
  original: DockerConfigFile,
  originalFolder: string,
  credentials: RegistryCredentials | undefined,
): DockerConfigFile {
  const { auths = {}, credHelpers = {}, credsStore, cliPluginsExtraDirs = [], ...settings } = original;
  const isOther = ([server]: [string, unknown]) => hostOf(server) !== credentials?.host;
  const stored = credsStore ? Object.keys(auths).map((server) => [server, credsStore] as const) : [];
  const helpers = Object.entries({ ...Object.fromEntries(stored), ...credHelpers });
  return {
    ...settings,
    auths: {
      ...Object.fromEntries(Object.entries(auths).filter(isOther)),
      ...(credentials && { [credentials.host]: { auth: encodeCredentials(credentials) } }),
    },
    credHelpers: Object.fromEntries(helpers.filter(isOther)),
    cliPluginsExtraDirs: [...cliPluginsExtraDirs, join(originalFolder, 'cli-plugins')],
  };
}

function readConfig(folder: string, log: Logger): DockerConfigFile {
  const file = join(folder, 'config.json');
  if (!existsSync(file)) return {};
  try {
    const config: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const fault = faultIn(config, CONFIG);
    if (fault !== undefined) throw new Error(fault);
    return withoutNulls(config, CONFIG) as DockerConfigFile;
  } catch (error) {
    log.warning(
      `Docker's configuration ${file} is left out, since it can't be read: ${describeError(error)}`,
    );
    return {};
  }
}

/** Logins are kept under a server's name, or under an address such as `https://index.docker.io/v1/`. */
export function hostOf(server: string): string {
  return server
    .replace(/^https?:\/\//, '')
    .replace(/\/.*$/, '')
    .toLowerCase();
}

function encodeCredentials({ username, password }: RegistryCredentials): string {
  return Buffer.from(`${username}:${password}`).toString('base64');
}
