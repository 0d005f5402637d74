import type { StepContext } from '../context/step-context';
import type { Command } from './commands';

/** Carries out one kind of logging command; what it throws fails the step. */
export interface CommandHandler {
  /** Works in steps whose task.json restricts commands, too. */
  readonly restricted: boolean;
  readonly run: (context: StepContext, command: Command) => void;
}

/** Handlers of one area by their lower-case names. */
export type CommandHandlers = Record<string, CommandHandler>;

/** A command that restricted steps may use, too. */
export function allowed(run: CommandHandler['run']): CommandHandler {
  return { restricted: true, run };
}

/** A command that only steps without restrictions may use. */
export function unrestricted(run: CommandHandler['run']): CommandHandler {
  return { restricted: false, run };
}

/** @throws when the command lacks a property that it needs */
export function required({ area, event, properties }: Command, property: string): string {
  const value = properties.get(property);
  if (!value) throw new Error(`##vso[${area}.${event}] needs the property '${property}'.`);
  return value;
}

/** @throws when there is nothing after the command's bracket */
export function requiredData({ area, event, data }: Command, what: string): string {
  if (data.trim() === '') throw new Error(`##vso[${area}.${event}] needs ${what} after its bracket.`);
  return data;
}
