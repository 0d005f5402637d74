import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { processCommand } from '../commands/process-command';
import { taskEnvironment } from '../context/environment';
import { isOn, type JobContext } from '../context/job-context';
import { expandMacros } from '../context/macros';
import type { StepContext } from '../context/step-context';
import { ExitCodeError } from '../context/step-errors';
import { chooseHandler, chooseNodeFolder, type Handler, nodeBinary, nodeVersion } from '../tasks/nodes';
import { type TaskDefinition, versionText } from '../tasks/task-definition';
import { type InputSources, referencedConnections, resolveInputs } from './inputs';
import { commonEnvironment, withStepVariables } from './step-environment';
import { runStepProcess } from './step-process';
import type { TaskStep } from './steps';

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
        ...commonEnvironment(job, step.plan.env),
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

function inputSources(
  job: JobContext,
  definition: TaskDefinition,
  given: Record<string, string>,
): InputSources {
  return {
    definition,
    given,
    variable: (name) => job.variables.get(name),
    environment: job.environment,
    root: job.folders.sources,
    connections: job.connections,
    keepSpaces: isOn(job, 'DISABLE_INPUT_TRIMMING'),
    trimVariables: isOn(job, 'AGENT_ENABLE_VARIABLE_INPUT_TRIMMING'),
  };
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

const RULE = '='.repeat(78);

/** What a task says of itself in task.json; the agent does not mask it. */
function printBanner(context: StepContext, definition: TaskDefinition): void {
  const help = definition.helpUrl ?? definition.helpMarkDown ?? '';
  for (const line of [
    RULE,
    `Task         : ${definition.friendlyName}`,
    `Description  : ${definition.description}`,
    `Version      : ${versionText(definition)}`,
    `Author       : ${definition.author}`,
    `Help         : ${help}`,
    RULE,
  ]) {
    context.writeUnmasked(line);
  }
}
