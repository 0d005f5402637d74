import { mergeResults } from '../../results';
import type { StepContext } from '../context/step-context';
import { OperationCanceled } from '../context/step-errors';
import { runBuiltin } from './builtin-step';
import { checkOut } from './checkout';
import { runScript } from './script-step';
import type { JobStep } from './steps';
import { runTask } from './task-step';

/** How often the agent repeats a step at most, whatever `retryCountOnTaskFailure` says. */
const MOST_RETRIES = 10;
const MINUTE = 60_000;

/**
 * Runs one step of a job to its result, which is then in the step's record.
 * @param canceled aborted when the step is to end because the job was canceled
 */
export async function runStep(step: JobStep, context: StepContext, canceled: AbortSignal): Promise<void> {
  const { record } = context;
  context.write('##[section]', `Starting: ${step.displayName}`);
  const timeout = new AbortController();
  const minutes = step.plan.timeoutInMinutes ?? 0;
  const timer = minutes > 0 ? setTimeout(() => timeout.abort(), minutes * MINUTE) : undefined;
  try {
    await withRetries(step, context, AbortSignal.any([canceled, timeout.signal]));
  } catch (error) {
    if (!(error instanceof OperationCanceled)) {
      context.error((error as Error).message);
      context.result = 'Failed';
    } else if (timeout.signal.aborted && !context.job.canceled.aborted) {
      context.error('The task has timed out.');
      context.result = 'Failed';
    } else {
      context.error(error.message);
      context.result = 'Canceled';
    }
  } finally {
    clearTimeout(timer);
  }
  if (context.commandResult) context.result = mergeResults(context.result, context.commandResult);
  record.result = context.result ?? 'Succeeded';
  if (record.result === 'Failed' && step.plan.continueOnError) record.result = 'SucceededWithIssues';
  context.write('##[section]', `Finishing: ${step.displayName}`);
}

async function withRetries(step: JobStep, context: StepContext, signal: AbortSignal): Promise<void> {
  const wanted = step.plan.retryCountOnTaskFailure;
  if (wanted > MOST_RETRIES) {
    context.warning(
      `'retryCountOnTaskFailure' is ${wanted}, but a step is tried again ${MOST_RETRIES} times at most.`,
    );
  }
  const retries = Math.min(wanted, MOST_RETRIES);
  for (let attempt = 0; ; attempt++) {
    const delay = (attempt + 1) ** 2 * 1000;
    try {
      await perform(step, context, signal);
      if (context.result !== 'Failed' || attempt >= retries) return;
      context.result = undefined;
      context.warning(`The step failed. It is tried again (${attempt + 1} of ${retries}) after ${delay} ms.`);
    } catch (error) {
      if (error instanceof OperationCanceled || attempt >= retries) throw error;
      context.warning(
        `${(error as Error).message} The step is tried again (${attempt + 1} of ${retries}) after ${delay} ms.`,
      );
    }
    await sleep(delay, signal);
  }
}

async function perform(step: JobStep, context: StepContext, signal: AbortSignal): Promise<void> {
  context.target = step.plan.restrictions;
  if (step.kind === 'task') return runTask(step, context, signal);
  if (step.kind === 'builtin') return runBuiltin(step, context, signal);
  if (step.kind === 'script') return runScript(step.plan, step.displayName, context, signal);
  if (step.kind === 'checkout') return checkOut(step, context);
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new OperationCanceled());
    const stop = () => {
      clearTimeout(timer);
      reject(new OperationCanceled());
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', stop, { once: true });
  });
}
