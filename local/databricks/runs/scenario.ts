import type { Clock } from '../clock';
import { notStarted } from './outcome';
import { notebookParameters } from './parameters';
import type { Work } from './run';

/** Plays the scenario of a run's job. */
export function scenarioWork(clock: Clock): Work {
  return async (task, run, signal) => {
    const parameters = notebookParameters(run, task);
    const script = run.job.scenario?.task({ key: task.key, attempt: task.attempt, parameters });
    await clock.sleep(script?.running ?? 0, signal);
    return script?.outcome ?? notStarted('INTERNAL_ERROR', 'The job has no scenario');
  };
}
