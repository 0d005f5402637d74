import type { StepPlan } from './plan';
import { expand, itemsOf, type ScopedNode } from './template';
import { readTemplate, type TemplateReader } from './templates';
import {
  asBoolean,
  asMapping,
  asText,
  asWholeNumber,
  childOf,
  PipelineError,
  refuseOtherKeys,
  type YamlMapping,
  type YamlNode,
  type YamlScalar,
} from './yaml';

const commonKeys = [
  'name',
  'displayName',
  'condition',
  'continueOnError',
  'enabled',
  'env',
  'timeoutInMinutes',
  'retryCountOnTaskFailure',
];
const keysOf: Record<string, string[]> = {
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
export function readSteps(node: ScopedNode, templates: TemplateReader): StepPlan[] {
  const steps = flatten(node, templates);
  const hasCheckout = steps.some((step) => step === 'checkout: none' || step.kind === 'checkout');
  const kept = steps.filter((step) => step !== 'checkout: none');
  if (!hasCheckout) kept.unshift(checkoutStep(node.node.at));
  return giveNames(kept);
}

function flatten(node: ScopedNode, templates: TemplateReader): (UnnamedStep | 'checkout: none')[] {
  return itemsOf(node.node, node.scope).flatMap((item) => {
    const step = asMapping(expand(item.node, item.scope), 'A step');
    const [first] = step.entries;
    if (!first) throw new PipelineError('A step must not be empty.', step.at);
    const keyword = first.key.text;
    const own = keysOf[keyword];
    if (!own) {
      throw new PipelineError(
        `A step cannot begin with '${keyword}' in the local agent. It knows: ${Object.keys(keysOf).join(', ')}.`,
        first.key.at,
      );
    }
    refuseOtherKeys(
      step.entries.map((entry) => entry.key),
      keyword === 'template' ? [keyword, ...own] : [keyword, ...own, ...commonKeys],
      `a '${keyword}' step`,
    );
    if (keyword === 'template') {
      return flatten(
        readTemplate(templates, 'steps', first.value, childOf(step, 'parameters'), item.scope),
        templates,
      );
    }
    const enabled = childOf(step, 'enabled');
    if (enabled && !asBoolean(enabled, "'enabled'")) return [];
    return [readStep(keyword, first.value, step)];
  });
}

function readStep(keyword: string, value: YamlNode, step: YamlMapping): UnnamedStep | 'checkout: none' {
  const flag = (name: string) => {
    const node = childOf(step, name);
    return node ? asBoolean(node, `'${name}'`) : false;
  };
  const common = readCommon(step);
  if (keyword === 'task') {
    const task = asText(value, "'task'");
    if (!/^[\w.-]+@\d+(\.\d+\.\d+)?$/.test(task)) {
      throw new PipelineError(
        `'${task}' must name a task and its major version, such as CopyFiles@2.`,
        value.at,
      );
    }
    const inputs = texts(childOf(step, 'inputs'), "'inputs'");
    const taskName = task.slice(0, task.indexOf('@')).split('.').at(-1)!;
    return { ...common, displayName: common.displayName || taskName, kind: 'task', task, taskName, inputs };
  }
  if (keyword === 'checkout') {
    const repository = asText(value, "'checkout'");
    if (repository === 'none') return 'checkout: none';
    if (repository !== 'self') {
      throw new PipelineError(
        `The local agent can check out 'self' or 'none', not '${repository}'.`,
        value.at,
      );
    }
    return {
      ...checkoutStep(step.at),
      ...common,
      displayName: common.displayName || checkoutName,
      clean: flag('clean'),
    };
  }
  const directory = childOf(step, 'workingDirectory');
  return {
    ...common,
    displayName: common.displayName || (keyword === 'bash' ? 'Bash' : 'CmdLine'),
    kind: 'script',
    keyword: keyword === 'bash' ? 'bash' : 'script',
    taskName: keyword === 'bash' ? 'Bash' : 'CmdLine',
    script: asText(value, `'${keyword}'`),
    failOnStderr: flag('failOnStderr'),
    ...(directory && { workingDirectory: asText(directory, "'workingDirectory'") }),
  };
}

function readCommon(step: YamlMapping) {
  const [name, displayName, condition] = ['name', 'displayName', 'condition'].map((key) =>
    childOf(step, key),
  );
  const timeout = childOf(step, 'timeoutInMinutes');
  const retries = childOf(step, 'retryCountOnTaskFailure');
  const continueOnError = childOf(step, 'continueOnError');
  if (name && !/^[A-Za-z_]\w*$/.test(asText(name, "'name'"))) {
    throw new PipelineError(
      `The step name '${asText(name, "'name'")}' may hold letters, digits and underscores only.`,
      name.at,
    );
  }
  return {
    name: name ? asText(name, "'name'") : '',
    displayName: displayName ? asText(displayName, "'displayName'") : '',
    ...(condition && asText(condition, "'condition'") && { condition: asText(condition, "'condition'") }),
    continueOnError: continueOnError ? asBoolean(continueOnError, "'continueOnError'") : false,
    ...(timeout && { timeoutInMinutes: asWholeNumber(timeout, "'timeoutInMinutes'") }),
    retryCountOnTaskFailure: retries ? asWholeNumber(retries, "'retryCountOnTaskFailure'") : 0,
    env: texts(childOf(step, 'env'), "'env'"),
    at: step.at,
  };
}

function texts(node: YamlNode | undefined, what: string): Record<string, string> {
  if (!node || isEmpty(node)) return {};
  const entries = asMapping(node, what).entries;
  return Object.fromEntries(entries.map(({ key, value }) => [key.text, asText(value, `'${key.text}'`)]));
}

function isEmpty(node: YamlNode): node is YamlScalar {
  return node.kind === 'scalar' && node.plain && node.text === '';
}

const checkoutName = 'Checkout';

function checkoutStep(at: StepPlan['at']): UnnamedStep & { kind: 'checkout' } {
  return {
    kind: 'checkout',
    name: '',
    taskName: 'Checkout',
    displayName: checkoutName,
    continueOnError: false,
    retryCountOnTaskFailure: 0,
    env: {},
    clean: false,
    at,
  };
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
