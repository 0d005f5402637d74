import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { readRule } from './designer/visible-rules';
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
  properties?: Record<string, unknown>;
}

interface TaskManifest {
  name: string;
  friendlyName: string;
  helpUrl?: string;
  helpMarkDown: string;
  groups: { name: string; visibleRule?: string }[];
  inputs: TaskInput[];
  dataSourceBindings?: {
    target: string;
    endpointId: string;
    dataSourceName?: string;
    parameters?: Record<string, string>;
  }[];
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
    ...validateHelp(task),
    ...validateGroups(task),
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
  if (input.options && input.type === 'pickList') {
    for (const text of Object.values(input.options)) {
      if (text.split(' ').length > MOST_WORDS)
        faults.push(`has the option '${text}' of more than three words`);
    }
  }
  for (const operand of operandsOf(input.visibleRule, faults)) {
    const other = task.inputs.find(({ name }) => name === operand);
    if (!other) faults.push(`is shown by the rule of an input '${operand}' that is not there`);
    // Azure DevOps Server refuses the task otherwise (azure-pipelines-task-lib issue 1109).
    else if (other.groupName !== input.groupName)
      faults.push(`must be in the group of '${operand}', whose rule shows it`);
  }
  return faults;
}

/** Options stand side by side or in a narrow list. */
const MOST_WORDS = 3;

function validateHelp({ helpUrl, helpMarkDown }: TaskManifest): string[] {
  if (!helpUrl) return ['has no helpUrl'];
  return helpMarkDown.endsWith(`[Learn more about this task](${helpUrl})`)
    ? []
    : ['its help does not end in a link to its helpUrl'];
}

/** The rule of a whole group may name inputs of others, as those of Microsoft's own tasks do. */
function validateGroups({ groups, inputs }: TaskManifest): string[] {
  return groups.flatMap(({ name, visibleRule }) => {
    const faults: string[] = [];
    for (const operand of operandsOf(visibleRule, faults)) {
      if (!inputs.some((input) => input.name === operand))
        faults.push(`is shown by the rule of an input '${operand}' that is not there`);
    }
    if (!inputs.some(({ groupName }) => groupName === name)) faults.push('has no inputs');
    return faults.map((fault) => `group ${name}: ${fault}`);
  });
}

function operandsOf(rule: string | undefined, faults: string[]): string[] {
  if (!rule) return [];
  try {
    return readRule(rule).comparisons.map(({ input }) => input);
  } catch (error) {
    faults.push((error as Error).message);
    return [];
  }
}

interface EndpointType {
  type: string;
  properties: { name: string; dataSources?: { name: string }[] };
}

/** Lists of the types that Azure DevOps itself brings, of which no file of this project tells. */
const BUILT_IN_LISTS: Readonly<Record<string, readonly string[]>> = {
  AzureRM: [
    'AzureRMContainerRegistries',
    'AzureContainerRegistryRepositories',
    'AzureStorageAccountRM',
    'AzureStorageContainer',
  ],
};

/** What fills a pick list comes from a connection that another input names, by a data source of its type. */
function validateDataSources(
  { inputs, dataSourceBindings = [] }: TaskManifest,
  endpointTypes: readonly EndpointType[],
): string[] {
  return dataSourceBindings.flatMap(({ target, endpointId, dataSourceName, parameters = {} }) => {
    const faults: string[] = [];
    const input = inputs.find(({ name }) => name === target);
    if (!input) faults.push(`a data source fills '${target}', which is no input`);
    else if (input.type !== 'pickList' || input.properties?.EditableOptions !== 'True')
      faults.push(`a data source fills '${target}', in which nothing else can be typed`);
    for (const value of Object.values(parameters)) {
      const [, name] = /^\$\((\w+)\)$/.exec(value) ?? [];
      if (name && !inputs.some((other) => other.name === name))
        faults.push(`the list of '${target}' asks for '${name}', which is no input`);
    }
    const connection = inputs.find(({ name }) => `$(${name})` === endpointId);
    const [kind, type = ''] = connection?.type.split(':') ?? [];
    if (kind !== 'connectedService') faults.push(`${endpointId} is no input for a service connection`);
    if (dataSourceName === undefined) return faults;
    const own = endpointTypes.find(({ properties }) => properties.name === type)?.properties.dataSources;
    const names = own?.map(({ name }) => name) ?? BUILT_IN_LISTS[type] ?? [];
    if (!names.includes(dataSourceName)) {
      faults.push(`connections of ${endpointId} have no data source '${dataSourceName}'`);
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
