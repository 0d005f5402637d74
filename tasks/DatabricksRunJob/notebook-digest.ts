import { createHash } from 'node:crypto';
import type { Job } from './databricks/jobs';
import { isSamePath } from './job';
import type { Parameters } from './parameters';
import type { TreeObject } from './source-tree';
import type { Sources } from './sources';

/** The parameter that a notebook gets where it asks for it: the SHA-256 of its own file, to be kept with what it makes. */
const PARAMETER = 'notebook_sha256';

/** A widget of that name, as Python, Scala, R and SQL notebooks declare one, those of Jupyter in JSON. */
const WIDGET = new RegExp(
  `\\bwidgets\\s*\\.\\s*text\\s*\\(\\s*(?:name\\s*=\\s*)?\\\\?["']${PARAMETER}\\\\?["']|\\bCREATE\\s+WIDGET\\s+TEXT\\s+${PARAMETER}\\b`,
  'i',
);

/** The notebook of the sources that a run runs, by the SHA-256 of its file. */
export interface NotebookDigest {
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  /** Whether the notebook, or the job for it, declares the parameter that hands it over. */
  readonly isAskedFor: boolean;
}

/**
 * Finds out which notebook of the sources a job runs.
 *
 * @param path in the workspace, where the sources go
 * @returns undefined where it runs none of them, or several
 */
export function digestNotebook(
  sources: Sources,
  path: string,
  { notebooks, parameters }: Pick<Job, 'notebooks' | 'parameters'>,
): NotebookDigest | undefined {
  const run = 'notebook' in sources ? [sources.notebook] : notebooksRun(sources, path, notebooks);
  const [notebook, ...others] = run;
  if (notebook === undefined || others.length > 0) return undefined;
  const text = String(notebook.content);
  // A job that declares parameters takes no others.
  const isAskedFor = parameters.length > 0 ? parameters.includes(PARAMETER) : WIDGET.test(text);
  const file = createHash('sha256')
    .update(notebook.hasMark ? '\ufeff' : '')
    .update(text);
  return { sha256: file.digest('hex'), isAskedFor };
}

function notebooksRun(
  { tree }: Extract<Sources, { tree: unknown }>,
  path: string,
  notebooks: Job['notebooks'],
): readonly TreeObject[] {
  const run = notebooks.filter(({ git }) => git === undefined);
  return tree.objects
    .filter(({ format }) => format.format !== 'RAW')
    .filter(({ name }) => run.some((task) => isSamePath(task.path, `${path}/${name}`)));
}

/** The parameters of a run, with the notebook's digest where that is asked for and not given. */
export function withDigest(parameters: Parameters, digest: NotebookDigest | undefined): Parameters {
  if (!digest?.isAskedFor || PARAMETER in parameters) return parameters;
  return { ...parameters, [PARAMETER]: digest.sha256 };
}
