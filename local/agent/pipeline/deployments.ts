import type { DeploymentPlan, HookName, StepPlan } from './plan';
import { readSteps } from './steps';
import { access, entriesOf, type Scope, type ScopedEntry, type ScopedNode } from './template';
import type { Reading } from './templates';
import { asText, childOf, PipelineError, refuseOtherKeys, type YamlNode } from './yaml';

const HOOKS: readonly HookName[] = ['preDeploy', 'deploy', 'routeTraffic', 'postRouteTraffic'];

/**
 * Reads what makes a job a deployment: its environment, and the hooks of the strategy `runOnce`.
 * @param within gives the scope of steps: the job's variables are known to them
 */
export function readDeployment(
  entries: readonly ScopedEntry[],
  at: YamlNode,
  within: (scope: Scope) => Scope,
  reading: Reading,
): DeploymentPlan {
  const { get, expanded } = access(entries);
  const environment = expanded('environment');
  const strategy = get('strategy');
  if (!strategy) throw new PipelineError("A deployment needs a 'strategy', such as runOnce.", at.at);
  const [kind, ...others] = entriesOf(strategy.node, strategy.scope);
  if (!kind || others.length > 0 || kind.key.text !== 'runOnce') {
    throw new PipelineError(
      `The local agent knows deployments with the strategy runOnce only, not '${kind?.key.text ?? ''}'.`,
      kind?.key.at ?? strategy.node.at,
    );
  }
  const hooks = readHooks({ node: kind.value, scope: kind.scope }, within, reading);
  if (!hooks.some(({ name }) => name === 'deploy')) {
    throw new PipelineError("'runOnce' needs 'deploy'.", kind.key.at);
  }
  return { ...readEnvironment(environment), hooks };
}

function readHooks(
  section: ScopedNode,
  within: (scope: Scope) => Scope,
  reading: Reading,
): DeploymentPlan['hooks'] {
  const entries = entriesOf(section.node, section.scope);
  refuseOtherKeys(
    entries.map(({ key }) => key),
    [...HOOKS, 'on'],
    "'runOnce'",
  );
  const { get } = access(entries);
  const hooks = HOOKS.flatMap((name) => {
    const hook = get(name);
    return hook ? [{ name, steps: readHook(name, hook, within, reading) }] : [];
  });
  const on = get('on');
  if (!on) return hooks;
  const ends = entriesOf(on.node, on.scope);
  refuseOtherKeys(
    ends.map(({ key }) => key),
    ['success', 'failure'],
    "'on'",
  );
  for (const { key, value, scope } of ends) {
    const name = key.text as HookName;
    hooks.push({ name, steps: readHook(name, { node: value, scope }, within, reading) });
  }
  return hooks;
}

function readHook(
  name: HookName,
  hook: ScopedNode,
  within: (scope: Scope) => Scope,
  reading: Reading,
): readonly StepPlan[] {
  const entries = entriesOf(hook.node, hook.scope);
  refuseOtherKeys(
    entries.map(({ key }) => key),
    ['steps', 'pool'],
    `'${name}'`,
  );
  const { get } = access(entries);
  const steps = get('steps');
  if (!steps) return [];
  const first = name === 'deploy' ? 'artifacts' : 'nothing';
  return readSteps({ node: steps.node, scope: within(steps.scope) }, reading, first);
}

/** `name` or `name.resource`, or a mapping of both. */
function readEnvironment(node: YamlNode | undefined): { environment: string; resource: string } {
  if (!node) return { environment: '', resource: '' };
  if (node.kind === 'scalar') {
    const [environment = '', ...resource] = node.text.split('.');
    return { environment, resource: resource.join('.') };
  }
  if (node.kind !== 'mapping') throw new PipelineError("'environment' must be a name or a mapping.", node.at);
  refuseOtherKeys(
    node.entries.map(({ key }) => key),
    ['name', 'resourceName', 'resourceId', 'resourceType', 'tags'],
    "'environment'",
  );
  const type = childOf(node, 'resourceType');
  if (type && /^virtualMachine$/i.test(asText(type, "'resourceType'"))) {
    throw new PipelineError(
      'This deployment runs on virtual machines of its environment; the local agent has this machine only.',
      type.at,
    );
  }
  const text = (key: string) => {
    const value = childOf(node, key);
    return value ? asText(value, `'${key}'`) : '';
  };
  return { environment: text('name'), resource: text('resourceName') };
}
