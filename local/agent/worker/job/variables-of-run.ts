import type { JobPlan, Leg, PipelinePlan } from '../../pipeline/plan';
import { NameMap, type Value } from '../../pipeline/values';
import type { Run } from '../context/job-context';
import { type JobVariable, jobVariables, type RuntimeContexts } from '../context/job-variables';
import { variablesOfJob } from './predefined';
import { pipelineValue, type VariablesOf } from './run-stages';
import type { SourceFacts } from './source-facts';

/** The variables of a run's parts, as far as they are known when each of them begins. */
export function variablesOfRun(
  plan: PipelinePlan,
  run: Run,
  known: Record<string, string>,
  facts: SourceFacts,
): VariablesOf & { readonly pipeline: (more: Record<string, string>) => JobVariable[] } {
  const nothing: RuntimeContexts = { values: { dependencies: null, stageDependencies: null }, secrets: [] };
  const within = (contexts: RuntimeContexts): RuntimeContexts => ({
    ...contexts,
    values: { ...contexts.values, pipeline: pipelineValue(run), resources: resourcesValue(facts) },
  });
  return {
    pipeline: (more) =>
      jobVariables(
        { predefined: { ...known, ...more }, declared: plan.variables, leg: {} },
        run.options,
        within(nothing),
        () => {},
      ),
    stage: (stage) =>
      jobVariables(
        { predefined: known, declared: [...plan.variables, ...stage.variables], leg: {} },
        run.options,
        within(nothing),
        () => {},
      ),
    job: (job: JobPlan, leg: Leg, contexts, complain) => {
      const stage = plan.stages.find(({ name }) => name === job.stage)!;
      return jobVariables(
        {
          predefined: {
            ...known,
            ...variablesOfJob({ stage, job, leg }, run.record, run.folders, run.options),
          },
          declared: [...plan.variables, ...stage.variables, ...job.variables],
          leg: leg.variables,
        },
        run.options,
        within(contexts),
        complain,
      );
    },
  };
}

function resourcesValue(facts: SourceFacts): Value {
  const self = new NameMap([
    ['name', facts.name],
    ['ref', facts.branch],
    ['type', 'Git'],
    ['url', facts.uri],
    ['version', facts.version],
  ]);
  return new NameMap([
    ['repositories', new NameMap([['self', self]])],
    ['containers', new NameMap()],
  ]);
}
