import type { DatabricksClient } from '../common/databricks/client';
import { isNotFound } from '../common/databricks/errors';
import { CancelledError, TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import type { TaskContext } from '../common/task';
import { deleteObject, getObject } from './databricks/workspace';
import { lastRequest, leavesRun, reasonOf } from './start';

/**
 * Does something with a copy of a step's own, and removes the copy afterwards, however that went. It stays only where a run
 * may be using it: one that this step has lost sight of, or one of an earlier try that this step did not get to.
 *
 * @param use makes the copy, and calls what it is given as soon as its run is known
 */
export async function onCopy<T>(
  client: DatabricksClient,
  path: string,
  { log, signal }: Pick<TaskContext, 'log' | 'signal'>,
  use: (onStarted: () => void) => Promise<T>,
): Promise<T> {
  let isOurs = await isMissing(client, path);
  try {
    const result = await use(() => {
      isOurs = true;
    });
    await removeCopy(client, path, log, signal);
    return result;
  } catch (error) {
    if (isOurs && !leavesRun(error)) await removeCopy(client, path, log, signal);
    else
      log.warning(
        `The copy ${path} stays for a run that may go on. A rerun of this step removes it at the end.`,
      );
    throw error;
  }
}

/** Whether an earlier try has left no copy. */
async function isMissing(client: DatabricksClient, path: string): Promise<boolean> {
  try {
    await getObject(client, path);
    return false;
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    return isNotFound(error);
  }
}

/** It never fails the step, and works for one that is being cancelled, too. */
async function removeCopy(
  client: DatabricksClient,
  path: string,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  try {
    await deleteObject(client, path, signal.aborted ? lastRequest() : {}).catch(async (error) => {
      // The step was cancelled meanwhile, and this request with it.
      if (!(error instanceof CancelledError)) throw error;
      await deleteObject(client, path, lastRequest());
    });
    log.info(`Removed the copy ${path} from the workspace.`);
  } catch (error) {
    if (isNotFound(error)) return;
    log.warning(`The copy ${path} could not be removed. ${reasonOf(error)} Delete it in Databricks.`);
  }
}
