import type { HookName, JobPlan, Leg, StagePlan, StepPlan } from '../../pipeline/plan';
import type { Position } from '../../pipeline/yaml';
import type { Run } from '../context/job-context';
import type { JobVariable, RuntimeContexts } from '../context/job-variables';
import { runJob } from './job';
import { leaveOut } from './not-run';
import { type JobOutcome, mergeOutcomes } from './outcomes';

/** What a job is started with. */
export interface JobStart {
  readonly stage: StagePlan;
  readonly contexts: RuntimeContexts;
  /** @param complain is told of variables that cannot be computed */
  readonly variablesOf: (
    job: JobPlan,
    leg: Leg,
    contexts: RuntimeContexts,
    complain: (message: string, at: Position | undefined) => void,
  ) => JobVariable[];
}

/** Runs a job as often as its matrix says, or the hooks of a deployment one after another. */
export async function runLegs(job: JobPlan, start: JobStart, run: Run): Promise<JobOutcome> {
  if (job.deployment) return runHooks(job, job.deployment.hooks, start, run);
  const parts: JobOutcome[] = [];
  for (const leg of job.legs) {
    const part = await runPart(job, leg, { suffix: leg.name, steps: job.steps }, start, run);
    parts.push(leg.name ? withPrefix(part, leg.name) : part);
  }
  return mergeOutcomes(job.name, parts);
}

/** Later hooks run as long as all went well; then the one for success or for failure. */
async function runHooks(
  job: JobPlan,
  hooks: readonly { readonly name: HookName; readonly steps: readonly StepPlan[] }[],
  start: JobStart,
  run: Run,
): Promise<JobOutcome> {
  const parts: JobOutcome[] = [];
  const perform = async (name: HookName, steps: readonly StepPlan[]) => {
    const suffix = hooks.length > 1 ? name : '';
    const part = await runPart(job, job.legs[0]!, { suffix, steps }, start, run);
    parts.push(withPrefix(part, job.name));
  };
  const isWell = () =>
    parts.every(({ result }) => result === 'Succeeded' || result === 'SucceededWithIssues');
  for (const { name, steps } of hooks) {
    if (name !== 'success' && name !== 'failure' && isWell()) await perform(name, steps);
  }
  const last = isWell() ? 'success' : 'failure';
  for (const { name, steps } of hooks) if (name === last) await perform(name, steps);
  return mergeOutcomes(job.name, parts);
}

async function runPart(
  job: JobPlan,
  leg: Leg,
  part: { readonly suffix: string; readonly steps: readonly StepPlan[] },
  start: JobStart,
  run: Run,
): Promise<JobOutcome> {
  const complaints: string[] = [];
  const variables = start.variablesOf(job, leg, start.contexts, (message) => complaints.push(message));
  const title = (text: string) => (part.suffix ? `${text} ${part.suffix}` : text);
  const plan = { ...job, name: title(job.name), displayName: title(job.displayName), steps: part.steps };
  // The server cannot start a job whose variables it cannot compute.
  if (complaints.length > 0) return leaveOut(plan, 'Failed', complaints.join(' '), run);
  return runJob(plan, variables, run);
}

function withPrefix(part: JobOutcome, prefix: string): JobOutcome {
  return {
    ...part,
    outputs: new Map([...part.outputs].map(([name, value]) => [`${prefix}.${name}`, value])),
  };
}
