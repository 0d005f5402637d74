import type { StepPlan } from './plan';
import { expand, itemsOf, type ScopedNode } from './template';
import { type Reading, readTemplate } from './templates';
import {
  asBoolean,
  asMapping,
  asText,
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
];
const KEYS_OF: Record<string, string[]> = {
  task: ['inputs'],
  script: ['workingDirectory', 'failOnStderr'],
  bash: ['workingDirectory', 'failOnStderr'],
  checkout: ['clean', 'fetchDepth', 'fetchTags', 'persistCredentials'],
  template: ['parameters'],
};

/** A step before it has its final name: `name` is empty when the YAML gives none. */
type UnnamedStep = StepPlan & { taskName: string };

/**
 * Reads `steps:`, following templates. Steps that are not enabled are left out, as the server does.
 * The sources are checked out first unless a step says otherwise.
 */
export function readSteps(node: ScopedNode, reading: Reading): StepPlan[] {
  const steps = flatten(node, reading);
  const hasCheckout = steps.some((step) => step === 'checkout: none' || step.kind === 'checkout');
  const kept = steps.filter((step) => step !== 'checkout: none');
  if (!hasCheckout) kept.unshift(checkoutStep(node.node.at));
  return giveNames(kept);
}

function flatten(node: ScopedNode, reading: Reading): (UnnamedStep | 'checkout: none')[] {
  return itemsOf(node.node, node.scope).flatMap((item) => {
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
      return flatten(
        readTemplate(reading, 'steps', first.value, childOf(step, 'parameters'), item.scope),
        reading,
      );
    }
    const enabled = childOf(step, 'enabled');
    if (enabled && !asBoolean(enabled, "'enabled'")) return [];
    return [readStep(keyword, first.value, step)];
  });
}

function readStep(keyword: string, value: YamlNode, step: YamlMapping): UnnamedStep | 'checkout: none' {
  if (keyword === 'task') return readTask(value, step);
  if (keyword === 'checkout') return readCheckout(value, step);
  const taskName = keyword === 'bash' ? 'Bash' : 'CmdLine';
  return {
    ...readCommon(step, taskName),
    kind: 'script',
    script: asText(value, `'${keyword}'`),
    workingDirectory: textAt(step, 'workingDirectory'),
    failOnStderr: flagAt(step, 'failOnStderr'),
  };
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

function readCheckout(value: YamlNode, step: YamlMapping): UnnamedStep | 'checkout: none' {
  const repository = asText(value, "'checkout'");
  if (repository === 'none') return 'checkout: none';
  if (repository === 'self') {
    return { ...readCommon(step, CHECKOUT_NAME), kind: 'checkout', clean: flagAt(step, 'clean') };
  }
  throw new PipelineError(`The local agent can check out 'self' or 'none', not '${repository}'.`, value.at);
}

function readCommon(step: YamlMapping, taskName: string) {
  const name = textAt(step, 'name');
  if (name && !/^[A-Za-z_]\w*$/.test(name)) {
    throw new PipelineError(
      `The step name '${name}' may hold letters, digits and underscores only.`,
      childOf(step, 'name')!.at,
    );
  }
  const condition = textAt(step, 'condition');
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
    at: step.at,
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

/** What a job does first when no step of it says otherwise. */
function checkoutStep(at: Position): UnnamedStep {
  const nothing: YamlMapping = { kind: 'mapping', entries: [], at };
  return { ...readCommon(nothing, CHECKOUT_NAME), kind: 'checkout', clean: false };
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
