import { statfs } from 'node:fs/promises';
import { TaskError } from '../../common/errors';
import { formatBytes } from '../../common/text';

/**
 * Makes sure that a disk has room for some bytes.
 *
 * @param folder one that is there, on the disk in question
 * @param destination the folder that the user knows
 * @throws TaskError with what is needed and what there is
 */
export async function refuseLackOfRoom(folder: string, destination: string, bytes: number): Promise<void> {
  // Some file systems do not tell their size, or tell that they have none.
  const disk = await statfs(folder).catch(() => undefined);
  if (!disk || disk.blocks === 0) return;
  const free = disk.bavail * disk.bsize;
  if (bytes <= free) return;
  throw new TaskError(
    `The disk of '${destination}' has no room for the model: the download has ${formatBytes(bytes)}, and ${formatBytes(free)} are free. ${MORE_ROOM}`,
  );
}

const MORE_ROOM =
  "Free some space, or choose a 'destinationFolder' on another disk; the old and the new model are both there for a moment.";

/**
 * What an error of the file system means for the reader; other errors come back as they are.
 *
 * @param folder where the task was writing, for errors that do not name a path
 */
export function explainDiskError(error: unknown, folder: string): unknown {
  const { code, syscall, path = folder } = error as NodeJS.ErrnoException;
  // Node says this of a folder that it cannot make on a read-only file system, too.
  const isOfName = code !== 'EINVAL' || ['open', 'mkdir', 'rename'].includes(syscall ?? '');
  const explanation =
    code === 'ENOENT' && syscall === 'mkdir' ? NO_DISK : code && isOfName && EXPLANATIONS[code];
  return explanation ? new TaskError(`'${path}' ${explanation}`, { cause: error }) : error;
}

const NO_PERMISSION =
  "cannot be written: the agent's user has no permission, or (on Windows) another process has a file open there. Put that right, or choose another 'destinationFolder'.";

const NO_DISK = "cannot be made: its disk is read-only, or not there. Choose another 'destinationFolder'.";

/** Disks of Windows' kind, and shares, take fewer names than this agent's own. */
const NO_NAME =
  "has a name that its disk does not take. Rename the file in the registry, leave it out with 'patterns', or choose a 'destinationFolder' on another disk.";

const EXPLANATIONS: Record<string, string> = {
  ENOSPC: `cannot be written: the disk is full. ${MORE_ROOM}`,
  EDQUOT: "cannot be written: the quota of the agent's user is used up.",
  EACCES: NO_PERMISSION,
  EPERM: NO_PERMISSION,
  EROFS: "cannot be written: its file system is read-only. Choose another 'destinationFolder'.",
  EBUSY:
    'cannot be replaced: another process uses it, or it is a mount point. Close what uses it, or choose a folder inside it.',
  EXDEV: 'cannot be replaced: it is on another disk than its parent folder. Choose a folder inside it.',
  ENAMETOOLONG:
    "is too long a name or path for this agent's disk. Choose a shorter 'destinationFolder', one on another disk, or rename the file in the registry.",
  EINVAL: NO_NAME,
  EILSEQ: NO_NAME,
  ENOTDIR: "cannot be made: a part of its path is a file. Choose another 'destinationFolder'.",
};
