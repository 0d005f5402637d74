import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { processCommand } from '../commands/process-command';
import { taskEnvironment } from '../context/environment';
import type { JobContext } from '../context/job-context';
import { expandMacros } from '../context/macros';
import type { StepContext } from '../context/step-context';
import { ExitCodeError } from '../context/step-errors';
import { chooseHandler, chooseNodeFolder, type Handler, nodeBinary, nodeVersion } from '../tasks/nodes';
import { printBanner } from './banner';
import { inputSources, referencedConnections, resolveInputs } from './inputs';
import { commonEnvironment, withStepVariables } from './step-environment';
import { runStepProcess } from './step-process';
import type { TaskStep } from './steps';

/** Runs one part of a task: its own Node process with inputs, variables and connections in the environment. */
export async function runTask(step: TaskStep, context: StepContext, signal: AbortSignal): Promise<void> {
  const { job, record } = context;
  await withStepVariables(job, { name: step.plan.name, displayName: step.displayName }, async () => {
    const { definition, folder } = step;
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
