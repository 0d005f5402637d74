import { join } from 'node:path';

/** The agent's folders; `1` in the comments is the number that the agent gave to the pipeline. */
export interface Folders {
  /** The agent's root. */
  readonly home: string;
  /** `_work` */
  readonly work: string;
  /** `_work/_tasks` */
  readonly tasks: string;
  /** `_work/_temp`, emptied for every job. */
  readonly temp: string;
  /** `_work/_tool` */
  readonly tools: string;
  /** `_work/1` */
  readonly pipeline: string;
  /** `_work/1/s` */
  readonly sources: string;
  /** `_work/1/b` */
  readonly binaries: string;
  /** `_work/1/a` */
  readonly staging: string;
  /** `_work/1/TestResults` */
  readonly testResults: string;
  /** `externals`: the agent's own programs. */
  readonly externals: string;
  /** `_diag/<run id>`: logs, attachments and artifacts of the run. */
  readonly run: string;
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
