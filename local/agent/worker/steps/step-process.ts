import { isOn, setting } from '../context/job-context';
import type { StepContext } from '../context/step-context';
import { OperationCanceled } from '../context/step-errors';
import { type ProcessOptions, runProcess } from './processes';

/** How long a process may go on after `task.complete done=true`, in milliseconds. */
const AFTER_DONE = 5_000;

/**
 * Runs a step's process with the agent's patience when it is to end early.
 * @param onLine not called any more once the step has been declared done
 * @returns the exit code; 0 when the task declared itself done and the process went on
 * @throws OperationCanceled when the signal was aborted, however the process ended
 */
export async function runStepProcess(
  context: StepContext,
  options: Pick<ProcessOptions, 'file' | 'args' | 'cwd' | 'env' | 'onLine' | 'signal'>,
): Promise<number> {
  const { job } = context;
  const milliseconds = (name: string, preset: number) => Number(setting(job, name) ?? preset);
  let timer: NodeJS.Timeout | undefined;
  let done = false;
  const forced = new Promise<number>((resolve) => {
    context.onForceComplete = () => {
      timer ??= setTimeout(() => {
        done = true;
        context.debug('The task has declared itself done, but its process goes on. Going on without it.');
        resolve(0);
      }, AFTER_DONE);
    };
  });
  try {
    const ended = runProcess({
      ...options,
      onLine: (line, stream) => {
        if (!done) options.onLine(line, stream);
      },
      patience: {
        sigint: milliseconds('PROCESS_SIGINT_TIMEOUT', 7_500),
        sigterm: milliseconds('PROCESS_SIGTERM_TIMEOUT', 2_500),
      },
      graceful: isOn(job, 'USE_GRACEFUL_PROCESS_SHUTDOWN'),
    });
    const exitCode = await Promise.race([ended, forced]);
    if (!done) context.record.exitCode = exitCode;
    if (options.signal.aborted && !done) throw new OperationCanceled();
    return exitCode;
  } finally {
    clearTimeout(timer);
  }
}
