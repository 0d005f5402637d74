import type { Logger } from '../../../common/log';
import { EACH, faultIn, type Shape, type Shaped } from '../../../common/shape';
import { formatBytes, plural } from '../../../common/text';
import type { BaseNotes } from '../../base-notes/base-notes';
import { takeInventory } from '../../bill-of-materials/inventory';
import { LayerPackages } from '../../bill-of-materials/layer-packages';
import { type FileNode, type FilesBelow, type FileTree, split } from '../../files/file-tree';
import { ATTRIBUTES, BrokenNote, makerOf, notedText } from '../../files/noted-file';
import type { ImageConfig, Layer, ParentImage } from '../../image/image';
import type { EarlierImages } from '../../registry/earlier-images';
import type { ImageSource } from '../../registry/pull';
import { readLayerFiles } from './layer-files';

export interface BaseFilesOptions {
  /** Those that were built on the same base image may know what it holds. */
  readonly earlier?: Pick<EarlierImages, 'all'>;
  /** What is noted beside base images in their registries. */
  readonly beside?: Pick<BaseNotes, 'find' | 'keep'> | undefined;
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
const NOTES_SHAPE = {
  /** How many of the image's layers are those of the base image. */
  layers: 'number',
  /** A link with what it says, a file that tells users' names with its text. */
  paths: { [EACH]: { ...ATTRIBUTES, target: 'text', text: 'text' } },
} as const satisfies Shape;

type Notes = Shaped<typeof NOTES_SHAPE>;

/**
 * The files of a base image, as far as an instruction asks for them: what becomes of `COPY x /a/b` depends on whether
 * `/a` and `/a/b` are there, and are folders, files or links. Only an image's layers can tell; but images built here
 * before have noted the answers in their configurations, and who has read the layers may have noted beside the base image
 * all that is in them.
 */
export class BaseFiles implements FilesBelow {
  private readonly answers = new Map<string, FileNode | undefined>();
  private tree: FileTree | undefined;
  /** Where more is learnt from, in this order; the last one answers every question. */
  private readonly sources = [() => this.readEarlier(), () => this.readBeside(), () => this.readLayers()];

  /** @param source where the image lies, if that is a registry */
  constructor(
    private readonly image: ParentImage,
    private readonly options: BaseFilesOptions,
    private readonly source?: ImageSource,
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

  /** Finds out more: first from the notes of earlier images, then from those beside the image, then from its layers. */
  async learn(): Promise<void> {
    await this.sources.shift()?.();
  }

  private async readEarlier(): Promise<void> {
    for (const { config } of (await this.options.earlier?.all()) ?? []) this.takeNotes(config);
  }

  private async readBeside(): Promise<void> {
    const { beside, packages, log } = this.options;
    const contents = this.source && (await beside?.find(this.source, this.diffIds));
    if (!contents) return this.learn();
    log.info(
      'What is where in the base image is noted beside it in its registry, so its layers are not read.',
    );
    this.tree = contents.files;
    packages?.noted.push(contents.packages);
  }

  private async readLayers(): Promise<void> {
    const { layers } = this.image;
    const { beside, log, signal, packages = new LayerPackages(log) } = this.options;
    const size = layers.reduce((sum, layer) => sum + storedSize(layer), 0);
    log.info(
      `Reading the ${plural(layers.length, 'layer')} of the base image (${formatBytes(size)}) for what is where in it. The new image notes it down for builds to come.`,
    );
    this.tree = await readLayerFiles(layers, signal, packages);
    const inventory = takeInventory(this.diffIds, packages.known, []);
    if (this.source) beside?.keep(this.source, { files: this.tree, packages: inventory });
  }

  private get diffIds(): readonly string[] {
    return this.image.config.rootfs.diff_ids;
  }

  /** What is worth knowing for the next build on this image, as a part of the configuration. */
  notes(): Record<string, unknown> {
    if (this.answers.size === 0) return {};
    const paths = [...this.answers].sort(([a], [b]) => (a < b ? -1 : 1));
    const notes = {
      layers: this.image.layers.length,
      paths: Object.fromEntries(paths.map(([path, node]) => [path, node ? noteOf(path, node) : null])),
    };
    return { [NOTES]: notes };
  }

  private takeNotes({ [NOTES]: notes, rootfs }: ImageConfig): void {
    if (faultIn(notes, NOTES_SHAPE) !== undefined) return;
    const { layers, paths } = notes as Notes;
    const own = this.diffIds;
    const isSameBase =
      layers === own.length && own.every((diffId, index) => rootfs.diff_ids[index] === diffId);
    if (!isSameBase) return;
    for (const [path, node] of readNotes(paths ?? {})) this.answers.set(path, node);
  }
}

function storedSize(layer: Layer): number {
  return layer.kind === 'local' ? layer.size : layer.descriptor.size;
}

function noteOf(path: string, node: FileNode): object {
  const { kind, mode, uid, gid } = node;
  const text = notedText(path, node);
  return {
    kind,
    mode,
    uid,
    gid,
    ...(text !== undefined && { [kind === 'symlink' ? 'target' : 'text']: text }),
  };
}

/** What was noted. None of it counts where one of the answers can't be: then this step has not written them. */
function readNotes(paths: NonNullable<Notes['paths']>): (readonly [string, FileNode | undefined])[] {
  try {
    return Object.entries(paths).map(([path, note]) => {
      const text = note?.target ?? note?.text ?? undefined;
      return [path, note ? makerOf(note)(path, text) : undefined];
    });
  } catch (error) {
    if (error instanceof BrokenNote) return [];
    throw error;
  }
}
