import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { type PipelineSource, readPipeline, readPipelineText } from './pipeline/pipeline';
import type { PipelinePlan } from './pipeline/plan';
import { fold } from './pipeline/values';
import { PipelineError, Problems } from './pipeline/yaml';
import type { AgentOptions, PipelineRecord } from './types';
import { foldersOf } from './worker/context/folders';
import type { Run } from './worker/context/job-context';
import type { JobVariable } from './worker/context/job-variables';
import { checkPlan } from './worker/job/check-job';
import { problemsOfOnly } from './worker/job/only';
import { variablesBeforeRun } from './worker/job/predefined';
import { runStages } from './worker/job/run-stages';
import { describeSources } from './worker/job/source-facts';
import {
  folderNumber,
  nextBuildId,
  nextBuildNumber,
  readState,
  revisionsOf,
  writeState,
} from './worker/job/state';
import { variablesOfRun } from './worker/job/variables-of-run';
import { installTasks } from './worker/tasks/tasks';

export { PipelineError } from './pipeline/yaml';
export { type Connections, readServiceConnections } from './service-connections';
export * from './types';
export { readKeyVaults, readVariableGroups } from './variable-groups';

/**
 * Runs a pipeline's YAML on this machine as Azure Pipelines would: the server's part (templates, variables, which
 * task a name means), then the agent's.
 * @param yamlFile relative to the sources
 * @throws PipelineError before anything runs, when the server would refuse the pipeline or the local agent does not
 *   support something in it; it names the file, the line and the key. Whatever happens in a step is in the record.
 */
export function runPipeline(yamlFile: string, options: AgentOptions): Promise<PipelineRecord> {
  return runAs(yamlFile, options, readPipeline);
}

/** The same for YAML that is not in a file: a pipeline, or just a list of steps. */
export function runSteps(yamlText: string, options: AgentOptions): Promise<PipelineRecord> {
  return runAs('steps.yaml', options, (source, problems) => readPipelineText(yamlText, source, problems));
}

async function runAs(
  yamlFile: string,
  given: AgentOptions,
  read: (source: PipelineSource, problems: Problems) => PipelinePlan,
): Promise<PipelineRecord> {
  const options = complete(given);
  const facts = await describeSources(options.sources);
  const known = variablesBeforeRun(yamlFile, options, facts);
  const machine = { hasPowerShell: hasProgram('pwsh'), keyVaults: Object.keys(options.keyVaults ?? {}) };
  const problems = new Problems();
  const plan = read(sourceOf(yamlFile, options, known, machine.hasPowerShell), problems);

  const state = readState(options.workFolder);
  const record = newRecord(plan, {
    runId: randomUUID(),
    buildId: nextBuildId(state, options),
    buildNumber: '',
  });
  const folders = foldersOf(options.workFolder, folderNumber(state, yamlFile), record.runId);
  record.folder = folders.run;
  const run: Run = {
    options,
    record,
    folders,
    tasks: installTasks(options.vsix, folders.tasks),
    environment: agentEnvironment(options),
    canceled: options.signal ?? new AbortController().signal,
  };
  const variables = variablesOfRun(plan, run, known, facts);
  const nothingYet = { values: { dependencies: null, stageDependencies: null }, secrets: [] };
  checkPlan(plan, (job) => variables.job(job, job.legs[0]!, nothingYet, () => {}), run, machine, problems);
  for (const problem of problemsOfOnly(plan, options.only ?? []))
    problems.add(problem, { file: plan.file, line: 1, column: 1 });
  problems.attempt(() => {
    const counts = revisionsOf(state, yamlFile);
    record.buildNumber = buildNumber(
      plan,
      counts,
      variables.pipeline({ 'Build.BuildId': String(record.buildId) }),
    );
  });
  problems.refuse();
  writeState(options.workFolder, state);

  options.onStart?.(record);
  await runStages(plan, run, variables);
  record.finishTime = Date.now();
  mkdirSync(folders.run, { recursive: true });
  writeFileSync(join(folders.run, 'timeline.json'), JSON.stringify(record, null, 2));
  return record;
}

function sourceOf(
  file: string,
  options: AgentOptions,
  known: Record<string, string>,
  hasPowerShell: boolean,
): PipelineSource {
  const repositories = options.repositories ?? {};
  return {
    file,
    readFile: (name, repository) =>
      readText(join(repository ? repositories[repository]! : options.sources, name)),
    knownVariables: known,
    queueTimeVariables: options.variables ?? {},
    overrides: options.overrides ?? {},
    parameters: options.parameters ?? {},
    repositories: Object.keys(repositories),
    hasPowerShell,
  };
}

/** @throws PipelineError when the number holds what a build number cannot */
function buildNumber(
  plan: PipelinePlan,
  revisions: Record<string, number>,
  variables: JobVariable[],
): string {
  const find = (name: string) =>
    variables.find((other) => fold(other.name) === fold(name) && !other.secret)?.value;
  try {
    return nextBuildNumber({ revisions }, plan.buildNumberFormat, new Date(), find);
  } catch (error) {
    throw new PipelineError((error as Error).message, plan.buildNumberAt);
  }
}

function newRecord(
  plan: PipelinePlan,
  ids: Pick<PipelineRecord, 'runId' | 'buildId' | 'buildNumber'>,
): PipelineRecord {
  return {
    name: plan.name,
    file: plan.file,
    ...ids,
    result: 'Succeeded',
    startTime: Date.now(),
    finishTime: 0,
    variables: {},
    jobs: [],
    artifacts: [],
    tags: [],
    folder: '',
  };
}

function complete(given: AgentOptions): AgentOptions {
  return {
    ...given,
    sources: resolve(given.sources),
    workFolder: resolve(given.workFolder),
    repositories: Object.fromEntries(
      Object.entries(given.repositories ?? {}).map(([name, folder]) => [name, resolve(folder)]),
    ),
    accessToken: given.accessToken ?? randomUUID().replaceAll('-', ''),
  };
}

function agentEnvironment({ environment = process.env, nodeVersion }: AgentOptions): NodeJS.ProcessEnv {
  if (!nodeVersion) return environment;
  return {
    ...environment,
    AGENT_USE_NODE24: String(nodeVersion === 24),
    AGENT_USE_NODE20_1: String(nodeVersion === 20),
  };
}

function hasProgram(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)));
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
