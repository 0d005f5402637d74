import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';

export const ACCOUNT = 'benchaccount';
export const KEY = Buffer.alloc(64, 'b').toString('base64');
export const CONTAINER = 'bench';
export const VERSION = '1.0.0';
export const ETAG = '0x8DE000000000001';

export interface ServerSettings {
  /** Files of the certificate and its key; without them the server speaks plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly processes: number;
  /** Milliseconds that each request waits for its answer. */
  readonly delay: number;
  /** Bytes per second of one connection; 0 for as many as go. */
  readonly rate: number;
  /** Blobs in the version, and bytes of each. */
  readonly count: number;
  readonly size: number;
  /** Breaks a connection each time that so many bytes were sent in all. */
  readonly resetEvery?: number;
  /** Of so many connections, one falls silent in the middle of its first answer. */
  readonly stallEvery?: number;
}

export type ServerCommand = 'count' | 'reset';

/** What a server has served since it was last asked to begin anew. */
export interface Served {
  readonly bytes: number;
  readonly reads: number;
  readonly connections: number;
}

export interface RangeServer {
  /** The account's Blob endpoint. */
  readonly endpoint: string;
  /** What was served since the last `reset`. */
  served(command: ServerCommand): Promise<Served>;
  stop(): Promise<void>;
}

/**
 * The content of all blobs, over and over. Its length is no multiple of what clients ask for, so that a piece in the
 * wrong place is another piece.
 */
export const content = makeContent();

export async function startServer(settings: ServerSettings): Promise<RangeServer> {
  const child = fork(join(import.meta.dirname, 'range-server.ts'), [JSON.stringify(settings)], {
    execArgv: ['--import', 'tsx'],
  });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    endpoint: `${settings.tls ? 'https' : 'http'}://127.0.0.1:${port}/${ACCOUNT}`,
    async served(command) {
      child.send(command);
      const [counts] = await once(child, 'message');
      return counts as Served;
    },
    async stop() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

/** What SHA-256 a blob of this size must have. */
export function expectedSha256(size: number): string {
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
