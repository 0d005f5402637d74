import { dirname, join, relative } from 'node:path';
import { readSourceFile } from '../../common/files/source-file';
import { findGitIndex, type GitIndex } from './git-index';

/** What `lstat` says of a file's mode. */
interface ModeOf {
  readonly mode: number;
  isDirectory(): boolean;
}

/** The permissions that a file of a build context has in an image. */
export type Permissions = (path: string, stat: ModeOf) => number;

const EXECUTABLE = 0o755;
const PLAIN = 0o644;

/** What ModelRegistryDownload leaves beside the files of a model. */
const MANIFEST = 'model-manifest.json';
const LARGEST_MANIFEST = 50_000_000;

/**
 * How permissions are found on this platform.
 *
 * Windows has none, and Node makes up `0666` even for folders, which nobody could enter. There a file that git tracks has
 * those of its commit, so that the same commit gives the same layers as on Linux; a file of a downloaded model those that it
 * has on Linux; and everything else `0755`, as docker and BuildKit have it on Windows (moby/pkg/archive and tonistiigi/fsutil:
 * readable by all, executable by all, written by the owner).
 */
export function permissionsIn(context: string, platform: NodeJS.Platform = process.platform): Permissions {
  if (platform !== 'win32') return (_, { mode }) => mode & 0o7777;
  const index = findGitIndex(context);
  const models = new ModelFolders();
  return (path, stat) => {
    if (stat.isDirectory()) return EXECUTABLE;
    const tracked = index && trackedKind(index, path);
    if (tracked) return tracked === 'executable' ? EXECUTABLE : PLAIN;
    return models.hold(path, context) ? PLAIN : EXECUTABLE;
  };
}

function trackedKind({ top, files }: GitIndex, path: string): string | undefined {
  return files.get(slashed(relative(top, path)));
}

/** Tells the files of models by the manifests beside them, each of which is read once. */
class ModelFolders {
  private readonly manifests = new Map<string, ReadonlySet<string> | undefined>();

  hold(path: string, context: string): boolean {
    for (let folder = dirname(path); ; folder = dirname(folder)) {
      const name = slashed(relative(folder, path));
      if (name === MANIFEST || this.filesOf(folder)?.has(name)) return true;
      if (folder === context || dirname(folder) === folder) return false;
    }
  }

  private filesOf(folder: string): ReadonlySet<string> | undefined {
    if (!this.manifests.has(folder)) this.manifests.set(folder, readManifest(join(folder, MANIFEST)));
    return this.manifests.get(folder);
  }
}

function readManifest(file: string): ReadonlySet<string> | undefined {
  try {
    const { files } = JSON.parse(readSourceFile(file, LARGEST_MANIFEST).toString('utf8')) as {
      files?: readonly { path?: unknown }[];
    };
    return new Set(files?.map(({ path }) => String(path)));
  } catch {
    return undefined;
  }
}

function slashed(path: string): string {
  return path.replaceAll('\\', '/');
}
