import type { Readable } from 'node:stream';
import { readTar, type Sink, type TarMember } from '../files/tar-reader';
import { digestOfBytes } from '../image/image';
import { type ArrivingLayers, type CopyRequest, LARGEST_DOCUMENT, unreadable } from './arriving-layers';
import type { DockerCli } from './cli';
import { UnreadableImageError } from './engine';
import { layerInFolder } from './v1-layers';

/**
 * Takes an image out of an engine with `docker save`, as a stream in which every layer comes once.
 *
 * @returns the image's configuration, when all of it has arrived, and was found to be what the engine says that it is
 * @throws UnreadableImageError when the engine can't give the image, the disk can't hold it, or its form is unknown
 */
export async function saveImage(
  docker: DockerCli,
  request: CopyRequest,
  layers: ArrivingLayers,
): Promise<Buffer> {
  const archive = new Archive(request, layers);
  const { exitCode, stderr, result } = await docker.read(
    ['save', request.id],
    (output) => archive.read(output),
    request.signal,
  );
  const details = stderr.split('\n').filter(Boolean);
  if (result.status === 'rejected') throw unreadable('docker save', result.reason, details);
  if (exitCode !== 0) {
    throw new UnreadableImageError(`'docker save' failed (exit code ${exitCode}).`, { details });
  }
  return result.value;
}

const BRACE = '{'.charCodeAt(0);

/**
 * The archives of all engines: those before 25 have a folder for each layer, later ones and containerd's stores lay
 * them out as the OCI image specification does, perhaps compressed. All have docker's `manifest.json`.
 */
class Archive {
  /** By path: all that is JSON. */
  private readonly documents = new Map<string, Buffer>();

  constructor(
    private readonly request: CopyRequest,
    private readonly layers: ArrivingLayers,
  ) {}

  /** Reads all of an archive, and returns the image's configuration. */
  async read(output: Readable): Promise<Buffer> {
    await readTar(output, (member) => this.sinkFor(member));
    return this.finish();
  }

  private sinkFor(member: TarMember): Sink | undefined {
    const { path, kind, size } = member;
    // Of layers that are the same, engines before 25 save one, and links to it.
    if (kind !== 'file') return undefined;
    const digest = blobDigest(path);
    if (digest === undefined) {
      return path.endsWith('/layer.tar')
        ? this.layers.take(path, size, this.identify(path))
        : this.document(member);
    }
    if (this.request.diffIds.includes(digest)) return this.layers.take(path, size, digest);
    let sink: Sink | undefined;
    return (chunk) => {
      if (!sink) {
        const isDocument = chunk[0] === BRACE;
        sink = isDocument
          ? this.document(member)
          : (this.layers.take(path, size, digest) ?? (() => undefined));
      }
      return sink(chunk);
    };
  }

  private identify(path: string): string | undefined {
    const folder = path.slice(0, path.indexOf('/'));
    const json = this.documents.get(`${folder}/json`);
    return json && layerInFolder(folder, json, this.request.diffIds);
  }

  private document({ path, size }: TarMember): Sink {
    if (size > LARGEST_DOCUMENT) throw new Error(`it has a file ${path} of ${size} bytes`);
    const parts: Buffer[] = [];
    let taken = 0;
    return (chunk) => {
      parts.push(chunk);
      taken += chunk.length;
      if (taken === size) this.documents.set(path, Buffer.concat(parts));
    };
  }

  private finish(): Buffer {
    const { id } = this.request;
    const manifests: { Config: string; Layers: string[] | null }[] = JSON.parse(
      this.find('manifest.json').toString('utf8'),
    );
    if (manifests.length !== 1) throw new Error(`it holds ${manifests.length} images`);
    const [{ Config: configPath, Layers: paths }] = manifests as [(typeof manifests)[0]];
    const config = this.find(configPath);
    if (digestOfBytes(config) !== id && !this.documents.has(blobPath(id))) {
      throw new Error(`it holds another image than ${id}`);
    }
    const listed = (paths ?? []).map((path) => ({ key: path, digest: blobDigest(path) }));
    this.layers.complete(config, listed);
    return config;
  }

  private find(path: string): Buffer {
    const document = this.documents.get(path);
    if (!document) throw new Error(`it lacks ${path}`);
    return document;
  }
}

const BLOBS = 'blobs/sha256/';

function blobDigest(path: string): string | undefined {
  return path.startsWith(BLOBS) ? `sha256:${path.slice(BLOBS.length)}` : undefined;
}

function blobPath(digest: string): string {
  return digest.replace('sha256:', BLOBS);
}
