import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type PipelineSource, readPipeline, readPipelineText } from './pipeline/pipeline';
import type { JobPlan, PipelinePlan } from './pipeline/plan';
import type { ValueMap } from './pipeline/values';
import type { AgentOptions, PipelineRecord } from './types';
import { foldersOf } from './worker/context/folders';
import type { Run } from './worker/context/job-context';
import { jobVariables } from './worker/context/job-variables';
import { checkJob } from './worker/job/check-job';
import { variablesBeforeRun, variablesOfJob } from './worker/job/predefined';
import { runJobs } from './worker/job/run-jobs';
import { describeSources } from './worker/job/source-facts';
import { folderNumber, nextBuildId, nextBuildNumber, readState, writeState } from './worker/job/state';
import { installTasks } from './worker/tasks/tasks';

export { PipelineError } from './pipeline/yaml';
export * from './types';
export { readVariableGroups } from './variable-groups';

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
  return runAs('steps.yaml', options, (source) => readPipelineText(yamlText, source));
}

async function runAs(
  yamlFile: string,
  given: AgentOptions,
  read: (source: PipelineSource) => PipelinePlan,
): Promise<PipelineRecord> {
  const options = complete(given);
  const known = variablesBeforeRun(yamlFile, options, await describeSources(options.sources));
  const plan = read({
    file: yamlFile,
    readFile: (file) => readText(join(options.sources, file)),
    knownVariables: known,
    queueTimeVariables: options.variables ?? {},
    parameters: options.parameters ?? {},
  });

  const state = readState(options.workFolder);
  const record = newRecord(plan, {
    runId: randomUUID(),
    buildId: nextBuildId(state, options),
    buildNumber: nextBuildNumber(state, plan.buildNumberFormat, new Date(), (name) => known[name]),
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
  const variablesOf = (job: JobPlan, dependencies: ValueMap) => {
    const predefined = { ...known, ...variablesOfJob(job, record, folders, options) };
    return jobVariables(predefined, plan, job, options, dependencies);
  };
  for (const job of plan.jobs) checkJob(job, variablesOf(job, {}), run);
  writeState(options.workFolder, state);

  await runJobs(plan.jobs, run, variablesOf);
  record.finishTime = Date.now();
  mkdirSync(folders.run, { recursive: true });
  writeFileSync(join(folders.run, 'timeline.json'), JSON.stringify(record, null, 2));
  return record;
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

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
