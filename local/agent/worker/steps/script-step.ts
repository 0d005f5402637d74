import { isAbsolute, join } from 'node:path';
import type { ScriptStepPlan } from '../../pipeline/plan';
import type { StepContext } from '../context/step-context';
import { runShell } from './shell';
import { expandInput, withStepVariables } from './step-environment';

/** Runs a `script`, `bash` or `pwsh` step; its texts are inputs, so variables of the machine count as macros, too. */
export async function runScript(
  plan: ScriptStepPlan,
  displayName: string,
  context: StepContext,
  signal: AbortSignal,
): Promise<void> {
  const { job } = context;
  await withStepVariables(job, { name: plan.name, displayName }, () => {
    const folder = expandInput(job, plan.workingDirectory);
    return runShell(
      {
        shell: plan.shell,
        script: expandInput(job, plan.script),
        folder: isAbsolute(folder) ? folder : join(job.folders.sources, folder),
        failOnStderr: plan.failOnStderr,
        errorActionPreference: plan.errorActionPreference ?? 'stop',
        ignoreLastExitCode: plan.ignoreLastExitCode ?? false,
        env: plan.env,
      },
      context,
      signal,
    );
  });
}
