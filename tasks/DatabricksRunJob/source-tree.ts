import { closeSync, constants, fstatSync } from 'node:fs';
import { TaskError } from '../common/errors';
import { OpenFolder } from '../common/files/open-folder';
import { realPath } from '../common/files/paths';
import { readFrom, refuseStrayLink, SourceFileError } from '../common/files/source-file';
import { formatBytes } from '../common/text';
import { decode, formatOf, type Importable, MAX_SIZE, type Notebook } from './notebook';
import { hasHeader } from './source';

/** More files and folders than these are no notebooks with their helpers, but a mistaken path. */
const MOST_ENTRIES = 1_000;

/** Bytes of all files together, which are in memory at once. */
const LARGEST_TREE = 64 * 1024 * 1024;

/** What editors, git and Python leave among sources, and hidden files of all kinds. */
const LEFT_OUT = /^\.|^__pycache__$|\.pyc$/;

/** A folder of the sources, as it is to be in the workspace. */
export interface SourceTree {
  /** Those with something in them, by their paths below the folder; the folder itself is ''. */
  readonly folders: readonly string[];
  readonly objects: readonly TreeObject[];
  /** Links, which are not followed, and what is neither file nor folder. */
  readonly leftOut: readonly string[];
}

export interface TreeObject extends Importable, Pick<Notebook, 'hasMark'> {
  /** The path below the folder, as the workspace has it: of a notebook, without extension. */
  readonly name: string;
  /** The same in the sources. */
  readonly source: string;
}

/**
 * Reads a folder with all that is below it. No link in it is followed, also where one takes the place of a file that
 * was looked at. A file is a notebook when it begins as Databricks writes them, and when it is one of Jupyter.
 *
 * @throws TaskError for a folder that is too large, that holds two files for one place, or a notebook that is no text
 */
export async function readTree(path: string): Promise<SourceTree> {
  const reader = new TreeReader(path);
  try {
    refuseStrayLink(path);
    const folder = OpenFolder.open(realPath(path));
    try {
      await reader.read(folder, '');
    } finally {
      folder.close();
    }
  } catch (error) {
    if (error instanceof SourceFileError) throw reader.refusal(error.message);
    throw error;
  }
  const { objects, leftOut } = reader;
  return { folders: foldersOf(objects, (name) => reader.refuseDouble(name)), objects, leftOut };
}

class TreeReader {
  readonly objects: TreeObject[] = [];
  readonly leftOut: string[] = [];
  private readonly names = new Map<string, string>();
  private entries = 0;
  private bytes = 0;

  constructor(private readonly path: string) {}

  async read(folder: OpenFolder, above: string): Promise<void> {
    const entries = (await folder.entries()).filter(({ name }) => !LEFT_OUT.test(name));
    this.entries += entries.length;
    if (this.entries > MOST_ENTRIES) {
      throw this.refusal(
        `a folder with more than ${MOST_ENTRIES} files and folders. Give the folder of the notebooks alone.`,
      );
    }
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const source = `${above}${entry.name}`;
      if (entry.isDirectory()) await this.enter(folder, entry.name, source);
      else if (entry.isFile()) this.add(source, this.readFile(folder, entry.name, source));
      else this.leftOut.push(source);
    }
  }

  /** An error about the folder; goes on from its path. */
  refusal(reason: string): TaskError {
    return new TaskError(`Input 'notebookFile' is '${this.path}', ${reason}`);
  }

  /** @throws TaskError when something that is no folder has the name in the workspace */
  refuseDouble(name: string, source = `${name}/`): void {
    const other = this.names.get(name);
    if (other === undefined) return;
    throw this.refusal(
      `a folder in which '${other}' and '${source}' would have one path in the workspace, '${name}': notebooks lose ` +
        'their extension there. Rename one of them.',
    );
  }

  private async enter(parent: OpenFolder, name: string, source: string): Promise<void> {
    const folder = parent.folder(name);
    try {
      await this.read(folder, `${source}/`);
    } finally {
      folder.close();
    }
  }

  private readFile(folder: OpenFolder, name: string, source: string): Buffer {
    const descriptor = folder.openFile(name, constants.O_RDONLY);
    try {
      const stats = fstatSync(descriptor);
      if (!stats.isFile())
        throw this.refusal(`a folder whose file '${source}' changed while it was read. Run the step again.`);
      if (stats.size > MAX_SIZE) {
        throw this.refusal(
          `a folder whose file '${source}' has ${formatBytes(stats.size)}; Databricks takes files of up to ` +
            `${formatBytes(MAX_SIZE)}. Move data out of the folder.`,
        );
      }
      this.bytes += stats.size;
      if (this.bytes > LARGEST_TREE) {
        throw this.refusal(
          `a folder of more than ${formatBytes(LARGEST_TREE)} in all. Move data out of it, to a volume or to storage.`,
        );
      }
      return readFrom(descriptor, stats.size);
    } finally {
      closeSync(descriptor);
    }
  }

  private add(source: string, bytes: Buffer): void {
    const object = this.importable(source, bytes);
    this.refuseDouble(object.name, source);
    this.names.set(object.name, source);
    this.objects.push(object);
  }

  private importable(source: string, bytes: Buffer): TreeObject {
    const format = formatOf(source);
    // Only the first line decides, and that may be read of a file that is no text.
    const isNotebook = format && (format.format === 'JUPYTER' || hasHeader(firstLine(bytes)));
    if (!isNotebook) return { name: source, source, content: bytes, format: { format: 'RAW' } };
    const decoded = decode(bytes);
    if (decoded === undefined) {
      throw this.refusal(`a folder whose notebook '${source}' is not UTF-8 text. Save it as UTF-8.`);
    }
    return { name: source.replace(/\.[^./]+$/, ''), source, ...decoded, format };
  }
}

function firstLine(bytes: Buffer): string {
  return bytes.toString('utf8', 0, 200).replace(/^\ufeff/, '');
}

/** The folders that objects are in, each after the one above it. */
function foldersOf(objects: readonly TreeObject[], check: (folder: string) => void): string[] {
  const folders = new Set(['']);
  for (const { name } of objects) {
    const parts = name.split('/').slice(0, -1);
    for (const depth of parts.keys()) folders.add(parts.slice(0, depth + 1).join('/'));
  }
  for (const folder of folders) check(folder);
  return [...folders];
}
