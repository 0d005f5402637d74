import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import * as tools from 'azure-pipelines-tool-lib/tool';
import { CancelledError, describeError, TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { outputOf } from '../../common/program';
import { describePlatform } from './download-names';

/** Which docker client to build with, and where it comes from. */
export interface DockerRequest {
  /** Undefined: the agent's own. */
  readonly dockerVersion: string | undefined;
  readonly buildxVersion: string | undefined;
  /** A place with the layout of both download sites; undefined: those sites themselves. */
  readonly source: string | undefined;
}

/** The name that the DockerInstaller task keeps docker under too, so that one download serves both. */
const DOCKER_TOOL = 'docker-stable';
const BUILDX_TOOL = 'docker-buildx';

/**
 * Puts a docker client of a certain version, and buildx where it is asked for, at the disposal of this step. Both are
 * kept in the agent's tool cache.
 *
 * @param env the environment of a docker with a configuration of the step's own
 * @returns that environment with the client on its PATH
 */
export async function installDocker(
  request: DockerRequest,
  env: NodeJS.ProcessEnv,
  options: { log: Logger; signal: AbortSignal },
): Promise<NodeJS.ProcessEnv> {
  const installer = new Installer(request.source, options.log);
  const install = throughLog(options.log, async () => {
    const folder = request.dockerVersion && (await installer.docker(request.dockerVersion));
    if (request.buildxVersion) {
      const plugins = join(env.DOCKER_CONFIG!, 'cli-plugins');
      mkdirSync(plugins, { recursive: true });
      await installer.buildx(request.buildxVersion, plugins);
    }
    return folder;
  });
  const folder = await orCancelled(install, options.signal);
  if (!folder) return env;
  const path = Object.keys(env).find((name) => name.toUpperCase() === 'PATH') ?? 'PATH';
  return { ...env, [path]: `${folder}${delimiter}${env[path] ?? ''}` };
}

class Installer {
  private readonly platform = describePlatform(process.platform, process.arch);

  constructor(
    private readonly source: string | undefined,
    private readonly log: Logger,
  ) {}

  /** @returns the folder that docker lies in */
  async docker(version: string): Promise<string> {
    const { dockerFolder, archive, suffix } = this.platform;
    const program = `docker${suffix}`;
    const cached = tools.findLocalTool(DOCKER_TOOL, cacheVersion(version));
    if (cached) return cached;

    const site = this.source ?? 'https://download.docker.com';
    const url = `${site}/${dockerFolder}/docker-${version}.${archive}`;
    const file = await this.download(url, 'dockerVersion', version);
    this.log.info(
      `Docker publishes no checksums of its clients: nothing but the connection to ${new URL(url).host} vouches for this one.`,
    );
    const unpacked = await unpack(file, `docker/${program}`, url);
    const folder = await tools.cacheFile(unpacked, program, DOCKER_TOOL, cacheVersion(version));
    chmodSync(join(folder, program), 0o755);
    return folder;
  }

  async buildx(version: string, pluginFolder: string): Promise<void> {
    const { buildx, suffix } = this.platform;
    const name = `docker-buildx${suffix}`;
    let folder = tools.findLocalTool(BUILDX_TOOL, version);
    if (!folder) {
      const releases = `${this.source ?? 'https://github.com'}/docker/buildx/releases/download/v${version}`;
      const asset = `buildx-v${version}.${buildx}${suffix}`;
      const checksums = await this.download(`${releases}/checksums.txt`, 'buildxVersion', version);
      const file = await this.download(`${releases}/${asset}`, 'buildxVersion', version);
      verify(file, asset, readFileSync(checksums, 'utf8'), releases);
      this.log.info(`${asset} is what its published checksum says.`);
      folder = await tools.cacheFile(file, name, BUILDX_TOOL, version);
    }
    copyFileSync(join(folder, name), join(pluginFolder, name));
    chmodSync(join(pluginFolder, name), 0o755);
  }

  private async download(url: string, input: string, version: string): Promise<string> {
    if (url.startsWith('http:'))
      this.log.warning(`Nothing vouches for what comes from ${url}: plain HTTP proves nothing.`);
    try {
      return await tools.downloadToolWithRetries(url);
    } catch (error) {
      const status = (error as { httpStatusCode?: number }).httpStatusCode;
      const remedy =
        status === 404
          ? `There is no such file: check input '${input}' (${version})${this.source ? ", and the layout of the folder in 'dockerDownloadSource'" : ''}.`
          : "Check that this agent may reach it, or name a copy of the download sites in input 'dockerDownloadSource'.";
      throw new TaskError(`${url} could not be downloaded: ${describeError(error)}. ${remedy}`, {
        cause: error,
      });
    }
  }
}

/** Versions of old have months with a leading zero, which the tool cache does not take. */
function cacheVersion(version: string): string {
  return version.replace(/\.0+(?=\d)/g, '.');
}

/** Takes one file out of an archive. Every system that agents run on has a `tar`, which on Windows reads zips too. */
async function unpack(archive: string, member: string, url: string): Promise<string> {
  const folder = `${archive}-unpacked`;
  mkdirSync(folder);
  try {
    await outputOf('tar', ['-xf', archive, '-C', folder, member]);
    return join(folder, member);
  } catch (error) {
    throw new TaskError(
      `What came from ${url} is no whole archive with ${member} in it. Run the step again; where it stays so, check the proxy, or the copy of the download site.`,
      { cause: error, details: [describeError(error)] },
    );
  } finally {
    rmSync(archive);
  }
}

/** Compares a file with the checksums that were published with it: lines of a SHA-256, a space, and `*` and its name. */
function verify(file: string, asset: string, checksums: string, site: string): void {
  const line = checksums.split(/\r?\n/).find((one) => one.replace(/^[0-9a-f]{64} [ *]/i, '') === asset);
  if (!line) {
    throw new TaskError(
      `${site}/checksums.txt does not name ${asset}, so that it can't be verified. Check input 'buildxVersion', or the copy of the download site.`,
    );
  }
  const wanted = line.slice(0, 64).toLowerCase();
  const found = createHash('sha256').update(readFileSync(file)).digest('hex');
  if (found === wanted) return;
  throw new TaskError(
    `${site}/${asset} is not what its checksum says (SHA-256 ${found}, published ${wanted}), and was not used. Find out who changed it.`,
  );
}

/** Has what tool-lib prints by itself pass through the log, as everything must. */
async function throughLog<T>(log: Logger, body: () => Promise<T>): Promise<T> {
  const print = console.log;
  console.log = (text: unknown) => log.info(String(text));
  try {
    return await body();
  } finally {
    console.log = print;
  }
}

/** Downloads can't be stopped; a step that is cancelled does not wait for them. */
function orCancelled<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = () => reject(new CancelledError());
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', cancel));
  });
}
