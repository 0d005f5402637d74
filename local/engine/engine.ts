import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A Docker engine that answers. */
export interface Engine {
  readonly version: string;
}

/** The engine behind the `docker` command, or the reason why there is none to work with. */
export async function findEngine(signal?: AbortSignal): Promise<Engine | { missing: string }> {
  try {
    const { stdout } = await run('docker', ['version', '--format', '{{.Server.Version}}'], {
      timeout: 10_000,
      signal,
    });
    return { version: stdout.trim() };
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT') return { missing: 'docker is not installed' };
    return { missing: stderr?.trim().split('\n').pop() || 'the engine does not answer' };
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
  const { stdout } = await run('docker', ['run', '--detach', '--publish', '127.0.0.1::8000', image], {
    signal,
  });
  const container = stdout.trim();
  const stop = async () => {
    await run('docker', ['rm', '--force', container]);
  };
  try {
    const port = (await run('docker', ['port', container, '8000/tcp'], { signal })).stdout.trim();
    const url = `http://${port}`;
    await waitUntilHealthy(url, container, signal);
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function waitUntilHealthy(url: string, container: string, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const healthy = await fetch(`${url}/api/health`, { signal }).then(
      (response) => response.ok,
      () => false,
    );
    if (healthy) return;
    const { stdout } = await run('docker', ['inspect', '--format', '{{.State.Running}}', container], {
      signal,
    });
    if (stdout.trim() !== 'true') break;
    await sleep(200, undefined, { signal });
  }
  const { stdout, stderr } = await run('docker', ['logs', '--tail', '20', container]);
  throw new Error(`The image's API does not answer.\n${stdout}${stderr}`);
}
