import { TaskError } from '../common/errors';
import type { Outcome } from '../common/task';
import { plural } from '../common/text';
import { wasCancelled } from './databricks/states';
import type { Check } from './gate';
import { hintFor } from './hints';
import { describeEnd, errorMessage } from './report';
import type { Results } from './results';
import { type Ending, isGoodEnough, type Work } from './run-once';
import { LostRunError } from './start';

/** What came of the gate; empty where there is none, or no metrics came to it. */
export interface Gate {
  readonly checks: readonly Check[];
  /** Why the gate can't be judged. */
  readonly problem: string | undefined;
}

/**
 * What the step makes of its run, once all that the run left behind is handed on.
 *
 * @throws TaskError where the step fails; output `errorMessage` then says why
 */
export function judge(work: Work, ending: Ending, results: Results, gate: Gate): Outcome {
  const { inputs, job, step } = work;
  const { started, run } = ending;
  const name = `Run ${started.id} of job '${job.name}'`;
  const failWith = (error: TaskError, reason = error.message): never => {
    step.setOutput('errorMessage', reason);
    throw error;
  };
  if (!inputs.waitForCompletion && !run?.state.isOver) {
    return { result: 'Succeeded', message: `${name} goes on: ${started.page}` };
  }
  if (!run || wasStopped(ending)) return failWith(timedOut(name, work, ending));
  const end = `${name} ${describeEnd(run)}`;
  const page = `See ${started.page}`;
  if (isGoodEnough(run, inputs) && results.unread !== undefined) {
    return failWith(
      new TaskError(
        `${end}, but what its notebook returned could not be read. ${results.unread} Run the step again: it takes the same run. ${page}`,
      ),
    );
  }
  if (gate.problem !== undefined) {
    return failWith(
      new TaskError(`${end}, but input 'metricsGate' can't be judged. ${gate.problem} ${page}`),
    );
  }
  const unmet = gate.checks.filter(({ isMet }) => !isMet);
  if (unmet.length > 0) {
    const reasons = unmet.map(({ remark }) => remark).join('; ');
    return failWith(new TaskError(`${end}, but did not pass the gate: ${reasons}. ${page}`), reasons);
  }
  if (run.state.verdict === 'success') return { result: 'Succeeded', message: `${name} succeeded.` };

  const error = errorMessage(run, results);
  const [firstFailure] = results.failures;
  const hint = firstFailure ? firstFailure.hint : hintFor(run.state, inputs);
  const message = [`${end}: ${error.replace(/[.!]?$/, '.')}`, hint, page].filter(Boolean).join(' ');
  if (!isGoodEnough(run, inputs)) return failWith(new TaskError(message), error);
  step.setOutput('errorMessage', error);
  return { result: inputs.onPartialSuccess === 'warn' ? 'SucceededWithIssues' : 'Succeeded', message };
}

/** Whether the time limit has ended the run, or should have. */
function wasStopped({ run, isTimedOut }: Ending): boolean {
  if (!isTimedOut || run?.state.verdict === 'success') return false;
  return !run?.state.isOver || wasCancelled(run.state);
}

function timedOut(name: string, { inputs }: Work, { started, run }: Ending): TaskError {
  const limit = `${name} timed out: it had not ended after ${plural(inputs.timeoutMinutes, 'minute')}`;
  return run?.state.isOver
    ? new TaskError(`${limit} and was canceled. Raise input 'timeoutMinutes' if it needs longer.`)
    : new LostRunError(
        `${limit}, nor within a minute of being asked to stop. It may be going on: ${started.page}`,
      );
}
