import { readFileSync } from 'node:fs';
import { TaskError } from '../../common/errors';
import type { OpenFolder } from '../../common/files/open-folder';
import { isInside } from '../../common/files/paths';
import { mounted } from './foreigners';

/**
 * Refuses a destination that can't be replaced, before anything comes: one at which a disk is mounted, or in which one
 * is.
 *
 * @param real the destination's real path
 * @param table Linux's list of what is mounted; undefined: the disks of folder and parent tell, as far as they can
 */
export function refuseMounts(
  parent: OpenFolder,
  folder: OpenFolder,
  real: string,
  table: string | undefined = mountTable(),
): void {
  const points = mountPoints(table ?? '').filter((point) => isInside(point, real));
  if (points.includes(real) || folder.ownStats().dev !== parent.ownStats().dev) {
    throw new TaskError(
      `'${folder.path}' is a mount point, and the task replaces its folder as a whole, which a mount point can't be. Choose a folder inside it as 'destinationFolder'.`,
    );
  }
  if (points[0] !== undefined) throw mounted(points[0]);
}

function mountTable(): string | undefined {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return undefined;
  }
}

/** The fifth field of each line, in which blanks and the like are octal numbers. */
function mountPoints(table: string): string[] {
  return table.split('\n').flatMap((line) => {
    const point = line.split(' ')[4];
    return point === undefined
      ? []
      : point.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
  });
}
