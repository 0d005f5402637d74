import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, taskNames } from '../../scripts/paths';

type Schema = Record<string, unknown>;

interface TaskJson {
  readonly name: string;
  readonly version: { readonly Major: number };
  readonly inputs: readonly TaskInput[];
}
interface TaskInput {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly type: string;
  readonly required?: boolean;
  readonly defaultValue?: string;
  readonly visibleRule?: string;
  readonly options?: Readonly<Record<string, string>>;
}

const TEXT: Schema = { type: 'string' };
const ANY: Schema = {};
const listOf = (items: Schema): Schema => ({ type: 'array', items });
const ref = (name: string): Schema => ({ $ref: `#/definitions/${name}` });
/** A mapping with these keys and no others. */
const mapping = (properties: Schema, more: Schema = {}): Schema => ({
  type: 'object',
  properties,
  additionalProperties: false,
  ...more,
});
/** A mapping that is told from others by the key that it begins with. */
const beginning = (key: string, properties: Schema, more: Schema = {}): Schema =>
  mapping({ [key]: TEXT, ...properties }, { firstProperty: [key], required: [key], ...more });
const texts = (...keys: string[]): Schema => Object.fromEntries(keys.map((key) => [key, TEXT]));
const TEXT_OR_TEXTS: Schema = { anyOf: [TEXT, listOf(TEXT)] };
const TEXTS_BY_NAME: Schema = { type: 'object', additionalProperties: TEXT };

const STEP: Schema = {
  ...texts('name', 'displayName', 'condition', 'continueOnError', 'enabled', 'timeoutInMinutes'),
  retryCountOnTaskFailure: TEXT,
  env: TEXTS_BY_NAME,
};
const SCRIPT: Schema = { ...STEP, ...texts('workingDirectory', 'failOnStderr') };
const TEMPLATE = beginning('template', { parameters: { type: 'object' } });
const JOB: Schema = {
  ...texts('displayName', 'condition', 'continueOnError', 'timeoutInMinutes', 'cancelTimeoutInMinutes'),
  dependsOn: TEXT_OR_TEXTS,
  variables: ref('variables'),
  pool: ref('pool'),
  workspace: mapping({ clean: TEXT }),
};
const FILTER: Schema = { anyOf: [listOf(TEXT), mapping({ include: listOf(TEXT), exclude: listOf(TEXT) })] };
const triggerWith = (own: Schema): Schema => ({
  anyOf: [
    { type: 'string', enum: ['none'] },
    listOf(TEXT),
    mapping({ branches: FILTER, paths: FILTER, ...own }),
  ],
});

/**
 * The schema of a pipeline's YAML in which the extension's tasks and `AzureCLI` are the only ones: keys as Microsoft's reference of
 * the YAML schema lists them, tasks by the rules by which the service makes them from each task.json.
 */
export function pipelineSchema(): Schema {
  const root: Schema = {
    ...texts('name', 'appendCommitMessageToRunName'),
    trigger: triggerWith({ batch: TEXT, tags: FILTER }),
    pr: triggerWith(texts('autoCancel', 'drafts')),
    schedules: listOf(beginning('cron', { ...texts('displayName', 'batch', 'always'), branches: FILTER })),
    parameters: listOf(
      beginning('name', { ...texts('displayName', 'type'), default: ANY, values: listOf(TEXT) }),
    ),
    resources: ANY,
    pool: ref('pool'),
    variables: ref('variables'),
    extends: mapping({ template: TEXT, parameters: { type: 'object' } }, { required: ['template'] }),
    stages: listOf(ref('stage')),
    jobs: listOf(ref('job')),
    steps: listOf(ref('step')),
  };
  return { ...mapping(root), definitions: definitions() };
}

function definitions(): Schema {
  const hook = mapping({ steps: listOf(ref('step')), pool: ref('pool') });
  const runOnce = mapping({
    preDeploy: hook,
    deploy: hook,
    routeTraffic: hook,
    postRouteTraffic: hook,
    on: mapping({ success: hook, failure: hook }),
  });
  return {
    pool: { anyOf: [TEXT, mapping({ ...texts('name', 'vmImage'), demands: TEXT_OR_TEXTS })] },
    variables: {
      anyOf: [
        TEXTS_BY_NAME,
        listOf({ anyOf: [beginning('name', texts('value', 'readonly')), beginning('group', {}), TEMPLATE] }),
      ],
    },
    stage: {
      anyOf: [
        beginning('stage', {
          ...texts('displayName', 'condition', 'lockBehavior'),
          dependsOn: TEXT_OR_TEXTS,
          variables: ref('variables'),
          pool: ref('pool'),
          jobs: listOf(ref('job')),
        }),
        TEMPLATE,
      ],
    },
    job: {
      anyOf: [
        beginning('job', {
          ...JOB,
          strategy: mapping({ matrix: ANY, parallel: TEXT, maxParallel: TEXT }),
          steps: listOf(ref('step')),
        }),
        beginning('deployment', { ...JOB, environment: ANY, strategy: mapping({ runOnce }) }),
        TEMPLATE,
      ],
    },
    step: {
      anyOf: [
        ...taskNames.map(taskStep),
        azureCli(),
        beginning('script', SCRIPT),
        beginning('bash', SCRIPT),
        beginning('pwsh', { ...SCRIPT, ...texts('errorActionPreference', 'ignoreLASTEXITCODE') }),
        beginning('checkout', {
          ...STEP,
          ...texts('clean', 'fetchDepth', 'fetchTags', 'lfs', 'path', 'submodules', 'persistCredentials'),
        }),
        beginning('publish', { ...STEP, artifact: TEXT }),
        beginning('download', { ...STEP, ...texts('artifact', 'patterns') }),
        TEMPLATE,
      ],
    },
  };
}

/** The one task of Microsoft's own that is used, with the inputs that its reference requires. */
function azureCli(): Schema {
  const required = ['azureSubscription', 'scriptType', 'scriptLocation'];
  const inputs = mapping(
    {
      ...texts('azureSubscription', 'inlineScript', 'scriptPath', 'arguments', 'workingDirectory'),
      scriptType: { type: 'string', enum: ['ps', 'pscore', 'batch', 'bash'] },
      scriptLocation: { type: 'string', enum: ['inlineScript', 'scriptPath'] },
    },
    { required },
  );
  const task = { type: 'string', enum: ['AzureCLI@2'], ignoreCase: 'value' };
  return mapping({ ...STEP, task, inputs }, { firstProperty: ['task'], required: ['task', 'inputs'] });
}

/** A step with one of the extension's tasks. */
function taskStep(name: string): Schema {
  const json = readFileSync(join(root, 'tasks', name, 'task.json'), 'utf8');
  const task: TaskJson = JSON.parse(json);
  const inputs = Object.fromEntries(task.inputs.map((input) => [yamlName(input), inputSchema(input)]));
  const required = task.inputs.filter(isRequired).map(yamlName);
  const reference = { type: 'string', enum: [`${task.name}@${task.version.Major}`], ignoreCase: 'value' };
  return mapping(
    { ...STEP, task: reference, inputs: mapping(inputs, { required }) },
    { firstProperty: ['task'], required: required.length > 0 ? ['task', 'inputs'] : ['task'] },
  );
}

/** YAML calls an input by its first alias. */
function yamlName({ name, aliases = [] }: TaskInput): string {
  return aliases[0] ?? name;
}

/** What is needed under a condition only cannot be required by a schema. */
function isRequired({ required, defaultValue, visibleRule }: TaskInput): boolean {
  return required === true && !defaultValue && visibleRule === undefined;
}

function inputSchema({ type, options }: TaskInput): Schema {
  if (type === 'boolean') return { type: 'boolean' };
  if (type === 'int') return { type: 'integer' };
  if ((type === 'pickList' || type === 'radio') && options) {
    return { type: 'string', enum: Object.keys(options), ignoreCase: 'value' };
  }
  return TEXT;
}
