import type { StepContext } from '../context/step-context';
import { printBanner } from './banner';
import { inputSources, resolveInputs } from './inputs';
import { withStepVariables } from './step-environment';
import type { BuiltinStep } from './steps';

/** Runs a task that the agent carries out itself. */
export async function runBuiltin(
  step: BuiltinStep,
  context: StepContext,
  signal: AbortSignal,
): Promise<void> {
  const { job } = context;
  const { definition, run } = step.task;
  await withStepVariables(job, { name: step.plan.name, displayName: step.displayName }, async () => {
    printBanner(context, definition);
    const inputs = resolveInputs(inputSources(job, definition, step.plan.inputs));
    await run(context, inputs, { env: step.plan.env, signal });
  });
}
