import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { taskEnvironment } from './environment';
import { nameBasedId } from './ids';
import { referencedConnections, resolveInputs } from './inputs';
import type { JobContext } from './job-context';
import { expandMacros } from './macros';
import { chooseHandler, chooseNodeFolder, type Handler, nodeBinary, nodeVersion } from './nodes';
import { processCommand } from './process-command';
import type { StepContext } from './step-context';
import { runStepProcess } from './step-process';
import { ExitCodeError, type JobStep, type NamedStep } from './steps';
import { type TaskDefinition, versionText } from './task-definition';

type TaskStep = Extract<JobStep, { kind: 'task' }>;

/** Runs one part of a task: its own Node process with inputs, variables and connections in the environment. */
export async function runTask(step: TaskStep, context: StepContext, signal: AbortSignal): Promise<void> {
  const { job, record } = context;
  await withStepVariables(job, { name: step.plan.name, displayName: step.displayName }, async () => {
    const { definition, folder } = job.tasks.find(step.plan.task);
    printBanner(context, definition);
    const handler = chooseHandler(definition[step.stage] ?? {});
    if (!handler) {
      throw new Error(
        'A supported task execution handler was not found. This task cannot run on this operating system; it may be written for Windows only.',
      );
    }
    const inputs = resolveInputs(inputSources(job, definition, step.plan.inputs));
    context.outputNames = new Set(definition.outputVariables.map(({ name }) => name.toLowerCase()));
    context.restrictions = definition.restrictions;

    const target = join(folder, handler.target);
    if (!existsSync(target)) throw new Error(`File not found: '${target}'`);
    const node = nodeBinary(
      job.folders.externals,
      chooseNodeFolder(handler.name, (name) => context.isOn(name)),
    );
    const version = nodeVersion(node);
    if (version) record.nodeVersion = version;
    context.debug(`Using node path: ${node}`);

    const exitCode = await runStepProcess(context, {
      file: node,
      args: [target],
      cwd: workingFolder(handler, inputs, folder, job),
      env: taskEnvironment({
        ...environmentSources(context, step.plan.env),
        inputs,
        connections: referencedConnections(definition, inputs, job.connections),
        taskVariables: context.taskVariables.all(),
      }),
      onLine: (line) => {
        if (!processCommand(context, line)) context.output(line);
      },
      signal,
    });
    if (exitCode !== 0) throw new ExitCodeError(exitCode, node, [target]);
  });
}

/** What the inputs of a task are made from. */
export function inputSources(job: JobContext, definition: TaskDefinition, given: Record<string, string>) {
  const on = (name: string) => /^(1|\$?true)$/i.test(job.variables.get(name) ?? job.environment[name] ?? '');
  return {
    definition,
    given,
    variable: (name: string) => job.variables.get(name),
    environment: job.environment,
    root: job.folders.sources,
    connections: job.connections,
    keepSpaces: on('DISABLE_INPUT_TRIMMING'),
    trimVariables: on('AGENT_ENABLE_VARIABLE_INPUT_TRIMMING'),
  };
}

/** The parts of the environment that tasks and scripts have in common. */
export function environmentSources({ job }: StepContext, env: Record<string, string>) {
  const { variables, environment } = job;
  const step = Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      name.trim(),
      expandMacros(variables.expand(value.trim()), (key) => environment[key]),
    ]),
  );
  return {
    agent: environment,
    step,
    variables: variables.all(),
    prependedPaths: job.prependedPaths,
    system: {
      url: variables.get('System.CollectionUri') ?? '',
      accessToken: variables.get('System.AccessToken') ?? '',
    },
  };
}

/** Variables that tell a step about itself, only while it runs. */
export async function withStepVariables(
  job: JobContext,
  step: NamedStep,
  action: () => Promise<void>,
): Promise<void> {
  const own: Record<string, string> = {
    'task.displayname': step.displayName,
    'system.taskInstanceId': taskInstanceId(job, step.name),
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

/** The same in every run, as the server's ids of steps are: they are made from names. */
function taskInstanceId(job: JobContext, name: string): string {
  return nameBasedId(`${job.record.name}.${name}`);
}

function workingFolder(
  handler: Handler,
  inputs: Map<string, string>,
  taskFolder: string,
  job: JobContext,
): string {
  if (!handler.workingDirectory)
    return job.variables.get('System.DefaultWorkingDirectory') ?? job.folders.work;
  const own = (name: string) => (name.toLowerCase() === 'currentdirectory' ? taskFolder : inputs.get(name));
  return job.variables.expand(expandMacros(handler.workingDirectory, own));
}

const rule = '='.repeat(78);

/** What a task says of itself in task.json; the agent does not mask it. */
function printBanner(context: StepContext, definition: TaskDefinition): void {
  const help = definition.helpUrl ?? definition.helpMarkDown ?? '';
  for (const line of [
    rule,
    `Task         : ${definition.friendlyName}`,
    `Description  : ${definition.description}`,
    `Version      : ${versionText(definition)}`,
    `Author       : ${definition.author}`,
    `Help         : ${help}`,
    rule,
  ]) {
    context.writeUnmasked(line);
  }
}
