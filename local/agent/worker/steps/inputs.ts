import { isAbsolute, join, resolve } from 'node:path';
import type { ServiceConnection } from '../../types';
import { isOn, type JobContext } from '../context/job-context';
import { expandMacros } from '../context/macros';
import type { TaskDefinition, TaskInput } from '../tasks/task-definition';

const CONNECTION_TYPE = 'connectedservice:';

export interface InputSources {
  readonly definition: TaskDefinition;
  /** Inputs as the YAML gives them. */
  readonly given: Record<string, string>;
  /** The job's variables. */
  readonly variable: (name: string) => string | undefined;
  readonly environment: NodeJS.ProcessEnv;
  /** What relative paths of `filePath` inputs start from: the repository. */
  readonly root: string;
  readonly connections: ServiceConnection[];
  /** DISABLE_INPUT_TRIMMING */
  readonly keepSpaces?: boolean;
  /** AGENT_ENABLE_VARIABLE_INPUT_TRIMMING */
  readonly trimVariables?: boolean;
}

/**
 * The inputs of a step in the form the task gets them, by the names of task.json: defaults, then what the YAML gives;
 * trimmed before `$(name)` is replaced, so that what comes from a variable keeps its spaces; paths made absolute, an
 * empty one becoming the repository itself; connections named by their ids.
 */
export function resolveInputs(sources: InputSources): Map<string, string> {
  const { definition, environment } = sources;
  const trim = (text: string) => (sources.keepSpaces ? text : text.trim());
  const inputs = new Map<string, string>();
  for (const input of definition.inputs) inputs.set(input.name, trim(String(input.defaultValue ?? '')));
  for (const [name, value] of Object.entries(sources.given))
    inputs.set(declaredName(definition, name), trim(value));

  for (const [name, value] of inputs) {
    const expanded = expandMacros(value, sources.variable);
    const trimmed = sources.trimVariables && expanded !== value ? expanded.trim() : expanded;
    inputs.set(
      name,
      expandMacros(trimmed, (key) => environment[key]),
    );
  }
  for (const input of definition.inputs) {
    const value = inputs.get(input.name)!;
    if (input.type?.toLowerCase() === 'filepath') inputs.set(input.name, absolute(value, sources.root));
    if (isConnection(input)) inputs.set(input.name, connectionIds(value, sources.connections));
  }
  return inputs;
}

/** What the inputs of a step are made of in a job. */
export function inputSources(
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

/** The connections that a task's inputs refer to. */
export function referencedConnections(
  definition: TaskDefinition,
  inputs: Map<string, string>,
  connections: ServiceConnection[],
): ServiceConnection[] {
  const ids = definition.inputs.filter(isConnection).flatMap((input) => split(inputs.get(input.name) ?? ''));
  return connections.filter((connection) => ids.includes(connection.id.toLowerCase()));
}

/**
 * What the server refuses before a run starts: connections that do not exist or are of another type than the input.
 * Values with a `$(name)` that is not known yet are left to the task.
 * @returns messages
 */
export function connectionProblems(sources: InputSources, stepName: string): string[] {
  const inputs = resolveInputs({ ...sources, connections: [] });
  return sources.definition.inputs.filter(isConnection).flatMap((input) => {
    const wanted = input.type!.slice(CONNECTION_TYPE.length).split(':')[0]!.toLowerCase();
    return split(inputs.get(input.name)!, false).flatMap((reference) => {
      if (reference.includes('$(')) return [];
      const found = findConnection(reference, sources.connections);
      const subject = `The input '${input.name}' of step ${stepName}`;
      if (!found) return [`${subject} names the service connection '${reference}', which does not exist.`];
      if (found.type.toLowerCase() === wanted) return [];
      return [
        `${subject} needs a service connection of type ${wanted}, but '${found.name}' is of type ${found.type}.`,
      ];
    });
  });
}

/** An alias becomes the name in task.json; names that task.json does not declare stay as they are. */
export function declaredName(definition: TaskDefinition, given: string): string {
  const wanted = given.trim().toLowerCase();
  const found = definition.inputs.find((input) =>
    [input.name, ...(input.aliases ?? [])].some((name) => name.toLowerCase() === wanted),
  );
  return found?.name ?? given.trim();
}

function absolute(path: string, root: string): string {
  const whole = isAbsolute(path) ? resolve(path) : resolve(join(root, path));
  return path.endsWith('/') && whole !== '/' ? `${whole}/` : whole;
}

function isConnection(input: TaskInput): boolean {
  return input.type?.toLowerCase().startsWith(CONNECTION_TYPE) ?? false;
}

function connectionIds(value: string, connections: ServiceConnection[]): string {
  if (value === '') return value;
  return split(value, false)
    .map((reference) => findConnection(reference, connections)?.id.toLowerCase() ?? reference)
    .join(',');
}

function findConnection(reference: string, connections: ServiceConnection[]): ServiceConnection | undefined {
  const folded = reference.toLowerCase();
  return connections.find(({ id, name }) => id.toLowerCase() === folded || name.toLowerCase() === folded);
}

function split(value: string, lowerCase = true): string[] {
  const parts = value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return lowerCase ? parts.map((part) => part.toLowerCase()) : parts;
}
