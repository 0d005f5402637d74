import { type BuilderKind, builderId, type Predicate } from './statement';

/** What the agent says of the run: it asks for a variable by its name. */
export type Variables = (name: string) => string | undefined;

/** What built an image, and when. */
export interface BuildRun {
  /** `docker`, `acrTasks` or `direct`. */
  readonly builder: string;
  readonly description: string;
  /** Of this task; undefined where it is not known. */
  readonly version: string | undefined;
  readonly started: Date;
  readonly finished: Date;
}

/** Who built an image: the run of the pipeline, its agent, and what built there. */
export function describeRun(
  variable: Variables,
  run: BuildRun,
): Pick<Predicate, 'runDetails'> & Pick<Predicate['buildDefinition'], 'internalParameters'> {
  const agentVersion = variable('Agent.Version');
  const version = {
    ...(run.version !== undefined && { AcrBuildPush: run.version }),
    ...(agentVersion !== undefined && { agent: agentVersion }),
  };
  const invocationId = pageOfRun(variable);
  return {
    internalParameters: {
      organization: variable('System.CollectionUri'),
      project: variable('System.TeamProject'),
      pipeline: variable('Build.DefinitionName'),
      pipelineId: variable('System.DefinitionId'),
      buildId: variable('Build.BuildId'),
      buildNumber: variable('Build.BuildNumber'),
      reason: variable('Build.Reason'),
      stage: variable('System.StageName'),
      stageAttempt: variable('System.StageAttempt'),
      job: variable('System.JobName'),
      jobAttempt: variable('System.JobAttempt'),
      agent: variable('Agent.Name'),
      agentOs: variable('Agent.OS'),
      agentArchitecture: variable('Agent.OSArchitecture'),
      builder: run.builder,
      builderDescription: run.description,
    },
    runDetails: {
      builder: {
        id: builderId(run.builder === 'acrTasks' ? 'acr-tasks' : kindOfAgent(variable)),
        ...(Object.keys(version).length > 0 && { version }),
      },
      metadata: {
        ...(invocationId !== undefined && { invocationId }),
        startedOn: inSeconds(run.started),
        finishedOn: inSeconds(run.finished),
      },
    },
  };
}

function kindOfAgent(variable: Variables): BuilderKind | undefined {
  switch (variable('Agent.IsSelfHosted')) {
    case '0':
      return 'microsoft-hosted';
    case '1':
      return 'self-hosted';
    default:
      return undefined;
  }
}

/** The page of the job of this run. */
function pageOfRun(variable: Variables): string | undefined {
  const [collection, project, buildId, jobId] = [
    'System.CollectionUri',
    'System.TeamProject',
    'Build.BuildId',
    'System.JobId',
  ].map(variable);
  if (!collection || !project || !buildId) return undefined;
  const job = jobId ? `&view=logs&j=${encodeURIComponent(jobId)}` : '';
  return `${collection.replace(/\/*$/, '/')}${encodeURIComponent(project)}/_build/results?buildId=${encodeURIComponent(buildId)}${job}`;
}

/** As RFC 3339 has it, which is all that readers of such statements take. */
function inSeconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
