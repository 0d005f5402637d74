import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { TaskError } from '../../../common/errors';
import { readJson } from '../../../common/json';
import type { Logger } from '../../../common/log';
import { EACH, faultIn, type Shaped } from '../../../common/shape';
import { type FileNode, FileTree } from '../../files/file-tree';
import type { ParentImage } from '../../image/image';
import type { RegistryClient } from '../../registry/client';
import { findReferrers } from '../../registry/referrers';
import { nodeOf, noteOf } from './noted-file';

/** What notes about an image's files are, as the registry lists them among what refers to it. */
export const FILE_NOTES = 'application/vnd.model-pipelines.image-files.v1';

/** Bytes of notes, compressed and not: those of an image of a hundred thousand files have a tenth. */
const LARGEST_BLOB = 16 * 1024 * 1024;
const LARGEST_NOTES = 128 * 1024 * 1024;

/** Values in notes, at most; each file has five or so. */
const MOST_VALUES = 5_000_000;

/** Notes of one image that are looked at. */
const MOST_NOTES = 3;

const SHAPE = {
  layers: ['text'],
  files: {
    [EACH]: { kind: 'text', mode: 'number', uid: 'number', gid: 'number', target: 'text', text: 'text' },
  },
} as const;

const KINDS: readonly string[] = ['directory', 'file', 'symlink', 'special'] satisfies FileNode['kind'][];

/** Notes about an image's files that are to be attached to it. */
export interface FreshNotes {
  readonly stored: NonNullable<ParentImage['stored']>;
  readonly content: Buffer;
}

/**
 * What is known of the files of base images in the step's own registry, kept beside each of them, so that its layers are
 * read once for all agents and repositories.
 */
export class BaseNotes {
  /** About those that had none. */
  readonly fresh: FreshNotes[] = [];

  /** @param registry of the step; another one is not asked, since nobody could have written there */
  constructor(
    private readonly registry: RegistryClient,
    private readonly log: Logger,
  ) {}

  /** The files of an image by the notes beside it; undefined where there are none that fit. */
  async find({ stored, config }: ParentImage): Promise<FileTree | undefined> {
    if (stored?.host !== this.registry.host) return undefined;
    const registry = this.registry.sibling(stored.repository);
    try {
      const listed = await findReferrers(registry, stored.manifest.digest);
      const notes = listed.filter(({ artifactType }) => artifactType === FILE_NOTES);
      for (const { digest } of notes.slice(0, MOST_NOTES)) {
        const [blob] = (await registry.manifest(digest)).layers;
        if (!blob || blob.size > LARGEST_BLOB) continue;
        const tree = await readNotes(await registry.blob(blob.digest), config.rootfs.diff_ids);
        if (tree) return tree;
      }
    } catch (error) {
      if (!(error instanceof TaskError)) throw error;
      this.log.debug(`No notes about the base image: ${error.message}`);
    }
    return undefined;
  }

  /** Keeps what has been learnt of an image's files, for it to be attached. */
  async keep({ stored, config }: ParentImage, tree: FileTree): Promise<void> {
    if (stored?.host !== this.registry.host) return;
    this.fresh.push({ stored, content: await writeNotes(tree, config.rootfs.diff_ids) });
  }
}

/** The same files come to the same bytes. */
async function writeNotes(tree: FileTree, layers: readonly string[]): Promise<Buffer> {
  const files = ['', ...tree.paths()].sort().map((path) => [path, noteOf(tree.get(path)!)] as const);
  const content = JSON.stringify({ layers, files: Object.fromEntries(files) });
  return promisify(gzip)(content);
}

/** The files that notes tell of; undefined where they are about other layers, or are not understood. */
async function readNotes(blob: Buffer, layers: readonly string[]): Promise<FileTree | undefined> {
  const content = await promisify(gunzip)(blob, { maxOutputLength: LARGEST_NOTES }).catch(() => undefined);
  const notes = content && readJson(content, MOST_VALUES);
  if (notes === undefined || faultIn(notes, SHAPE) !== undefined) return undefined;
  const { layers: told, files } = notes as Shaped<typeof SHAPE>;
  if (told?.join() !== layers.join() || !files) return undefined;
  const tree = new FileTree();
  for (const [path, { kind, mode, uid, gid, target, text }] of Object.entries(files)) {
    if (!kind || !KINDS.includes(kind) || mode == null || uid == null || gid == null) return undefined;
    const note = { kind: kind as FileNode['kind'], mode, uid, gid };
    tree.set(path, nodeOf({ ...note, ...(target != null && { target }), ...(text != null && { text }) }));
  }
  return tree;
}
