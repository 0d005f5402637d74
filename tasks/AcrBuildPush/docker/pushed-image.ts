import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Sink } from '../files/tar-reader';
import { digestOfBytes, type Manifest } from '../image/image';
import { readConfig, readManifest } from '../image/manifest';
import { type ArrivingLayers, type CopyRequest, LARGEST_DOCUMENT, unreadable } from './arriving-layers';
import type { DockerCli } from './cli';
import { UnreadableImageError } from './engine';

/** Milliseconds for an engine to set or remove a name. */
const NAME_LIMIT = 30_000;

/** Milliseconds for an engine to reach this step, which is on the same machine. */
const REACH_LIMIT = 15_000;

const BRACE = '{'.charCodeAt(0);

/**
 * Has an engine push an image to this step, which plays a registry for it on this machine alone. An engine with
 * containerd's store gives layers out so several times as fast as by `docker save`, which has containerd asked for every
 * 32 KiB of them, and need not read those that nobody wants.
 *
 * @returns the image's configuration, when all of it has arrived, and was found to be what the engine says that it is
 * @throws UnreadableImageError when the engine can't push it, or does not reach this step
 */
export async function receiveImage(
  docker: DockerCli,
  request: CopyRequest,
  layers: ArrivingLayers,
): Promise<Buffer> {
  // Nobody else on this machine knows the name, nor what is asked for under another.
  const name = randomBytes(16).toString('hex');
  const receiver = new Receiver(name, request, layers);
  const server = createServer((incoming, answer) => void receiver.answer(incoming, answer));
  // A large layer takes its time.
  server.requestTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const isLate = () => receiver.fail(new UnreadableImageError('The engine did not reach this step.'));
  const timer = setTimeout(isLate, REACH_LIMIT);
  server.once('connection', () => clearTimeout(timer));
  const reference = `127.0.0.1:${(server.address() as AddressInfo).port}/${name}:image`;
  try {
    const named = await docker.capture(['image', 'tag', request.id, reference], NAME_LIMIT);
    if (named.exitCode !== 0) throw failure('docker image tag', named.exitCode, named.stderr);
    const push = ['push', '--quiet', reference];
    const giveUp = AbortSignal.any([request.signal, receiver.failed]);
    const { exitCode, stderr } = await docker.read(push, (output) => text(output), giveUp);
    receiver.failed.throwIfAborted();
    if (exitCode !== 0) throw failure('docker push', exitCode, stderr);
    return receiver.finish();
  } catch (error) {
    throw unreadable('docker push', error);
  } finally {
    clearTimeout(timer);
    server.close();
    server.closeAllConnections();
    const removal = docker.lasting().capture(['image', 'rm', reference], NAME_LIMIT);
    // A name that stays harms nobody.
    await removal.catch(() => undefined);
  }
}

function failure(command: string, exitCode: number, stderr: string): UnreadableImageError {
  const details = stderr.split('\n').filter(Boolean);
  return new UnreadableImageError(`'${command}' failed (exit code ${exitCode}).`, { details });
}

/** As much of a registry as containerd asks for in a push: each blob comes by one request, which names its digest. */
class Receiver {
  /** By digest: configurations and manifests. */
  private readonly documents = new Map<string, Buffer>();
  private readonly manifests: Manifest[] = [];
  private readonly failing = new AbortController();
  private readonly folder: string;

  constructor(
    name: string,
    private readonly request: CopyRequest,
    private readonly layers: ArrivingLayers,
  ) {
    this.folder = `/v2/${name}/`;
  }

  /** Ends with what kept the image from being taken in. */
  get failed(): AbortSignal {
    return this.failing.signal;
  }

  fail(error: unknown): void {
    this.failing.abort(error);
  }

  async answer(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    try {
      const { status, headers } = await this.handle(incoming);
      answer.writeHead(status, { 'Content-Length': 0, ...headers }).end();
    } catch (error) {
      this.fail(error);
      answer.destroy();
    }
  }

  /** The configuration of the image that has arrived. */
  finish(): Buffer {
    const { id, diffIds } = this.request;
    for (const { config, layers } of this.manifests) {
      const content = config && this.documents.get(config.digest);
      if (readConfig(content ?? Buffer.alloc(0))?.rootfs.diff_ids.join() !== diffIds.join()) continue;
      const listed = layers.map(({ digest }) => ({ key: digest, digest }));
      this.layers.complete(content!, listed, this.documents.has(id));
      return content!;
    }
    throw new Error(`it is another image than ${id}`);
  }

  private async handle(incoming: IncomingMessage): Promise<Answer> {
    const { method, headers, url = '' } = incoming;
    // Whoever does not know the name gets nothing, and keeps nothing from arriving.
    if (!url.startsWith(this.folder)) return { status: 404 };
    const { pathname, searchParams } = new URL(url, 'http://engine');
    const path = pathname.slice(this.folder.length);
    const [kind, reference] = path.split('/');
    if (method === 'HEAD' && kind === 'blobs') return { status: this.has(reference!) ? 200 : 404 };
    if (method === 'POST' && path === 'blobs/uploads/') {
      return { status: 202, headers: { Location: `${this.folder}blobs/uploads/1` } };
    }
    const size = Number(headers['content-length']);
    if (method === 'PUT' && kind === 'blobs' && size > 0) {
      return this.takeBlob(incoming, searchParams.get('digest') ?? '', size);
    }
    if (method === 'PUT' && kind === 'manifests' && size > 0) return this.takeManifest(incoming, size);
    return { status: 404 };
  }

  /** What is not wanted is not sent where it passes for being here. */
  private has(digest: string): boolean {
    return !this.request.isWanted(digest);
  }

  private async takeBlob(incoming: IncomingMessage, digest: string, size: number): Promise<Answer> {
    const isLayer = this.request.diffIds.includes(digest);
    const parts: Buffer[] = [];
    let sink: Sink | undefined;
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      const isDocument = chunk[0] === BRACE && size <= LARGEST_DOCUMENT && !isLayer;
      sink ??= isDocument ? (part) => parts.push(part) : this.layers.take(digest, size, digest);
      await sink?.(chunk);
    }
    if (parts.length > 0) this.keep(Buffer.concat(parts), digest);
    return { status: 201 };
  }

  private async takeManifest(incoming: IncomingMessage, size: number): Promise<Answer> {
    if (size > LARGEST_DOCUMENT) return { status: 413 };
    const body = Buffer.concat(await incoming.toArray());
    const digest = digestOfBytes(body);
    this.keep(body, digest);
    const manifest = readManifest(body, incoming.headers['content-type'] ?? '');
    if (manifest?.config) this.manifests.push(manifest);
    return { status: 201, headers: { 'Docker-Content-Digest': digest } };
  }

  private keep(content: Buffer, digest: string): void {
    if (digestOfBytes(content) !== digest) throw new Error(`it has other bytes of ${digest}`);
    this.documents.set(digest, content);
  }
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}
