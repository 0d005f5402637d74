import { checkName } from './names';
import type { StepPlan, StepRestrictions } from './plan';
import { checkCondition } from './slots';
import { expand, itemsOf, type ScopedNode } from './template';
import { givenParameters, otherRepository, type Reading, readTemplate } from './templates';
import { fold } from './values';
import {
  asBoolean,
  asMapping,
  asText,
  asTexts,
  childOf,
  flagAt,
  numberAt,
  PipelineError,
  type Position,
  refuseOtherKeys,
  textAt,
  type YamlMapping,
  type YamlNode,
} from './yaml';

const COMMON_KEYS = [
  'name',
  'displayName',
  'condition',
  'continueOnError',
  'enabled',
  'env',
  'timeoutInMinutes',
  'retryCountOnTaskFailure',
  'target',
];
const POWERSHELL_KEYS = ['workingDirectory', 'failOnStderr', 'errorActionPreference', 'ignoreLASTEXITCODE'];
const KEYS_OF: Readonly<Record<string, readonly string[]>> = {
  task: ['inputs'],
  script: ['workingDirectory', 'failOnStderr'],
  bash: ['workingDirectory', 'failOnStderr'],
  pwsh: POWERSHELL_KEYS,
  powershell: POWERSHELL_KEYS,
  checkout: ['clean', 'fetchDepth', 'fetchFilter', 'fetchTags', 'lfs', 'persistCredentials', 'submodules'],
  publish: ['artifact'],
  download: ['artifact', 'patterns'],
  template: ['parameters'],
};
/** The task behind each keyword, from which steps without a name of their own are called. */
const TASK_OF: Readonly<Record<string, string>> = {
  script: 'CmdLine',
  bash: 'Bash',
  pwsh: 'PowerShell',
  powershell: 'PowerShell',
  publish: 'PublishPipelineArtifact',
  download: 'DownloadPipelineArtifact',
};

/** A step before it has its final name: `name` is empty when the YAML gives none. */
type UnnamedStep = StepPlan & { readonly taskName: string };
/** Says that something is not to be done that a job does of itself. */
type Refusal = 'checkout: none' | 'download: none';

/**
 * Reads `steps:`, following templates. Steps that are not enabled are left out, as the server does.
 * @param first what happens first unless a step says otherwise: the sources are checked out, or what the run has
 *   published so far is downloaded
 */
export function readSteps(
  node: ScopedNode,
  reading: Reading,
  first: 'sources' | 'artifacts' | 'nothing',
): StepPlan[] {
  const steps = flatten(node, reading);
  const has = (kind: string, taskName: string) =>
    steps.some((step) =>
      typeof step === 'string' ? step.startsWith(kind) : step.kind === kind || step.taskName === taskName,
    );
  const kept = steps.filter((step) => typeof step !== 'string');
  if (first === 'sources' && !has('checkout', '')) kept.unshift(checkoutStep(node.node.at));
  if (first === 'artifacts' && !has('download', DOWNLOAD)) kept.unshift(downloadStep(node.node.at));
  return giveNames(kept);
}

function flatten(node: ScopedNode, reading: Reading): (UnnamedStep | Refusal)[] {
  if (node.node.kind === 'scalar' && node.node.text === '') return [];
  return itemsOf(node.node, node.scope).flatMap(
    (item) => reading.problems.attempt(() => flattenItem(item, reading)) ?? [],
  );
}

function flattenItem(item: ScopedNode, reading: Reading): (UnnamedStep | Refusal)[] {
  const step = asMapping(expand(item.node, item.scope), 'A step');
  const [first] = step.entries;
  if (!first) throw new PipelineError('A step must not be empty.', step.at);
  const keyword = first.key.text;
  const own = KEYS_OF[keyword];
  if (!own) {
    throw new PipelineError(
      `A step cannot begin with '${keyword}' in the local agent. It knows: ${Object.keys(KEYS_OF).join(', ')}.`,
      first.key.at,
    );
  }
  refuseOtherKeys(
    step.entries.map((entry) => entry.key),
    keyword === 'template' ? [keyword, ...own] : [keyword, ...own, ...COMMON_KEYS],
    `a '${keyword}' step`,
  );
  if (keyword === 'template') {
    const parameters = givenParameters(childOf(step, 'parameters'));
    return flatten(readTemplate(reading, 'steps', first.value, parameters, item.scope), reading);
  }
  const enabled = childOf(step, 'enabled');
  if (enabled && !asBoolean(enabled, "'enabled'")) return [];
  return [readStep(keyword, first.value, step, reading)];
}

function readStep(
  keyword: string,
  value: YamlNode,
  step: YamlMapping,
  reading: Reading,
): UnnamedStep | Refusal {
  if (keyword === 'task') return readTask(value, step);
  if (keyword === 'checkout') return readCheckout(value, step, reading);
  if (keyword === 'publish') return readPublish(value, step);
  if (keyword === 'download') return readDownload(value, step);
  const isPowerShell = keyword === 'pwsh' || keyword === 'powershell';
  if (isPowerShell && !reading.hasPowerShell) {
    throw new PipelineError(`'${keyword}' needs PowerShell (pwsh), which is not on this machine.`, step.at);
  }
  return {
    ...readCommon(step, TASK_OF[keyword]!),
    kind: 'script',
    shell: isPowerShell ? 'pwsh' : 'bash',
    script: asText(value, `'${keyword}'`),
    workingDirectory: textAt(step, 'workingDirectory'),
    failOnStderr: flagAt(step, 'failOnStderr'),
    ...(isPowerShell && {
      errorActionPreference: textAt(step, 'errorActionPreference') || 'stop',
      ignoreLastExitCode: flagAt(step, 'ignoreLASTEXITCODE'),
    }),
  };
}

function readPublish(value: YamlNode, step: YamlMapping): UnnamedStep {
  const inputs = { path: asText(value, "'publish'"), artifact: textAt(step, 'artifact') };
  return { ...readCommon(step, TASK_OF.publish!), kind: 'task', task: 'PublishPipelineArtifact@1', inputs };
}

const DOWNLOAD = TASK_OF.download!;

function readDownload(value: YamlNode, step: YamlMapping): UnnamedStep | Refusal {
  const source = asText(value, "'download'");
  if (source === 'none') return 'download: none';
  if (source !== 'current') {
    throw new PipelineError(
      `The local agent can download what this run has published ('current'), not what '${source}' has.`,
      value.at,
    );
  }
  const [artifact, patterns] = [textAt(step, 'artifact'), textAt(step, 'patterns')];
  return downloadStep(step.at, step, {
    ...(artifact && { artifact, path: `$(Pipeline.Workspace)/${artifact}` }),
    ...(patterns && { patterns }),
  });
}

/** What a deployment does first when no step of it says otherwise. */
function downloadStep(at: Position, step = nothingAt(at), inputs: Record<string, string> = {}): UnnamedStep {
  return { ...readCommon(step, DOWNLOAD), kind: 'task', task: 'DownloadPipelineArtifact@2', inputs };
}

function readTask(value: YamlNode, step: YamlMapping): UnnamedStep {
  const task = asText(value, "'task'");
  if (!/^[\w.-]+@\d+(\.\d+\.\d+)?$/.test(task)) {
    throw new PipelineError(
      `'${task}' must name a task and its major version, such as CopyFiles@2.`,
      value.at,
    );
  }
  const taskName = task.slice(0, task.indexOf('@')).split('.').at(-1)!;
  return { ...readCommon(step, taskName), kind: 'task', task, inputs: textsAt(step, 'inputs') };
}

function readCheckout(value: YamlNode, step: YamlMapping, reading: Reading): UnnamedStep | Refusal {
  const repository = asText(value, "'checkout'");
  if (repository === 'none') return 'checkout: none';
  const submodules = childOf(step, 'submodules');
  if (submodules && !/^false$/i.test(asText(submodules, "'submodules'"))) {
    throw new PipelineError('The local agent does not bring submodules.', submodules.at);
  }
  const other = fold(repository) === 'SELF' ? undefined : otherRepository(repository, value, reading);
  return {
    ...readCommon(step, CHECKOUT_NAME),
    kind: 'checkout',
    repository: other?.key ?? '',
    folder: other?.folder ?? '',
    clean: flagAt(step, 'clean'),
    fetchDepth: numberAt(step, 'fetchDepth') ?? USUAL_DEPTH,
  };
}

function readCommon(step: YamlMapping, taskName: string) {
  const name = textAt(step, 'name');
  if (name) checkName(name, 'step', childOf(step, 'name')!.at);
  const condition = textAt(step, 'condition');
  if (condition) checkCondition(condition, 'step condition', childOf(step, 'condition')!.at);
  const timeout = numberAt(step, 'timeoutInMinutes');
  return {
    name,
    taskName,
    displayName: textAt(step, 'displayName') || taskName,
    ...(condition && { condition }),
    continueOnError: flagAt(step, 'continueOnError'),
    ...(timeout && { timeoutInMinutes: timeout }),
    retryCountOnTaskFailure: numberAt(step, 'retryCountOnTaskFailure') ?? 0,
    env: textsAt(step, 'env'),
    ...restrictionsOf(childOf(step, 'target')),
    at: step.at,
  };
}

/** `target:` says where a step runs, which is always this machine, and what it may ask of the agent. */
function restrictionsOf(target: YamlNode | undefined): { restrictions?: StepRestrictions } {
  if (!target) return {};
  const container = target.kind === 'mapping' ? childOf(target, 'container') : target;
  if (container && asText(container, "'target'") !== 'host') {
    throw new PipelineError(
      "'target': the local agent runs steps on this machine itself, not in a container.",
      target.at,
    );
  }
  if (target.kind !== 'mapping') return {};
  refuseOtherKeys(
    target.entries.map(({ key }) => key),
    ['container', 'commands', 'settableVariables'],
    "'target'",
  );
  const settable = childOf(target, 'settableVariables');
  const names =
    settable?.kind === 'scalar' && settable.text === 'none'
      ? []
      : settable && asTexts(settable, "'settableVariables'");
  return {
    restrictions: {
      restrictedCommands: textAt(target, 'commands') === 'restricted',
      ...(names && { settableVariables: names }),
    },
  };
}

/** Texts by name; a key without a value is the same as none. */
function textsAt(step: YamlMapping, key: string): Record<string, string> {
  const node = childOf(step, key);
  if (!node || (node.kind === 'scalar' && node.plain && node.text === '')) return {};
  const { entries } = asMapping(node, `'${key}'`);
  return Object.fromEntries(
    entries.map((entry) => [entry.key.text, asText(entry.value, `'${entry.key.text}'`)]),
  );
}

const CHECKOUT_NAME = 'Checkout';
/** How many commits a checkout brings that says nothing of it: pipelines made since 2022 are set to this. */
const USUAL_DEPTH = 1;

/** What a job does first when no step of it says otherwise. */
function checkoutStep(at: Position): UnnamedStep {
  return {
    ...readCommon(nothingAt(at), CHECKOUT_NAME),
    kind: 'checkout',
    repository: '',
    folder: '',
    clean: false,
    fetchDepth: USUAL_DEPTH,
  };
}

function nothingAt(at: Position): YamlMapping {
  return { kind: 'mapping', entries: [], at };
}

/**
 * Steps without a name are called after their task; where several share it they are numbered from 1, as
 * `System.TaskInstanceName` shows in published logs (`CmdLine` alone, `Bash1` to `Bash4` together).
 */
function giveNames(steps: UnnamedStep[]): StepPlan[] {
  const taken = new Set<string>();
  for (const step of steps) {
    if (!step.name) continue;
    if (taken.has(step.name.toLowerCase())) {
      throw new PipelineError(`The step name '${step.name}' is used twice in this job.`, step.at);
    }
    taken.add(step.name.toLowerCase());
  }
  const unnamed = steps.filter((step) => !step.name);
  return steps.map(({ taskName, ...step }) => {
    if (step.name) return step;
    const alone = unnamed.filter((other) => other.taskName === taskName).length === 1;
    let name = alone ? taskName : `${taskName}1`;
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${taskName}${number}`;
    taken.add(name.toLowerCase());
    return { ...step, name };
  });
}
