import type { BigIntStats } from 'node:fs';
import { closeSync, constants, futimesSync } from 'node:fs';
import { codeOf, TaskError } from '../../common/errors';
import type { OpenFolder } from '../../common/files/open-folder';
import type { OpenTree } from '../../common/files/open-tree';
import { PERMISSIONS } from './workshop';

/** Something in the folder that this task did not put there. Folders are listed only when they are empty. */
export interface Foreigner {
  readonly path: string;
  readonly kind: 'file' | 'link' | 'folder';
}

/**
 * Lists what others put into a folder, in order.
 *
 * @throws TaskError where another disk is mounted in it: it could not be moved
 */
export async function findForeigners(
  root: OpenFolder,
  isOwn: (path: string) => Promise<boolean>,
): Promise<Foreigner[]> {
  const { dev } = root.ownStats();
  const found: Foreigner[] = [];
  const look = async (folder: OpenFolder, above: string): Promise<void> => {
    const entries = await folder.entries();
    if (entries.length === 0 && above) found.push({ path: above.slice(0, -1), kind: 'folder' });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = above + entry.name;
      if (entry.isDirectory()) {
        const below = folder.folder(entry.name);
        try {
          if (below.ownStats().dev !== dev) throw mounted(below.path);
          await look(below, `${path}/`);
        } finally {
          below.close();
        }
      } else if (!(await isOwn(path))) {
        found.push({ path, kind: entry.isSymbolicLink() ? 'link' : 'file' });
      }
    }
  };
  await look(root, '');
  return found;
}

export function mounted(path: string): TaskError {
  return new TaskError(
    `Another disk is mounted at '${path}', in the destination. A folder that is replaced can't hold one. Choose a 'destinationFolder' without it.`,
  );
}

/** Puts something of one tree into another as well; false when that has a thing of this name already. */
export async function carryOver({ path, kind }: Foreigner, from: OpenTree, to: OpenTree): Promise<boolean> {
  const source = from.parentOf(path);
  const target = to.parentOf(path, { make: true });
  try {
    if (kind === 'folder') target.folder.make(target.name).close();
    else if (kind === 'link' && process.platform !== 'linux') await copyLink(source, target);
    else await linkOrCopy(source, target);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return kind === 'folder';
    throw error;
  }
}

interface Place {
  readonly folder: OpenFolder;
  readonly name: string;
}

/** Linux can give a link a second name, owner and all. */
async function linkOrCopy(from: Place, to: Place): Promise<void> {
  try {
    await from.folder.link(from.name, to.folder, to.name);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw error;
    // Not every file system can give a file a second name.
    const stats = from.folder.stats(from.name);
    if (stats?.isSymbolicLink()) await copyLink(from, to);
    else if (stats?.isFile()) await copyFile(from, to, stats);
    else throw error;
  }
}

async function copyLink(from: Place, to: Place): Promise<void> {
  const target = from.folder.readLink(from.name);
  // Windows lets everybody make junctions, and links an administrator.
  const isJunction = process.platform === 'win32' && /^(\\\\\?\\)?[a-z]:\\/i.test(target);
  await to.folder.symlink(target, to.name, isJunction ? 'junction' : undefined);
}

async function copyFile(from: Place, to: Place, { uid, gid, atimeMs, mtimeMs }: BigIntStats): Promise<void> {
  await from.folder.copyFile(from.name, to.folder, to.name);
  await to.folder.chownFile(to.name, Number(uid), Number(gid)).catch(() => undefined);
  const file = to.folder.openFile(to.name, constants.O_RDONLY);
  try {
    futimesSync(file, new Date(Number(atimeMs)), new Date(Number(mtimeMs)));
  } finally {
    closeSync(file);
  }
}

/**
 * Gives the folders of one tree the owners and permissions that they have in another.
 *
 * @returns the first folder whose owner could not be kept, relative to the tree
 */
export async function keepFolders(from: OpenFolder, to: OpenFolder, path = '.'): Promise<string | undefined> {
  let lost: string | undefined;
  for (const entry of await from.entries()) {
    if (!entry.isDirectory() || !to.stats(entry.name)?.isDirectory()) continue;
    const [before, after] = [from.folder(entry.name), to.folder(entry.name)];
    try {
      lost ??= await keepFolders(before, after, `${path}/${entry.name}`);
    } finally {
      before.close();
      after.close();
    }
  }
  const { uid, gid, mode } = from.ownStats();
  const now = to.ownStats();
  if (process.getuid && (now.uid !== uid || now.gid !== gid)) {
    await to.chown(Number(uid), Number(gid)).catch(() => {
      lost ??= path;
    });
  }
  // The new model's own place is not moved without the permission to write to it.
  const wanted = Number(mode) & PERMISSIONS;
  if ((Number(to.ownStats().mode) & PERMISSIONS) !== wanted)
    await to.chmod(path === '.' ? wanted | 0o700 : wanted);
  return lost;
}
