import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { evaluate } from './pipeline/expression';
import { statusFunctions } from './pipeline/functions';
import { type PipelineSource, readPipeline, readPipelineText } from './pipeline/pipeline';
import type { JobPlan, PipelinePlan } from './pipeline/plan';
import { ExpressionError, fold, toBoolean, type ValueMap } from './pipeline/values';
import { PipelineError } from './pipeline/yaml';
import { mergeResults } from './results';
import type { AgentOptions, JobRecord, PipelineRecord, TaskResult } from './types';
import { foldersOf } from './worker/folders';
import { connectionProblems } from './worker/inputs';
import { type Run, runJob } from './worker/job';
import { type JobVariable, jobVariables } from './worker/job-variables';
import { variablesBeforeRun, variablesOfJob } from './worker/predefined';
import { describeSources } from './worker/source-facts';
import { folderNumber, nextBuildNumber, readState, writeState } from './worker/state';
import { installTasks } from './worker/tasks';

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
  return run(yamlFile, options, readPipeline);
}

/** The same for YAML that is not in a file: a pipeline, or just a list of steps. */
export function runSteps(yamlText: string, options: AgentOptions): Promise<PipelineRecord> {
  return run('steps.yaml', options, (source) => readPipelineText(yamlText, source));
}

async function run(
  yamlFile: string,
  given: AgentOptions,
  read: (source: PipelineSource) => PipelinePlan,
): Promise<PipelineRecord> {
  const options = complete(given);
  const facts = await describeSources(options.sources);
  const known = variablesBeforeRun(yamlFile, options, facts);
  const plan = read({
    file: yamlFile,
    readFile: (file) => readText(join(options.sources, file)),
    knownVariables: known,
    queueTimeVariables: options.variables ?? {},
    parameters: options.parameters ?? {},
  });

  const state = readState(options.workFolder);
  const runId = randomUUID();
  const folders = foldersOf(options.workFolder, folderNumber(state, yamlFile), runId);
  const tasks = installTasks(options.vsix, folders.tasks);
  const buildId =
    options.buildId ?? state.lastBuildId + ((options.attempt ?? 1) > 1 && state.lastBuildId > 0 ? 0 : 1);
  state.lastBuildId = Math.max(state.lastBuildId, buildId);
  const start = new Date();
  const record: PipelineRecord = {
    name: plan.name,
    file: yamlFile,
    runId,
    buildId,
    buildNumber: nextBuildNumber(state, plan.buildNumberFormat, start, (name) => known[name]),
    result: 'Succeeded',
    startTime: start.getTime(),
    finishTime: 0,
    variables: {},
    jobs: [],
    artifacts: [],
    tags: [],
    folder: folders.run,
  };
  const context: Run = {
    options,
    record,
    folders,
    tasks,
    environment: agentEnvironment(options),
    canceled: options.signal ?? new AbortController().signal,
  };
  const variablesFor = (job: JobPlan, dependencies: ValueMap) =>
    jobVariables(
      { ...known, ...variablesOfJob(job, record, folders, options) },
      plan,
      job,
      options,
      dependencies,
    );
  for (const job of plan.jobs) checkJob(job, variablesFor(job, {}), context);
  writeState(options.workFolder, state);

  await runJobs(plan, context, variablesFor);
  record.finishTime = Date.now();
  mkdirSync(folders.run, { recursive: true });
  writeFileSync(join(folders.run, 'timeline.json'), JSON.stringify(record, null, 2));
  return record;
}

/** Runs jobs one after another, each after those it depends on. */
async function runJobs(
  plan: PipelinePlan,
  context: Run,
  variablesFor: (job: JobPlan, dependencies: ValueMap) => JobVariable[],
): Promise<void> {
  const waiting = [...plan.jobs];
  const done = new Map<string, JobRecord>();
  while (waiting.length > 0) {
    const next = waiting.findIndex((job) => job.dependsOn.every((name) => done.has(fold(name))));
    const job = waiting.splice(next, 1)[0]!;
    const needed = job.dependsOn.map((name) => done.get(fold(name))!);
    const dependencies = Object.fromEntries(needed.map((other) => [other.name, outcomeOf(other)]));
    const variables = variablesFor(job, dependencies);
    const wanted = jobCondition(job, needed, variables, dependencies, context.canceled.aborted);
    const record = wanted ? await runJob(job, variables, context) : leaveOut(job, context);
    done.set(fold(job.name), record);
    if (record.result !== 'Skipped')
      context.record.result = mergeResults(context.record.result, record.result);
  }
}

function jobCondition(
  job: JobPlan,
  needed: JobRecord[],
  variables: JobVariable[],
  dependencies: ValueMap,
  canceled: boolean,
): boolean {
  const succeeded: TaskResult[] = ['Succeeded', 'SucceededWithIssues'];
  const functions = statusFunctions({
    failed: needed.some(({ result }) => !succeeded.includes(result)),
    canceled,
  });
  const values = {
    variables: Object.fromEntries(variables.map(({ name, value }) => [name, value])),
    dependencies,
  };
  try {
    return toBoolean(evaluate(job.condition ?? 'succeeded()', { values, functions }));
  } catch (error) {
    throw error instanceof ExpressionError ? new PipelineError(error.message, job.at) : error;
  }
}

/** What later jobs see of a job as `dependencies.<job>`. */
function outcomeOf(record: JobRecord): ValueMap {
  return { result: record.result, outputs: record.outputVariables };
}

function leaveOut(job: JobPlan, context: Run): JobRecord {
  const now = Date.now();
  const record: JobRecord = {
    name: job.name,
    displayName: job.displayName,
    result: context.canceled.aborted ? 'Canceled' : 'Skipped',
    startTime: now,
    finishTime: now,
    steps: [],
    outputVariables: {},
  };
  context.record.jobs.push(record);
  return record;
}

/** The server's last checks: every task exists, and every service connection that is named. */
function checkJob(
  job: JobPlan,
  variables: JobVariable[],
  { tasks, options, environment, folders }: Run,
): void {
  const variable = (name: string) =>
    variables.find((candidate) => fold(candidate.name) === fold(name))?.value;
  for (const step of job.steps) {
    if (step.kind !== 'task') continue;
    try {
      const { definition } = tasks.find(step.task);
      const sources = {
        definition,
        given: step.inputs,
        variable,
        environment,
        root: folders.sources,
        connections: options.serviceConnections ?? [],
      };
      const [problem] = connectionProblems(sources, step.name);
      if (problem) throw new Error(problem);
    } catch (error) {
      throw new PipelineError((error as Error).message, step.at);
    }
  }
}

function complete(given: AgentOptions): AgentOptions & { accessToken: string } {
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
