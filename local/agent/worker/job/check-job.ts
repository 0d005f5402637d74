import type { JobPlan } from '../../pipeline/plan';
import { fold } from '../../pipeline/values';
import { PipelineError } from '../../pipeline/yaml';
import type { Run } from '../context/job-context';
import type { JobVariable } from '../context/job-variables';
import { connectionProblems } from '../steps/inputs';

/**
 * The server's last checks before a run: every task exists, and every service connection that an input names.
 * @throws PipelineError naming the step
 */
export function checkJob(job: JobPlan, variables: JobVariable[], run: Run): void {
  const variable = (name: string) =>
    variables.find((candidate) => fold(candidate.name) === fold(name))?.value;
  for (const step of job.steps) {
    if (step.kind !== 'task') continue;
    try {
      const sources = {
        definition: run.tasks.find(step.task).definition,
        given: step.inputs,
        variable,
        environment: run.environment,
        root: run.folders.sources,
        connections: run.options.serviceConnections ?? [],
      };
      const [problem] = connectionProblems(sources, step.name);
      if (problem) throw new Error(problem);
    } catch (error) {
      throw new PipelineError((error as Error).message, step.at);
    }
  }
}
