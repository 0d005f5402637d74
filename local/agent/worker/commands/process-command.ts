import type { StepContext } from '../context/step-context';
import { ARTIFACT_COMMANDS, BUILD_COMMANDS } from './build-commands';
import { allowed, type CommandHandler, type CommandHandlers, unrestricted } from './command-handler';
import { COMMAND_KEYWORD, parseCommand, unescapeCommand } from './commands';
import { TASK_COMMANDS } from './task-commands';

/**
 * Carries out the logging command in a line of a step's output.
 * @returns whether the line was one; if not, it is to be printed
 */
export function processCommand(context: StepContext, line: string): boolean {
  if (!line.includes(COMMAND_KEYWORD)) return false;
  const decodePercents = context.isOn('DECODE_PERCENTS', true);
  const command = parseCommand(line, decodePercents);
  if (!command) {
    context.warning(
      `'${line}' contains logging command keyword '${COMMAND_KEYWORD}', but it's not a legal command.`,
    );
    return false;
  }
  const [area, event] = [command.area.toLowerCase(), command.event.toLowerCase()];
  const handlers = AREAS[area];
  if (!handlers) {
    context.warning(`Cannot find command extension for ##vso[${command.area}.command].`);
    return true;
  }
  try {
    const handler = handlers[event];
    if (!handler) throw new Error(`There is no command ##vso[${area}.${command.event}].`);
    if (context.isRestricted && !handler.restricted) {
      context.warning(
        `##vso[${command.area}.${command.event}] is not allowed in this step due to policy restrictions.`,
      );
    } else {
      handler.run(context, command);
    }
  } catch (error) {
    context.error(`Unable to process command '${line}' successfully.`);
    context.error((error as Error).message);
    context.commandResult = 'Failed';
  }
  if (area !== 'task' || event !== 'debug')
    context.debug(`Processed: ${unescapeCommand(line, decodePercents)}`);
  return true;
}

/** Areas of the agent; those that need a server's services are known here so that using them is an error. */
const AREAS: Record<string, CommandHandlers> = {
  task: TASK_COMMANDS,
  build: BUILD_COMMANDS,
  artifact: { ...ARTIFACT_COMMANDS, associate: notHere('artifact.associate') },
  telemetry: { publish: allowed(() => {}) },
  results: { publish: notHere('results.publish') },
  codecoverage: { publish: notHere('codecoverage.publish'), enable: notHere('codecoverage.enable') },
  release: { updatereleasename: notHere('release.updatereleasename') },
};

function notHere(name: string): CommandHandler {
  return unrestricted(() => {
    throw new Error(`The local agent has nothing that could carry out ##vso[${name}].`);
  });
}
