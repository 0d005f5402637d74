import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const ACCOUNT = 'benchaccount';
export const KEY = Buffer.alloc(64, 'b').toString('base64');
export const CONTAINER = 'bench';
export const VERSION = '1.0.0';
const ETAG = '0x8DE000000000001';

/** What range-server.go is to do; its comments say more. */
export interface ServerSettings {
  /** Files of the certificate and its key; without them the server speaks plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Milliseconds that each request waits for its answer. */
  readonly delay?: number;
  /** Bytes per second of one connection. */
  readonly rate?: number;
  /** Blobs in the version, and bytes of each. */
  readonly count: number;
  readonly size: number;
  /** Breaks a connection each time that so many bytes were sent in all. */
  readonly resetEvery?: number;
  /** Of so many connections, one falls silent in the middle of its first answer. */
  readonly stallEvery?: number;
  /** Whether the workspace gives links to its storage. */
  readonly links?: boolean;
}

/** What a server has served since it was last asked to begin anew. */
export interface Served {
  readonly bytes: number;
  readonly reads: number;
  readonly connections: number;
}

export interface RangeServer {
  /** The account's Blob endpoint. */
  readonly endpoint: string;
  /** Of the workspace that has the same blobs as a model of Unity Catalog. */
  readonly workspace: string;
  /** What was served since the last `reset`. */
  served(command: 'count' | 'reset'): Promise<Served>;
  stop(): Promise<void>;
}

/**
 * The content of all blobs, over and over. Its length is no multiple of what clients ask for, so that a piece in the
 * wrong place is another piece.
 */
const content = makeContent();

/** Compiles the range server, and makes what it serves. */
export function buildServer(folder: string): void {
  const sources = ['range-server.go', 'catalog.go'].map((name) => join(import.meta.dirname, name));
  const { status, error, stderr } = spawnSync('go', ['build', '-o', programIn(folder), ...sources], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`The range server needs Go to be compiled: ${error ?? stderr}`);
  writeFileSync(contentIn(folder), content);
}

/** @param folder where it was built */
export async function startServer(folder: string, settings: ServerSettings): Promise<RangeServer> {
  const all = {
    ...settings,
    content: contentIn(folder),
    container: CONTAINER,
    version: VERSION,
    etag: ETAG,
  };
  const child = spawn(programIn(folder), [JSON.stringify(all)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async () => JSON.parse((await lines.next()).value);
  const { port } = await read();
  const origin = `${settings.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  return {
    endpoint: `${origin}/${ACCOUNT}`,
    workspace: origin,
    served(command) {
      child.stdin.write(`${command}\n`);
      return read();
    },
    async stop() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}

function programIn(folder: string): string {
  return join(folder, 'range-server');
}

function contentIn(folder: string): string {
  return join(folder, 'content');
}

const digests = new Map<number, string>();

/** What SHA-256 a blob of this size must have. */
export function expectedSha256(size: number): string {
  const known = digests.get(size);
  if (known !== undefined) return known;
  const digest = digestContent(size);
  digests.set(size, digest);
  return digest;
}

function digestContent(size: number): string {
  const hash = createHash('sha256');
  for (let done = 0; done < size; done += content.length) hash.update(content.subarray(0, size - done));
  return hash.digest('hex');
}

/** Noise from a linear congruential generator: the same in every process. */
function makeContent(): Buffer {
  const words = new Uint32Array(4 * 1024 * 1024 + 1031);
  let state = 1;
  for (let n = 0; n < words.length; n++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[n] = state;
  }
  return Buffer.from(words.buffer);
}
