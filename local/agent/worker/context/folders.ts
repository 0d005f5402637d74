import { join } from 'node:path';

/** The agent's folders; `1` in the comments is the number that the agent gave to the pipeline. */
export interface Folders {
  /** The agent's root. */
  home: string;
  /** `_work` */
  work: string;
  /** `_work/_tasks` */
  tasks: string;
  /** `_work/_temp`, emptied for every job. */
  temp: string;
  /** `_work/_tool` */
  tools: string;
  /** `_work/1` */
  pipeline: string;
  /** `_work/1/s` */
  sources: string;
  /** `_work/1/b` */
  binaries: string;
  /** `_work/1/a` */
  staging: string;
  /** `_work/1/TestResults` */
  testResults: string;
  /** `externals`: the agent's own programs. */
  externals: string;
  /** `_diag/<run id>`: logs, attachments and artifacts of the run. */
  run: string;
}

/** @param number of the pipeline's folder below `_work` */
export function foldersOf(home: string, number: number, runId: string): Folders {
  const work = join(home, '_work');
  const pipeline = join(work, String(number));
  return {
    home,
    work,
    tasks: join(work, '_tasks'),
    temp: join(work, '_temp'),
    tools: join(work, '_tool'),
    pipeline,
    sources: join(pipeline, 's'),
    binaries: join(pipeline, 'b'),
    staging: join(pipeline, 'a'),
    testResults: join(pipeline, 'TestResults'),
    externals: join(home, 'externals'),
    run: join(home, '_diag', runId),
  };
}
