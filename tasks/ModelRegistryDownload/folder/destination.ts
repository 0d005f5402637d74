import { lstatSync } from 'node:fs';
import { dirname, parse, relative, sep } from 'node:path';
import { codeOf, TaskError } from '../../common/errors';
import { NoFolderError, OpenFolder } from '../../common/files/open-folder';
import { isInside, realPath } from '../../common/files/paths';

/** Folders of the agent that matter for where a model may go. */
export interface AgentFolders {
  /** Those that the agent gives to jobs: what leads to them is the machine's own affair, what is below is not. */
  readonly given: readonly string[];
  /** Those that a destination may not hold. */
  readonly kept: readonly string[];
}

/**
 * Opens the folder that a destination is in, and makes it where it is missing. No link is followed below the folders
 * that the agent gives to jobs: a commit could have put it there. Elsewhere those of the machine's administrator are.
 *
 * @throws TaskError that names the link
 */
export function openParent(destination: string, { given }: AgentFolders): OpenFolder {
  const above = dirname(destination);
  const base = given
    .filter((folder) => isInside(above, folder) && isThere(folder))
    .reduce<string | undefined>(
      (deepest, one) => (one.length > (deepest?.length ?? 0) ? one : deepest),
      undefined,
    );
  const start = base ?? parse(destination).root;
  if (!isThere(start)) {
    throw new TaskError(
      `'${destination}' can't be made: there is no drive or share '${start}' on this agent. Choose another 'destinationFolder'.`,
    );
  }
  let folder = OpenFolder.open(realPath(start));
  for (const name of relative(start, above).split(sep).filter(Boolean)) {
    const outer = folder;
    try {
      folder = enter(outer, name, base === undefined ? given : undefined);
    } finally {
      outer.close();
    }
  }
  return folder;
}

/** @param given undefined where no link may be followed at all */
function enter(folder: OpenFolder, name: string, given: readonly string[] | undefined): OpenFolder {
  try {
    return folder.enter(name);
  } catch (error) {
    if (!(error instanceof NoFolderError)) throw error;
    if (!error.isLink) {
      throw new TaskError(
        `The destination below '${error.path}' cannot be made: a part of its path is a file. Choose another 'destinationFolder'.`,
      );
    }
    const real = realPath(error.path);
    if (given && isMachines(folder, name, error.path, given)) return OpenFolder.open(real);
    throw new TaskError(
      `'${error.path}' is a link, which leads to '${real}', and the task does not write through links. Give the path without it as 'destinationFolder'.`,
    );
  }
}

/** Whether a link was there before any job: the agent's folders are behind it, or only an administrator can make it. */
function isMachines(folder: OpenFolder, name: string, path: string, given: readonly string[]): boolean {
  if (given.some((one) => isInside(one, path))) return true;
  const user = process.getuid?.();
  return user !== undefined && user !== 0 && folder.stats(name)?.uid === 0n;
}

/**
 * Refuses a destination that is, by its real path, more than a folder for a model: names of Windows that stand for
 * others, and links above it, lead there unseen.
 */
export function refuseKept(real: string, { kept }: AgentFolders): void {
  const held = kept.find((folder) => isInside(realPath(folder), real));
  if (held !== undefined) {
    throw new TaskError(
      `Input 'destinationFolder' leads to '${real}', which holds '${held}'. Give a folder for the model alone, such as model-api/pickles.`,
    );
  }
  if (real.split(/[\\/]/).some((name) => name.toLowerCase() === '.git')) {
    throw new TaskError(
      `Input 'destinationFolder' leads to '${real}', where git keeps its own files. Give a folder for the model alone, such as model-api/pickles.`,
    );
  }
}

/** @throws TaskError for a file, and for a link, in the destination's own place */
export function openDestination(parent: OpenFolder, name: string): OpenFolder | undefined {
  let folder: OpenFolder | undefined;
  try {
    folder = parent.folderIfThere(name);
  } catch (error) {
    if (!(error instanceof NoFolderError)) throw error;
    throw new TaskError(
      error.isLink
        ? `'${error.path}' is a link, and the task does not write through links. Give the folder itself as 'destinationFolder'.`
        : `'${error.path}' is a file. Give a folder as 'destinationFolder'.`,
    );
  }
  if (folder?.stats('.git')) {
    const { path } = folder;
    folder.close();
    throw new TaskError(
      `'${path}' is a git repository, and the task replaces its folder as a whole. Give a folder for the model alone, such as model-api/pickles.`,
    );
  }
  return folder;
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path) !== undefined;
  } catch (error) {
    // A folder that may not be looked at is there.
    return codeOf(error) === 'EACCES';
  }
}
