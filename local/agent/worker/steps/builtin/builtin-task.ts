import type { StepContext } from '../../context/step-context';
import type { TaskDefinition, TaskInput } from '../../tasks/task-definition';

/** A task of Azure Pipelines itself, without which hardly any pipeline gets along. */
export interface BuiltinTask {
  /** The inputs that are carried out; a step with any other is refused. */
  readonly definition: TaskDefinition;
  /** The input that has it run before all other steps. */
  readonly runsEarlyWhen?: string;
  /** @returns what is wrong with the inputs, before anything runs; values may hold macros */
  readonly check?: (given: ReadonlyMap<string, string>, machine: Machine) => string[];
  /** @throws with the reason when the step fails */
  readonly run: (context: StepContext, inputs: ReadonlyMap<string, string>, call: Call) => Promise<void>;
}

/** What is there on this machine. */
export interface Machine {
  readonly hasPowerShell: boolean;
  /** Names of the key vaults whose secrets are known. */
  readonly keyVaults: readonly string[];
}

/** What a step brings along besides its inputs. */
export interface Call {
  readonly env: Record<string, string>;
  readonly signal: AbortSignal;
}

/** The definition of a built-in task, as its task.json would say it. */
export function builtinDefinition(
  name: string,
  major: number,
  friendlyName: string,
  inputs: readonly TaskInput[],
): TaskDefinition {
  return {
    id: '',
    name,
    friendlyName,
    description: 'Carried out by the local agent itself',
    author: 'local agent',
    version: { Major: major, Minor: 0, Patch: 0 },
    inputs: [...inputs],
    outputVariables: [],
  };
}

export function isTrue(text: string | undefined): boolean {
  return text?.trim().toLowerCase() === 'true';
}
