import type { Logger } from '../../../common/log';
import { formatBytes, plural } from '../../../common/text';
import type { LayerPackages } from '../../bill-of-materials/layer-packages';
import { type FileNode, type FilesBelow, type FileTree, split } from '../../files/file-tree';
import type { ImageConfig, Layer, ParentImage } from '../../image/image';
import type { EarlierImages } from '../../registry/earlier-images';
import type { BaseNotes } from './base-notes';
import { readLayerFiles } from './layer-files';
import { type NotedFile, nodeOf, noteOf } from './noted-file';

export interface BaseFilesOptions {
  /** Those that were built on the same base image may know what it holds. */
  readonly earlier?: Pick<EarlierImages, 'all'>;
  /** Beside the base image may stand what it holds. */
  readonly notes?: BaseNotes | undefined;
  /** What the layers tell of packages, where they are read anyway. */
  readonly packages?: LayerPackages | undefined;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** A question about a base image's files that nothing learnt so far answers. */
export class UnknownFile extends Error {
  constructor(
    readonly base: BaseFiles,
    path: string,
  ) {
    super(`nothing is known of /${path} in the base image`);
  }
}

/**
 * Where the notes stand in a configuration, which may have fields of its own by the OCI image specification.
 * Each is for one layer set, that of the base image, and so stays true.
 */
const NOTES = 'baseImageFiles';

/** What was asked of a base image's files, and what the answers were: null where there is nothing at a path. */
interface Notes {
  /** How many of the image's layers are those of the base image. */
  readonly layers: number;
  readonly paths: Readonly<Record<string, NotedFile | null>>;
}

/**
 * The files of a base image, as far as an instruction asks for them: what becomes of `COPY x /a/b` depends on whether
 * `/a` and `/a/b` are there, and are folders, files or links. Only an image's layers can tell; but images built here
 * before have noted the answers in their configurations, and who reads the layers of an image in the step's own registry
 * notes all of it beside that image, so that the layers are read but once for a base image.
 */
export class BaseFiles implements FilesBelow {
  private readonly answers = new Map<string, FileNode | undefined>();
  private tree: FileTree | undefined;
  private triedEarlier = false;
  private triedNotes = false;

  constructor(
    private readonly image: ParentImage,
    private readonly options: BaseFilesOptions,
  ) {}

  get(path: string): FileNode | undefined {
    const { folder } = split(path);
    // Nothing lies below what is no folder.
    if (folder && this.get(folder)?.kind !== 'directory') return undefined;
    if (!this.answers.has(path)) {
      if (!this.tree) throw new UnknownFile(this, path);
      this.answers.set(path, this.tree.get(path));
    }
    return this.answers.get(path);
  }

  list(folder: string): readonly string[] {
    if (folder && this.get(folder)?.kind !== 'directory') return [];
    if (!this.tree) throw new UnknownFile(this, folder);
    return this.tree.list(folder);
  }

  /**
   * Finds out more: first from the notes of earlier images, then from those beside the base image, then from the layers
   * themselves.
   */
  async learn(): Promise<void> {
    if (!this.triedEarlier) {
      this.triedEarlier = true;
      for (const { config } of (await this.options.earlier?.all()) ?? []) this.takeNotes(config);
      return;
    }
    const { notes } = this.options;
    if (notes && !this.triedNotes) {
      this.triedNotes = true;
      this.tree = await notes.find(this.image);
      return;
    }
    const { layers } = this.image;
    const size = layers.reduce((sum, layer) => sum + storedSize(layer), 0);
    this.options.log.info(
      `Reading the ${plural(layers.length, 'layer')} of the base image (${formatBytes(size)}) for what is where in it. The new image notes it down for builds to come.`,
    );
    this.tree = await readLayerFiles(layers, this.options.signal, this.options.packages);
    await notes?.keep(this.image, this.tree);
  }

  /** What is worth knowing for the next build on this image, as a part of the configuration. */
  notes(): Record<string, unknown> {
    if (this.answers.size === 0) return {};
    const paths = [...this.answers].sort(([a], [b]) => (a < b ? -1 : 1));
    const notes: Notes = {
      layers: this.image.layers.length,
      paths: Object.fromEntries(paths.map(([path, node]) => [path, node ? noteOf(node) : null])),
    };
    return { [NOTES]: notes };
  }

  private takeNotes(config: ImageConfig): void {
    const notes = config[NOTES] as Notes | undefined;
    const own = this.image.config.rootfs.diff_ids;
    const isSameBase =
      notes?.layers === own.length && own.every((diffId, index) => config.rootfs.diff_ids[index] === diffId);
    if (!isSameBase) return;
    for (const [path, note] of Object.entries(notes.paths)) {
      this.answers.set(path, note ? nodeOf(note) : undefined);
    }
  }
}

function storedSize(layer: Layer): number {
  return layer.kind === 'local' ? layer.size : layer.descriptor.size;
}
