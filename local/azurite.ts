import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { inOwnGroup, killTree } from './processes';

/** The account name that Azure's storage emulators have always had. Its key is a new one at each start. */
const ACCOUNT = 'devstoreaccount1';

const LISTENING = /successfully listens on (http:\/\/\S+)/;

export interface AzuriteOptions {
  /** Keeps the blobs in this folder; without it they live in memory and end with the process. */
  readonly folder?: string;
  /** Ends Azurite when aborted. */
  readonly signal?: AbortSignal;
}

/** A storage account on loopback, served by Azurite. */
export interface Azurite {
  readonly account: string;
  /** Base64, as Azure gives out account keys. */
  readonly key: string;
  /** The account's blob endpoint: `http://127.0.0.1:<port>/<account>`. */
  readonly blobEndpoint: string;
  stop(): Promise<void>;
}

/**
 * Starts Azurite's blob service on a free port of 127.0.0.1 and waits until it answers.
 *
 * @throws when Azurite ends before it listens, with what it printed.
 */
export async function startAzurite(options: AzuriteOptions = {}): Promise<Azurite> {
  options.signal?.throwIfAborted();
  const key = randomBytes(64).toString('base64');
  const main = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');
  const storage = options.folder ? ['--location', options.folder] : ['--inMemoryPersistence'];
  const child = spawn(
    process.execPath,
    // Client libraries are often newer than the API versions that Azurite knows.
    [main, '--blobPort', '0', '--silent', '--skipApiVersionCheck', '--disableTelemetry', ...storage],
    {
      ...inOwnGroup,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, AZURITE_ACCOUNTS: `${ACCOUNT}:${key}` },
    },
  );
  const closed = once(child, 'close');
  const stop = async () => {
    killTree(child);
    await closed;
  };
  options.signal?.addEventListener('abort', () => killTree(child), { once: true });

  const address = await new Promise<string>((resolve, reject) => {
    let output = '';
    const take = (text: string) => {
      output += text;
      const found = LISTENING.exec(output);
      if (found) resolve(found[1]!);
    };
    child.stdout?.setEncoding('utf8').on('data', take);
    child.stderr?.setEncoding('utf8').on('data', take);
    child.on('error', reject);
    child.on('close', () => {
      if (options.signal?.aborted) return reject(options.signal.reason);
      reject(new Error(`Azurite, the Blob storage emulator, ended before it listened.\n${output.trim()}`));
    });
  });
  return { account: ACCOUNT, key, blobEndpoint: `${address}/${ACCOUNT}`, stop };
}
