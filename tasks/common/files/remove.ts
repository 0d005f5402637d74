import { codeOf } from '../errors';
import { NoFolderError, type OpenFolder } from './open-folder';

/** Permissions without which a folder can't be emptied. */
const OWNER = 0o700;

/**
 * Removes what a name stands for, a folder with all that is in it, and never what a link leads to. What is gone
 * already is no fault.
 *
 * @throws Error when something can't be removed, and where another disk is mounted in a folder
 */
export async function removeTree(parent: OpenFolder, name: string): Promise<void> {
  const stats = parent.stats(name);
  if (!stats) return;
  if (!stats.isDirectory()) return ifThere(parent.unlink(name));
  let folder: OpenFolder | undefined;
  try {
    folder = parent.folder(name);
    const { dev, mode } = folder.ownStats();
    if (dev !== parent.ownStats().dev) throw new Error(`'${folder.path}' is on another disk`);
    if ((Number(mode) & OWNER) !== OWNER) await folder.chmod(OWNER);
    for (const entry of await folder.entries()) await removeTree(folder, entry.name);
  } catch (error) {
    // It was a folder a moment ago. What stands in its place now is not what was to be removed.
    if (!(error instanceof NoFolderError) && codeOf(error) !== 'ENOENT') throw error;
  } finally {
    folder?.close();
  }
  await ifThere(parent.removeFolder(name));
}

async function ifThere(removal: Promise<void>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
