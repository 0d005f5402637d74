import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { describeError, TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { taskVariable } from '../../common/task-variable';
import { ANSWER_LIMIT, DockerCli } from './cli';

/** The task variable that tells the end of the job which container may still run. */
export const CONTAINER_VARIABLE = 'smokeTestContainer';

const NAME_PREFIX = 'acr-build-push-';
const CONTAINER_NAME = /^acr-build-push-[0-9a-f-]{36}$/;

/** Milliseconds for the engine to start a container, and to remove it. */
const START_LIMIT = 120_000;
const REMOVE_LIMIT = 30_000;

/** Lines of a container's output that a message shows. */
const LAST_LINES = 40;

/** A name that nothing else has, and by which the end of the job knows the container. */
export function newContainerName(): string {
  return `${NAME_PREFIX}${randomUUID()}`;
}

/** The TCP ports that an image exposes. */
export async function exposedPorts(docker: DockerCli, image: string): Promise<number[]> {
  const format = '{{range $port, $_ := .Config.ExposedPorts}}{{println $port}}{{end}}';
  const { stdout } = await docker.capture(['image', 'inspect', '--format', format, image], ANSWER_LIMIT);
  return [...stdout.matchAll(/^(\d+)\/tcp$/gm)].map(([, port]) => Number(port));
}

/**
 * Starts a container that may take no more than its share: three quarters of the engine's memory, half of its
 * processors. Its ports can be reached from this machine alone, unless the engine is on another.
 *
 * @throws TaskError that says why it did not start; it may be there all the same
 */
export async function startContainer(
  docker: DockerCli,
  name: string,
  image: string,
  ports: readonly number[],
): Promise<void> {
  const [limits, host, network] = await Promise.all([
    resourceLimits(docker),
    engineHost(docker),
    networkOfAgent(docker),
  ]);
  const published = ports.map((port) => (isHere(host) ? `127.0.0.1::${port}` : `${port}`));
  const { exitCode, stderr } = await docker.capture(
    [
      ...['run', '--detach', '--name', name, ...limits],
      // Whatever the engine does with logs otherwise, these are to be read.
      ...['--log-driver', 'json-file', '--log-opt', 'max-size=10m'],
      ...published.flatMap((port) => ['--publish', port]),
      ...(network ? ['--network', network] : []),
      image,
    ],
    START_LIMIT,
  );
  if (exitCode === 0) return;
  throw new TaskError(
    `Docker did not start a container of ${image} (exit code ${exitCode}). What it said stands above this message.`,
    { details: stderr.split('\n') },
  );
}

/** Where a port of a container may be reached from here: as it is published, and at the container itself. */
export async function addressesOf(docker: DockerCli, name: string, port: number): Promise<string[]> {
  const format = `{{range (index .NetworkSettings.Ports "${port}/tcp")}}{{println .HostPort}}{{end}}/{{range .NetworkSettings.Networks}}{{println .IPAddress}}{{end}}`;
  const [{ stdout }, host] = await Promise.all([
    docker.capture(['inspect', '--format', format, name], ANSWER_LIMIT),
    engineHost(docker),
  ]);
  const [published = '', own = ''] = stdout.split('/');
  const first = (text: string) =>
    text
      .split('\n')
      .find((line) => line.trim())
      ?.trim();
  const [hostPort, address] = [first(published), first(own)];
  return [
    ...(hostPort ? [`${isHere(host) ? '127.0.0.1' : host}:${hostPort}`] : []),
    // From within a container, the ports of this machine are those of that container.
    ...(address ? [`${address}:${port}`] : []),
  ];
}

/** How a container ended, as a clause; undefined while it runs. */
export async function endOf(docker: DockerCli, name: string): Promise<string | undefined> {
  const format = '{{.State.Running}} {{.State.ExitCode}} {{.State.OOMKilled}}';
  const { stdout } = await docker.capture(['inspect', '--format', format, name], ANSWER_LIMIT);
  const [running, code, isOutOfMemory] = stdout.trim().split(' ');
  if (running === 'true') return undefined;
  return isOutOfMemory === 'true' ? 'it used up its memory' : `it ended with exit code ${code ?? 'unknown'}`;
}

/** The last lines of what a container has written. */
export async function lastLines(docker: DockerCli, name: string): Promise<string[]> {
  const request = ['logs', '--tail', String(LAST_LINES), name];
  const { stdout, stderr } = await docker.capture(request, ANSWER_LIMIT);
  const lines = `${stdout}\n${stderr}`.split('\n').filter(Boolean);
  return lines.slice(-LAST_LINES);
}

/**
 * Removes a container, whether it runs or not, and what it kept.
 *
 * @returns whether there was one
 */
export async function removeContainer(docker: DockerCli, name: string): Promise<boolean> {
  const { exitCode, stderr } = await docker.capture(['rm', '--force', '--volumes', name], REMOVE_LIMIT);
  return exitCode === 0 && !/no such container/i.test(stderr);
}

/**
 * Removes the container of a step that was killed before it could do so. Only one that a step has named is touched:
 * everything in the job could have set the variable.
 */
export async function removeForgottenContainer(env: NodeJS.ProcessEnv, log: Logger): Promise<void> {
  const name = taskVariable(env, CONTAINER_VARIABLE);
  if (!name || !CONTAINER_NAME.test(name)) return;
  const docker = new DockerCli({ env, signal: new AbortController().signal, log });
  try {
    if (await removeContainer(docker, name)) log.info(`Removed the container ${name}, which the step left.`);
  } catch (error) {
    log.warning(`The container ${name} may still be there: ${describeError(error)}`);
  }
}

async function resourceLimits(docker: DockerCli): Promise<string[]> {
  const { stdout } = await docker.capture(['info', '--format', '{{.MemTotal}} {{.NCPU}}'], ANSWER_LIMIT);
  const [memory = Number.NaN, processors = Number.NaN] = stdout.trim().split(' ').map(Number);
  return [
    ...['--pids-limit', '2048'],
    ...(memory > 0 ? ['--memory', String(Math.floor((memory * 3) / 4))] : []),
    ...(processors > 0 ? ['--cpus', String(Math.ceil(processors / 2))] : []),
  ];
}

/** The machine that the engine runs on; undefined where that is this one. */
async function engineHost(docker: DockerCli): Promise<string | undefined> {
  const request = ['context', 'inspect', '--format', '{{.Endpoints.docker.Host}}'];
  const { stdout } = await docker.capture(request, ANSWER_LIMIT);
  const endpoint = stdout.trim();
  return /^(?:tcp|ssh|https?):/.test(endpoint) && URL.canParse(endpoint)
    ? new URL(endpoint.replace(/^\w+:/, 'http:')).hostname
    : undefined;
}

function isHere(host: string | undefined): boolean {
  return host === undefined || host === 'localhost' || /^127\./.test(host) || host === '[::1]';
}

/** The network of the container that this step runs in, where it runs in one of the same engine. */
async function networkOfAgent(docker: DockerCli): Promise<string | undefined> {
  if (!existsSync('/.dockerenv')) return undefined;
  const format = '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}';
  const { exitCode, stdout } = await docker.capture(
    ['container', 'inspect', '--format', format, hostname()],
    ANSWER_LIMIT,
  );
  const [name] = stdout.split('\n');
  return exitCode === 0 && name?.trim() && name !== 'host' ? name.trim() : undefined;
}
