import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readSchema, schemaFaults } from './json-schema';
import { taskNames } from './paths';

interface TaskInput {
  name: string;
  type: string;
  label?: string;
  helpMarkDown?: string;
  groupName?: string;
  defaultValue?: string;
  visibleRule?: string;
  options?: Record<string, string>;
}

interface TaskManifest {
  name: string;
  groups: { name: string }[];
  inputs: TaskInput[];
  dataSourceBindings?: { target: string; endpointId: string; dataSourceName: string }[];
  outputVariables: { name: string; description: string }[];
  execution: Record<string, { target: string }>;
  postjobexecution?: Record<string, { target: string }>;
  restrictions: { settableVariables: { allowed: string[] } };
}

/** tfx's own check of a task.json. It throws; `tfx extension create` only warns of the same, and exits with 0. */
const { validate: validateWithTfx } = createRequire(import.meta.url)(
  'tfx-cli/_build/lib/jsonvalidate.js',
) as {
  validate(file: string): TaskManifest;
};

/**
 * Checks the laid-out extension for what the Marketplace, an agent or the visual designer would refuse, and for what
 * would leave a person in the designer without help.
 *
 * @param folder where it is laid out
 * @returns one line a fault; none when all is well
 */
export function validateExtension(folder: string): string[] {
  const manifest = JSON.parse(readFileSync(join(folder, 'vss-extension.json'), 'utf8'));
  const endpointTypes = (manifest.contributions as EndpointType[]).filter(
    ({ type }) => type === 'ms.vss-endpoint.service-endpoint-type',
  );
  return [
    ...schemaFaults(manifest, readSchema('extension')).map((fault) => `vss-extension.json: ${fault}`),
    ...taskNames.flatMap((name) =>
      validateTask(join(folder, 'tasks', name), endpointTypes).map((fault) => `${name}: ${fault}`),
    ),
    ...validateIcon(join(folder, 'images', 'extension-icon.png'), 128),
  ];
}

function validateTask(folder: string, endpointTypes: readonly EndpointType[]): string[] {
  let task: TaskManifest;
  try {
    task = validateWithTfx(join(folder, 'task.json'));
  } catch (error) {
    return [(error as Error).message];
  }
  return [
    ...schemaFaults(JSON.parse(readFileSync(join(folder, 'task.json'), 'utf8')), readSchema('task')),
    ...task.inputs.flatMap((input) =>
      validateInput(input, task).map((fault) => `input ${input.name}: ${fault}`),
    ),
    ...validateDataSources(task, endpointTypes),
    ...validateOutputs(task),
    ...validateIcon(join(folder, 'icon.png'), 32),
    ...[...Object.values(task.execution), ...Object.values(task.postjobexecution ?? {})]
      .filter(({ target }) => !existsSync(join(folder, target)))
      .map(({ target }) => `${target} is missing`),
  ];
}

function validateInput(input: TaskInput, task: TaskManifest): string[] {
  const faults: string[] = [];
  if (!input.label) faults.push('has no label');
  if (!input.helpMarkDown) faults.push('has no help');
  if (!task.groups.some(({ name }) => name === input.groupName))
    faults.push(`has no group '${input.groupName}'`);
  if (input.options && input.defaultValue && !(input.defaultValue in input.options)) {
    faults.push('has a default that is not one of its options');
  }
  for (const operand of visibleRuleOperands(input.visibleRule)) {
    const other = task.inputs.find(({ name }) => name === operand);
    if (!other) faults.push(`is shown by the rule of an input '${operand}' that is not there`);
    // Azure DevOps Server refuses the task otherwise (azure-pipelines-task-lib issue 1109).
    else if (other.groupName !== input.groupName)
      faults.push(`must be in the group of '${operand}', whose rule shows it`);
  }
  return faults;
}

function visibleRuleOperands(rule: string | undefined): string[] {
  if (!rule) return [];
  return rule.split(/\s+(?:&&|\|\|)\s+/).map((condition) => condition.split(/\s+/)[0]!);
}

interface EndpointType {
  type: string;
  properties: { name: string; dataSources?: { name: string }[] };
}

/** What fills a pick list comes from a connection that another input names, by a data source of its type. */
function validateDataSources(
  { inputs, dataSourceBindings = [] }: TaskManifest,
  endpointTypes: readonly EndpointType[],
): string[] {
  return dataSourceBindings.flatMap(({ target, endpointId, dataSourceName }) => {
    const faults: string[] = [];
    if (!inputs.some(({ name }) => name === target))
      faults.push(`a data source fills '${target}', which is no input`);
    const connection = inputs.find(({ name }) => `$(${name})` === endpointId);
    const endpointType = endpointTypes.find(
      ({ properties }) => connection?.type === `connectedService:${properties.name}`,
    );
    if (!endpointType?.properties.dataSources?.some(({ name }) => name === dataSourceName)) {
      faults.push(
        `the extension has no data source '${dataSourceName}' for the connections of ${endpointId}`,
      );
    }
    return faults;
  });
}

function validateOutputs(task: TaskManifest): string[] {
  const described = task.outputVariables.filter(({ description }) => description).map(({ name }) => name);
  const allowed = task.restrictions.settableVariables.allowed;
  return [
    ...described.filter((name) => !allowed.includes(name)).map((name) => `output ${name} may not be set`),
    ...allowed
      // `name.*` allows outputs whose names only a run tells; they are described with the output that they belong to.
      .filter((pattern) => !described.includes(pattern.replace(/\.\*$/, '')))
      .map((name) => `output ${name} is not described`),
  ];
}

function validateIcon(file: string, side: number): string[] {
  if (!existsSync(file)) return [`${file} is missing`];
  const png = readFileSync(file);
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  return width === side && height === side
    ? []
    : [`${file} is ${width}×${height}, but must be ${side}×${side}`];
}
