import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { relative } from 'node:path';
import { formatBytes } from '../text';
import { NO_LINK } from './open-folder';
import { isInside, realPath } from './paths';

/** Variables of the folders that a commit's files come to lie in, the narrowest first. */
const CHECKOUT_VARIABLES = [
  'BUILD_SOURCESDIRECTORY',
  'SYSTEM_DEFAULTWORKINGDIRECTORY',
  'BUILD_REPOSITORY_LOCALPATH',
  'PIPELINE_WORKSPACE',
  'AGENT_BUILDDIRECTORY',
];

/** A file that can't be read as what an input names; the message goes on from `is '<path>', `, and ends with a dot. */
export class SourceFileError extends Error {}

/** The folders of a job that a commit, or an earlier step, can put files into, as the agent tells every task. */
export function checkoutFolders(env: NodeJS.ProcessEnv = process.env): string[] {
  return CHECKOUT_VARIABLES.map((name) => env[name]).filter((folder) => !!folder) as string[];
}

/**
 * Reads a file that a commit can have made. A link in it may lead to another file of the same checkout; one that leads
 * out of it could have the step publish the agent's own files, and one into `.git` what the checkout signs in with.
 *
 * @param most bytes
 * @param checkouts the folders that commits reach; a file outside all of them is the agent's own affair
 * @throws SourceFileError, or the system's error where the file can't be opened
 */
export function readSourceFile(
  path: string,
  most: number,
  checkouts: readonly string[] = checkoutFolders(),
): Buffer {
  refuseStrayLink(path, checkouts);
  const real = realpathSync.native(path);
  // What the path leads to may have changed since; this is a file by its real path or none.
  const descriptor = openSync(real, constants.O_RDONLY | NO_LINK);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new SourceFileError('which is no file.');
    if (stats.size > most) {
      throw new SourceFileError(
        `which has ${formatBytes(stats.size)}; at most ${formatBytes(most)} are read.`,
      );
    }
    refuseOther(path, real, stats, checkouts);
    return readFrom(descriptor, stats.size);
  } finally {
    closeSync(descriptor);
  }
}

/** The first bytes of a file that is open, or as many of them as there are. */
export function readFrom(descriptor: number, most: number): Buffer {
  const content = Buffer.allocUnsafe(most);
  let length = 0;
  for (let count = -1; count !== 0 && length < content.length; length += count) {
    count = readSync(descriptor, content, length, content.length - length, length);
  }
  return content.subarray(0, length);
}

/** @throws SourceFileError for a path that leads out of the checkout that it is named in */
export function refuseStrayLink(path: string, checkouts: readonly string[] = checkoutFolders()): void {
  const checkout = checkouts.find((folder) => isInside(path, folder));
  if (checkout === undefined) return;
  const real = realPath(path);
  const home = realPath(checkout);
  if (!isInside(real, home)) {
    throw new SourceFileError(
      `which leads by a link to '${real}', outside '${checkout}'. Commit the file itself in place of the link.`,
    );
  }
  const isGits = (place: string) => place.split(/[\\/]/).some((name) => name.toLowerCase() === '.git');
  if (isGits(relative(home, real)) && !isGits(relative(checkout, path))) {
    throw new SourceFileError(`which leads by a link to '${real}', one of git's own files.`);
  }
}

/** A folder on the way that became a link between two looks shows in the file that was opened. */
function refuseOther(
  path: string,
  real: string,
  opened: { dev: number; ino: number },
  checkouts: readonly string[],
): void {
  refuseStrayLink(path, checkouts);
  const now = statSync(real, { throwIfNoEntry: false });
  if (realPath(path) !== real || now?.ino !== opened.ino || now.dev !== opened.dev) {
    throw new SourceFileError('which changed while it was opened.');
  }
}
