import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../processes';
import { dockerLogin } from './docker-login';
import type { RegistryLogin } from './registry-client';

/** A Docker engine that answers. */
export interface Engine {
  readonly version: string;
}

/** The engine behind the `docker` command, or the reason why there is none to work with. */
export async function findEngine(signal?: AbortSignal): Promise<Engine | { missing: string }> {
  try {
    const { exitCode, output } = await run('docker', ['version', '--format', '{{.Server.Version}}'], {
      signal,
    });
    const lastLine = output.trim().split('\n').pop() ?? '';
    return exitCode === 0 ? { version: lastLine } : { missing: lastLine };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { missing: 'docker is not installed' };
    throw error;
  }
}

/** A container of the model API, gone as soon as it is stopped. */
export interface ApiContainer {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts an image that serves HTTP on port 8000 and waits until it answers.
 *
 * @throws with the container's log when it ends, or does not answer within half a minute
 */
export async function startApi(image: string, signal: AbortSignal): Promise<ApiContainer> {
  const { host, id, stop } = await startContainer(image, [], signal);
  try {
    const url = `http://${host}`;
    await waitUntilHealthy(url, id, signal);
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A container that was started, whether it serves anything or not. */
export interface StartedContainer {
  readonly id: string;
  /** `127.0.0.1:<port>` of what it serves on port 8000. */
  readonly host: string;
  stop(): Promise<void>;
}

/** Starts an image, with other arguments than its own where there are some. */
export async function startContainer(
  image: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<StartedContainer> {
  const id = await docker(['run', '--detach', '--publish', '127.0.0.1::8000', image, ...args], signal);
  const stop = async () => {
    await docker(['rm', '--force', id]);
  };
  try {
    return { id, host: await docker(['port', id, '8000/tcp'], signal), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Pulls an image from a registry, as whoever runs it elsewhere would. */
export async function pullImage(image: string, registry: RegistryLogin, signal: AbortSignal): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'docker-login-'));
  try {
    await docker(['pull', image], signal, await dockerLogin({ folder, registry, signal }));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Removes an image, whatever its names, from the engine. */
export async function removeImage(image: string): Promise<void> {
  const id = await docker(['inspect', '--format', '{{.Id}}', image]);
  await docker(['rmi', '--force', id]);
}

async function waitUntilHealthy(url: string, container: string, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const healthy = await fetch(`${url}/api/health`, { signal }).then(
      (response) => response.ok,
      () => false,
    );
    if (healthy) return;
    if ((await docker(['inspect', '--format', '{{.State.Running}}', container], signal)) !== 'true') break;
    await sleep(200, undefined, { signal });
  }
  throw new Error(
    `The image's API does not answer.\n${await docker(['logs', '--tail', '20', container], signal)}`,
  );
}

async function docker(
  args: string[],
  signal?: AbortSignal,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const { exitCode, output } = await run('docker', args, { signal, env });
  if (exitCode !== 0) throw new Error(`docker ${args[0]} failed: ${output.trim()}`);
  return output.trim();
}
