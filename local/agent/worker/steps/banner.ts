import type { StepContext } from '../context/step-context';
import { type TaskDefinition, versionText } from '../tasks/task-definition';

const RULE = '='.repeat(78);

/** What a task says of itself in task.json; the agent does not mask it. */
export function printBanner(context: StepContext, definition: TaskDefinition): void {
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
