import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Sink } from '../files/tar-reader';
import { digestOfBytes, type Manifest } from '../image/image';
import { entriesOf, readConfig, readManifest } from '../image/manifest';
import { type ArrivingLayers, type CopyRequest, LARGEST_DOCUMENT, unreadable } from './arriving-layers';
import type { DockerCli } from './cli';
import { UnreadableImageError } from './engine';
import { NAME_LIMIT, nameAt, REPOSITORY, removeName } from './pushed-name';

/** Milliseconds for an engine to reach this step, which is on the same machine. */
const REACH_LIMIT = 15_000;

/** Before 29, docker signs by a server beside the registry what it pushes, where the user has it sign. */
const UNSIGNED = { DOCKER_CONTENT_TRUST: '0' };

/** Under which a registry has it. */
const FOLDER = `/v2/${REPOSITORY}/`;

const BRACE = '{'.charCodeAt(0);

/**
 * Has an engine push an image to this step, which plays a registry for it on this machine alone. An engine with
 * containerd's store gives layers out so several times as fast as by `docker save`, which has containerd asked for every
 * 32 KiB of them, and need not read those that nobody wants.
 *
 * @param otherwise takes the image out in another way where the engine can't push it, or does not reach this step: an
 *   engine may forget an image with the name that it was given for the push
 * @returns the image's configuration, when all of it has arrived, and was found to be what the engine says that it is
 */
export async function receiveImage(
  docker: DockerCli,
  request: CopyRequest,
  layers: ArrivingLayers,
  otherwise: (error: Error) => Promise<Buffer>,
): Promise<Buffer> {
  const receiver = new Receiver(request, layers);
  const server = createServer((incoming, answer) => void receiver.answer(incoming, answer));
  // A large layer takes its time.
  server.requestTimeout = 0;
  server.on('error', (error) => receiver.fail(error));
  let reference: string | undefined;
  try {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    reference = nameAt((server.address() as AddressInfo).port);
    request.onName?.(reference);
    const named = await docker.capture(['image', 'tag', request.id, reference], NAME_LIMIT);
    if (named.exitCode !== 0) throw failure('docker image tag', named.exitCode, named.stderr);
    await push(docker, reference, server, receiver, request.signal);
    return receiver.finish();
  } catch (error) {
    stop(server);
    return await otherwise(unreadable('docker push', error));
  } finally {
    stop(server);
    if (reference !== undefined) {
      // All has been read. A name that stays only keeps the image in the engine, and the end of the job takes it away.
      await removeName(docker.lasting(), reference).catch(() => undefined);
    }
  }
}

/** Has an engine push what it knows by a name. */
async function push(
  docker: DockerCli,
  reference: string,
  server: Server,
  receiver: Receiver,
  signal: AbortSignal,
): Promise<void> {
  const isLate = () => receiver.fail(new UnreadableImageError('The engine did not reach this step.'));
  const timer = setTimeout(isLate, REACH_LIMIT);
  server.once('connection', () => clearTimeout(timer));
  try {
    const giveUp = AbortSignal.any([signal, receiver.failed]);
    const read = (output: Readable) => text(output);
    const { exitCode, stderr } = await docker.read(['push', '--quiet', reference], read, giveUp, UNSIGNED);
    receiver.failed.throwIfAborted();
    if (exitCode !== 0) throw failure('docker push', exitCode, stderr);
  } finally {
    clearTimeout(timer);
  }
}

function stop(server: Server): void {
  server.close();
  server.closeAllConnections();
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

  constructor(
    private readonly request: CopyRequest,
    private readonly layers: ArrivingLayers,
  ) {}

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
      // Why the engine breaks off, it says itself.
      if (error !== incoming.errored) this.fail(error);
      answer.destroy();
    }
  }

  /** The configuration of the image that has arrived. */
  finish(): Buffer {
    const { id, diffIds } = this.request;
    for (const manifest of this.manifests.filter(({ digest }) => this.isListed(digest))) {
      const content = manifest.config && this.documents.get(manifest.config.digest);
      if (readConfig(content ?? Buffer.alloc(0))?.rootfs.diff_ids.join() !== diffIds.join()) continue;
      const listed = manifest.layers.map(({ digest }) => ({ key: digest, digest }));
      this.layers.complete(content!, listed);
      return content!;
    }
    throw new Error(`it holds another image than ${id}`);
  }

  /** Whether a manifest is what the engine calls the image by, or is in the index that it does; others may come here too. */
  private isListed(digest: string): boolean {
    const { id } = this.request;
    const body = this.documents.get(id);
    const entries = (body && entriesOf({ body })) ?? [];
    return digest === id || entries.some((entry) => entry.digest === digest);
  }

  private async handle(incoming: IncomingMessage): Promise<Answer> {
    const { method, headers, url = '' } = incoming;
    // Whoever looks what is here keeps nothing from arriving.
    if (!url.startsWith(FOLDER)) return { status: 404 };
    const { pathname, searchParams } = new URL(url, 'http://engine');
    const path = pathname.slice(FOLDER.length);
    const [kind, reference] = path.split('/');
    if (method === 'HEAD' && kind === 'blobs') {
      // What is not wanted is not sent where it passes for being here.
      return { status: this.request.isWanted(reference!) ? 404 : 200 };
    }
    if (method === 'POST' && path === 'blobs/uploads/') {
      return { status: 202, headers: { Location: `${FOLDER}blobs/uploads/1` } };
    }
    const size = Number(headers['content-length']);
    if (method === 'PUT' && kind === 'blobs' && size > 0) {
      return this.takeBlob(incoming, searchParams.get('digest') ?? '', size);
    }
    if (method === 'PUT' && kind === 'manifests' && size > 0) return this.takeManifest(incoming, size);
    return { status: 404 };
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
    // Without it, containerd before 2.2 takes the upload for failed.
    return { status: 201, headers: { 'Docker-Content-Digest': digest } };
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
