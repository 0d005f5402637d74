import { dirname } from 'node:path';
import { TaskError } from '../common/errors';
import type { TaskContext } from '../common/task';
import { findCommitTime } from './context/commit-time';
import type { Inputs } from './inputs';
import type { Origin } from './labels';

/** The name by which builds everywhere are told a time (reproducible-builds.org). */
const SOURCE_DATE_EPOCH = 'SOURCE_DATE_EPOCH';

/** The last second of the year 9999; later ones can't be written down in an image. */
const LAST_SECOND = 253_402_300_799;

/**
 * Where an image comes from. It was made when its commit was, so that the same commit, base image and model give the same
 * image; a variable or a build argument of the usual name can give another time. Without either, it is made now.
 *
 * @throws TaskError for a time that is none
 */
export async function readOrigin(
  { buildArgs, dockerfile }: Pick<Inputs, 'buildArgs' | 'dockerfile'>,
  task: Pick<TaskContext, 'variable' | 'tempFolder'>,
): Promise<Origin> {
  const revision = task.variable('Build.SourceVersion');
  const sources = task.variable('Build.SourcesDirectory');
  const folders = [dirname(dockerfile), ...(sources ? [sources] : [])];
  const created =
    readTime(buildArgs[SOURCE_DATE_EPOCH] ?? task.variable(SOURCE_DATE_EPOCH)) ??
    (revision ? await findCommitTime(revision, folders, task.tempFolder) : undefined) ??
    new Date();
  return { revision, source: task.variable('Build.Repository.Uri'), created };
}

function readTime(seconds: string | undefined): Date | undefined {
  if (!seconds) return undefined;
  if (/^\d{1,12}$/.test(seconds) && Number(seconds) <= LAST_SECOND) return new Date(Number(seconds) * 1000);
  throw new TaskError(
    `${SOURCE_DATE_EPOCH} is '${seconds}', but it has to be a time in seconds since 1970, such as 1764547200. Correct the variable or the build argument of that name, or remove it.`,
  );
}
