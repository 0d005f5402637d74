import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { root } from '../scripts/paths';
import { inOwnGroup } from './processes';

/** The API of a model that answers. */
export interface RunningApi {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Serves a model from its files, without an image.
 *
 * @param python one that has the packages of model-api/requirements.txt
 * @param pickles the folder of the model's files
 * @throws when the API ends before it serves anything, with what it said
 */
export async function serveModel(python: string, pickles: string): Promise<RunningApi> {
  const script = join(root, 'model-api/src/serve.py');
  const child = spawn(python, [script, '--pickles', pickles, '--port', '0'], {
    ...inOwnGroup,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  const ended = once(child, 'close');
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2_000);
  });
  for await (const line of createInterface(child.stdout)) {
    const url = /Serving .* at (http:.*)\/api\/docs"/.exec(line)?.[1];
    if (!url) continue;
    // What it logs from now on must not fill the pipe.
    child.stdout.resume();
    const stop = async () => {
      child.kill('SIGTERM');
      await ended;
    };
    return { url, stop };
  }
  throw new Error(`The model's API ended before it served anything.\n${complaint.trim()}`);
}
