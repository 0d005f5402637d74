import type { EnvironmentSources } from '../context/environment';
import type { JobContext } from '../context/job-context';
import { expandMacros } from '../context/macros';
import { nameBasedId } from './ids';

/** Lets a step's variables about itself (`task.displayname` and others) exist while the step runs. */
export async function withStepVariables(
  job: JobContext,
  step: { name: string; displayName: string },
  action: () => Promise<void>,
): Promise<void> {
  const own: Record<string, string> = {
    'task.displayname': step.displayName,
    // The same in every run, since the server makes it from names.
    'system.taskInstanceId': nameBasedId(`${job.record.name}.${step.name}`),
    'system.taskDisplayName': step.displayName,
    'system.taskInstanceName': step.name,
  };
  for (const [name, value] of Object.entries(own)) job.variables.set(name, value);
  try {
    await action();
  } finally {
    for (const name of Object.keys(own)) job.variables.unset(name);
  }
}

/** Replaces `$(name)` by variables of the job, and then by those of the machine. */
export function expandInput({ variables, environment }: JobContext, text: string): string {
  return expandMacros(variables.expand(text), (name) => environment[name]);
}

/** The parts of the environment that tasks and scripts have in common. */
export function commonEnvironment(job: JobContext, env: Record<string, string>): EnvironmentSources {
  const { variables, environment } = job;
  const expand = (value: string) => expandInput(job, value);
  return {
    agent: environment,
    step: Object.fromEntries(Object.entries(env).map(([name, value]) => [name.trim(), expand(value.trim())])),
    variables: variables.all(),
    prependedPaths: job.prependedPaths,
    system: {
      url: variables.get('System.CollectionUri') ?? '',
      accessToken: variables.get('System.AccessToken') ?? '',
    },
  };
}
