import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentOptions, runSteps, type StepRecord } from '../../local/agent/agent';
import { vsixFile } from '../../scripts/paths';

/** The Node versions that agents carry; each packed task must run under all of them. */
export const nodeVersions = [20, 24] as const;

export interface StepOptions extends Partial<AgentOptions> {
  /** Files of the repository that the step runs in; a folder of its own when left out. */
  readonly sources?: string;
}

/**
 * Runs one packed task as a step, as the agent would, and returns what the step did. `$(name)` in an input is expanded,
 * from the variable groups too. TEST_NODE_PROGRAM in the environment takes the place of the agent's Node, for the tier
 * of Windows.
 */
export async function runStep(
  task: string,
  inputs: Record<string, string>,
  options: StepOptions = {},
): Promise<StepRecord> {
  const workFolder = mkdtempSync(join(tmpdir(), 'agent-'));
  try {
    const groups = Object.keys(options.variableGroups ?? {}).map((group) => ({ group }));
    const yaml = JSON.stringify({
      variables: groups,
      steps: [{ task: `${task}@1`, name: 'step', inputs }],
    });
    const nodeProgram = process.env.TEST_NODE_PROGRAM;
    const run = await runSteps(yaml, {
      vsix: vsixFile,
      sources: workFolder,
      workFolder,
      ...(nodeProgram && { nodeProgram }),
      ...options,
    });
    return run.jobs[0]!.steps.find((step) => step.name === 'step')!;
  } finally {
    rmSync(workFolder, { recursive: true, force: true });
  }
}

/** The errors that a step showed, as one text. */
export function errorsOf(step: StepRecord): string {
  return step.issues
    .filter(({ type }) => type === 'error')
    .map(({ message }) => message)
    .join('\n');
}
