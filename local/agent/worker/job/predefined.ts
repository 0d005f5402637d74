import { hostname, userInfo } from 'node:os';
import { DEFAULT_STAGE, type JobPlan, type Leg, type StagePlan } from '../../pipeline/plan';
import type { AgentOptions, PipelineRecord } from '../../types';
import type { Folders } from '../context/folders';
import { nameBasedId } from '../steps/ids';
import type { SourceFacts } from './source-facts';

/** The agent that this one behaves as. */
export const AGENT_VERSION = '4.272.0';

/** The account this program runs under; containers may run it under a number without a name. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'unknown';
  }
}

const PROJECT = 'local';
const DEFAULT_COLLECTION = 'https://dev.azure.com/local/';

/** Variables that are known when the YAML is expanded, before a run exists. */
export function variablesBeforeRun(
  file: string,
  options: AgentOptions,
  facts: SourceFacts,
): Record<string, string> {
  const definition = definitionName(file);
  const collection = options.collectionUri ?? DEFAULT_COLLECTION;
  return withoutCommands({
    'Build.DefinitionName': definition,
    'Build.QueuedBy': userName(),
    'Build.Reason': 'Manual',
    'Build.Repository.Name': facts.name,
    'Build.Repository.Provider': 'TfsGit',
    'Build.Repository.Uri': facts.uri,
    'Build.RequestedFor': userName(),
    'Build.SourceBranch': facts.branch,
    'Build.SourceBranchName': facts.branch.split('/').at(-1)!,
    'Build.SourceVersion': facts.version,
    'Build.SourceVersionAuthor': facts.author,
    'Build.SourceVersionMessage': facts.message,
    'System.CollectionId': nameBasedId(collection),
    'System.CollectionUri': collection,
    'System.Culture': 'en-US',
    'System.DefinitionId': '1',
    'System.DefinitionName': definition,
    'System.HostType': 'build',
    'System.ServerType': 'Hosted',
    'System.TeamFoundationCollectionUri': collection,
    'System.TeamProject': PROJECT,
    'System.TeamProjectId': nameBasedId(PROJECT),
  });
}

/** The agent breaks logging commands in what others may have written. */
function withoutCommands(variables: Record<string, string>): Record<string, string> {
  const entries = Object.entries(variables).map(([name, value]) => [
    name,
    value.replaceAll('##vso', '**vso'),
  ]);
  return Object.fromEntries(entries);
}

/** Variables that come with a job: the ids of the run, and the agent's folders and machine. */
export function variablesOfJob(
  { stage, job, leg }: { stage: StagePlan; job: JobPlan; leg: Leg },
  run: PipelineRecord,
  folders: Folders,
  options: AgentOptions,
): Record<string, string> {
  const attempt = String(options.attempt ?? 1);
  const planId = nameBasedId(`build ${run.buildId} of ${folders.home}`);
  const inStage = stage.name === DEFAULT_STAGE ? [] : [stage.name];
  const jobId = nameBasedId(`job ${[...inStage, job.name, leg.name].filter(Boolean).join('.')}`);
  const title = leg.name ? `${job.displayName} ${leg.name}` : job.displayName;
  return withoutCommands({
    'Agent.BuildDirectory': folders.pipeline,
    'Agent.CloudId': '',
    'Agent.HomeDirectory': folders.home,
    'Agent.Id': '1',
    'Agent.IsSelfHosted': '1',
    'Agent.JobName': title,
    'Agent.MachineName': hostname(),
    'Agent.Name': 'local',
    'Agent.OS': { darwin: 'Darwin', win32: 'Windows_NT' }[process.platform as string] ?? 'Linux',
    'Agent.OSArchitecture': { arm64: 'ARM64', arm: 'ARM', ia32: 'X86' }[process.arch as string] ?? 'X64',
    'Agent.ReadOnlyVariables': 'true',
    'Agent.RetainDefaultEncoding': 'false',
    'Agent.RootDirectory': folders.work,
    'Agent.TempDirectory': folders.temp,
    'Agent.ToolsDirectory': folders.tools,
    'Agent.Version': AGENT_VERSION,
    'Agent.WorkFolder': folders.work,
    'Build.ArtifactStagingDirectory': folders.staging,
    'Build.BinariesDirectory': folders.binaries,
    'Build.BuildId': String(run.buildId),
    'Build.BuildNumber': run.buildNumber,
    'Build.BuildUri': `vstfs:///Build/Build/${run.buildId}`,
    'Build.ContainerId': String(run.buildId),
    'Build.Repository.LocalPath': folders.sources,
    'Build.SourcesDirectory': folders.sources,
    'Build.StagingDirectory': folders.staging,
    'Common.TestResultsDirectory': folders.testResults,
    'Pipeline.Workspace': folders.pipeline,
    'System.ArtifactsDirectory': folders.staging,
    'System.DefaultWorkingDirectory': folders.sources,
    'System.IsAzureVM': '0',
    'System.IsDockerContainer': '0',
    'System.JobAttempt': attempt,
    'System.JobDisplayName': title,
    // Made from names, so it is the same in every run: only together with the build id does it name a job.
    'System.JobId': jobId,
    'System.JobIdentifier': [...inStage, job.name, leg.name || '__default'].join('.'),
    'System.JobName': leg.name || '__default',
    'System.OidcRequestUri': options.oidcRequestUri ?? oidcRequestUri(options, planId, jobId),
    'System.PhaseAttempt': attempt,
    'System.PhaseDisplayName': job.displayName,
    'System.PhaseName': job.name,
    'System.PipelineStartTime': new Date(run.startTime)
      .toISOString()
      .replace('T', ' ')
      .replace(/\..*$/, '+00:00'),
    'System.PlanId': planId,
    'System.StageAttempt': attempt,
    'System.StageDisplayName': stage.displayName,
    'System.StageName': stage.name,
    'System.TimelineId': planId,
    'System.WorkFolder': folders.work,
    ...variablesOfDeployment(job),
  });
}

function variablesOfDeployment({ deployment }: JobPlan): Record<string, string> {
  if (!deployment) return {};
  return {
    'Environment.Name': deployment.environment,
    'Environment.ResourceName': deployment.resource,
    'Strategy.Name': 'runOnce',
  };
}

/** Where the server vouches for this job, as Azure DevOps Services writes it. */
function oidcRequestUri(options: AgentOptions, planId: string, jobId: string): string {
  const collection = (options.collectionUri ?? DEFAULT_COLLECTION).replace(/\/?$/, '/');
  const hub = `${collection}${nameBasedId(PROJECT)}/_apis/distributedtask/hubs/build`;
  return `${hub}/plans/${planId}/jobs/${jobId}/oidctoken`;
}

function definitionName(file: string): string {
  return file.replace(/^.*\//, '').replace(/\.ya?ml$/, '');
}
