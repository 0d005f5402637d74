import type { DatabricksClient } from '../common/databricks/client';
import { TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import { pathsInUse } from './databricks/active-runs';
import { deleteObject, listFolder } from './databricks/workspace';
import { plainPath } from './job';

/** Where the copies of a step lie. */
export interface Copies {
  /** What the paths of all of them begin with. */
  readonly copiesPath: string;
  /** That of this attempt. */
  readonly copyPath: string;
}

/**
 * Removes the copies of earlier attempts, each of which has one of its own where every attempt starts anew: what a lost
 * agent has left, once its run has ended too. It never fails the step.
 */
export async function removeAbandoned(
  client: DatabricksClient,
  { copiesPath, copyPath }: Copies,
  log: Logger,
): Promise<void> {
  try {
    const folder = copiesPath.slice(0, copiesPath.lastIndexOf('/')) || '/';
    const names = (await listFolder(client, folder)).map(({ path }) => path.slice(path.lastIndexOf('/') + 1));
    const stem = `${copiesPath.slice(copiesPath.lastIndexOf('/') + 1)}-`;
    const left = names
      .filter((name) => name.startsWith(stem))
      .map((name) => `${folder.replace(/\/$/, '')}/${name}`);
    const others = left.filter((path) => path !== copyPath);
    if (others.length === 0) return;
    // A run may name its copy with or without the workspace's root in front.
    const inUse = await pathsInUse(client, others.map(plainPath));
    for (const path of others) {
      if (inUse.has(plainPath(path))) {
        log.info(`The copy ${path} of an earlier attempt stays for its run, which goes on.`);
      } else {
        await deleteObject(client, path);
        log.info(`Removed the copy ${path} of an earlier attempt from the workspace.`);
      }
    }
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    log.warning(
      `Whether earlier attempts have left copies below ${copiesPath} is not known. ${error.message}`,
    );
  }
}
