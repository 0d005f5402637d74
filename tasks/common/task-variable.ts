/** What a step has left for the end of the job by `setTaskVariable`. Everything else in the job could have set it, too. */
export function taskVariable(env: NodeJS.ProcessEnv, name: string): string | undefined {
  return env[`VSTS_TASKVARIABLE_${name.toUpperCase()}`];
}
