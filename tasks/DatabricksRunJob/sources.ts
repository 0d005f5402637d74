import type { DatabricksClient } from '../common/databricks/client';
import { TaskError } from '../common/errors';
import { statOf } from '../common/files/paths';
import type { Logger } from '../common/log';
import type { TaskContext } from '../common/task';
import { enumerate, plural } from '../common/text';
import type { Job } from './databricks/jobs';
import { checkRunsFolder, checkRunsNotebook } from './job';
import { type Notebook, notebookRemark, placeNotebook, readNotebook } from './notebook';
import { placeTree } from './place-tree';
import { readTree, type SourceTree } from './source-tree';

/** What the step imports: a notebook, or a folder. */
export type Sources = { readonly file: string } & (
  | { readonly notebook: Notebook }
  | { readonly tree: SourceTree }
);

/** Names that one line of the log may hold. */
const MOST_NAMES = 20;

/**
 * Reads what is to be imported, and says where Databricks may read it otherwise than its author expects.
 *
 * @throws TaskError when it can't be imported
 */
export async function readSources(file: string, log: Logger): Promise<Sources> {
  if (!statOf(file)?.isDirectory()) {
    const notebook = readNotebook(file);
    const remark = notebookRemark(notebook);
    if (remark) log.info(remark);
    return { file, notebook };
  }
  const tree = await readTree(file);
  if (tree.objects.length === 0) {
    throw new TaskError(
      `Input 'notebookFile' is '${file}', a folder with nothing in it that can be imported: hidden files and links are left out. Give the folder that holds the notebooks.`,
    );
  }
  if (tree.leftOut.length > 0) {
    log.warning(
      `Left out of the import, since links are not followed: ${enumerate(tree.leftOut, MOST_NAMES)}. Commit the files themselves in ` +
        'place of links.',
    );
  }
  return { file, tree };
}

/** @throws TaskError when the job runs nothing of what is imported */
export function checkRuns(job: Omit<Job, 'id'>, sources: Sources, path: string): void {
  if ('notebook' in sources) checkRunsNotebook(job, path);
  else {
    const objects = sources.tree.objects.map(({ name, format }) => ({
      name,
      isNotebook: format.format !== 'RAW',
    }));
    checkRunsFolder(job, path, objects);
  }
}

/** Writes to the workspace what it does not have yet, and says what it did. */
export async function place(
  client: DatabricksClient,
  sources: Sources,
  path: string,
  { log, signal }: Pick<TaskContext, 'log' | 'signal'>,
): Promise<void> {
  const { file } = sources;
  if ('notebook' in sources) {
    const placed = await placeNotebook(client, sources.notebook, path);
    log.info(
      placed === 'written'
        ? `Imported ${file} to ${path}.`
        : `${path} is the same as ${file} already, and was not written again.`,
    );
    return;
  }
  const { written, left } = await placeTree(client, sources.tree, path, signal);
  const all = sources.tree.objects.length;
  log.info(
    written.length === 0
      ? `All ${plural(all, 'file')} of ${file} are in ${path} already, and were not written again.`
      : `Imported ${written.length} of ${plural(all, 'file')} of ${file} to ${path}: ${enumerate(written, MOST_NAMES)}.` +
          (written.length < all ? ' The others are there already.' : ''),
  );
  if (left.length > 0) {
    log.info(`In ${path}, but not in the sources, and left as they are: ${enumerate(left, MOST_NAMES)}.`);
  }
}
