import { readDeployment } from './deployments';
import { checkDependencies, checkName } from './names';
import type { JobPlan, PoolPlan, VariableDeclaration } from './plan';
import { checkPool, readPool } from './pools';
import { checkCondition } from './slots';
import { readSteps } from './steps';
import { ONCE, readStrategy } from './strategy';
import {
  access,
  entriesOf,
  itemsOf,
  type Scope,
  type ScopedEntry,
  type ScopedNode,
  withValues,
} from './template';
import { type Reading, templateItem } from './templates';
import { readVariables } from './variables';
import { asText, asTexts, asWholeNumber, childOf, PipelineError, refuseOtherKeys } from './yaml';

/** Minutes a job may take when it does not say so itself. */
const DEFAULT_TIMEOUT = 60;

const COMMON_KEYS = [
  'displayName',
  'dependsOn',
  'condition',
  'timeoutInMinutes',
  'cancelTimeoutInMinutes',
  'variables',
  'strategy',
  'pool',
  'workspace',
  'templateContext',
];

/** What jobs are given by the stage and the pipeline around them. */
export interface Surroundings {
  readonly stage: string;
  readonly pool: PoolPlan | undefined;
  /** Those of the pipeline and of the stage. */
  readonly variables: readonly VariableDeclaration[];
}

/** Reads `jobs:`, following templates. */
export function readJobs(jobs: ScopedNode, around: Surroundings, reading: Reading): JobPlan[] {
  let isWhole = true;
  const open = (list: ScopedNode): JobPlan[] =>
    itemsOf(list.node, list.scope).flatMap((item) => {
      const plans = reading.problems.attempt(() => {
        const template = templateItem(reading, 'jobs', item);
        if (template) return open(template);
        return [readJob(entriesOf(item.node, item.scope), item, around, reading)];
      });
      isWhole &&= plans !== undefined;
      return plans ?? [];
    });
  const plans = withNames(open(jobs));
  for (const job of plans) checkPool(job, [...around.variables, ...job.variables], reading.problems);
  // What depends on a job that could not be read is no mistake of its own.
  if (isWhole) checkDependencies(plans, 'job', reading.problems);
  return plans;
}

/** The one job of a pipeline or a template that has only steps; what the job itself says stands beside them. */
export function jobOfSteps(
  entries: readonly ScopedEntry[],
  at: ScopedNode,
  around: Surroundings,
  reading: Reading,
): JobPlan[] {
  const job = reading.problems.attempt(() => {
    const own = entries.filter(({ key }) => ['steps', 'strategy', 'workspace'].includes(key.text));
    return readJob(own, at, around, reading);
  });
  if (!job) return [];
  const named = { ...job, name: 'Job', displayName: 'Job' };
  checkPool(named, around.variables, reading.problems);
  return [named];
}

function readJob(
  entries: readonly ScopedEntry[],
  { node, scope }: ScopedNode,
  around: Surroundings,
  reading: Reading,
): JobPlan {
  const { get, expanded } = access(entries);
  const isDeployment = get('deployment') !== undefined;
  refuseOtherKeys(
    entries.map((entry) => entry.key),
    isDeployment ? ['deployment', 'environment', ...COMMON_KEYS] : ['job', 'steps', ...COMMON_KEYS],
    isDeployment ? 'a deployment' : 'a job',
  );
  const own = readVariables(get('variables'), scope, reading);
  /** Steps may stand in a scope of their own, such as a loop's; they know the job's variables, too. */
  const within = (inner: Scope) => withValues(inner, { variables: own.scope.values.variables ?? new Map() });
  const text = (name: string): string => {
    const value = expanded(name);
    return value ? asText(value, `'${name}'`) : '';
  };
  const name = text(isDeployment ? 'deployment' : 'job');
  if (name) checkName(name, 'job', node.at);
  const deployment = isDeployment ? readDeployment(entries, node, within, reading) : undefined;
  const steps = get('steps') ?? { node: { kind: 'sequence', items: [], at: node.at }, scope };
  const [dependsOn, timeout] = [expanded('dependsOn'), expanded('timeoutInMinutes')];
  const condition = text('condition');
  checkCondition(condition, 'job condition', expanded('condition')?.at ?? node.at);
  const clean = readClean(expanded('workspace'));
  const pool = readPool(get('pool')) ?? around.pool;
  return {
    name,
    displayName: text('displayName') || name,
    stage: around.stage,
    dependsOn: dependsOn ? asTexts(dependsOn, "'dependsOn'").filter((other) => other !== '') : [],
    ...(condition && { condition }),
    timeoutInMinutes: timeout ? asWholeNumber(timeout, "'timeoutInMinutes'") : DEFAULT_TIMEOUT,
    variables: own.declarations,
    steps:
      deployment?.hooks.flatMap((hook) => hook.steps) ??
      readSteps({ node: steps.node, scope: within(steps.scope) }, reading, 'sources'),
    legs: deployment ? ONCE : readStrategy(get('strategy')),
    ...(deployment && { deployment }),
    ...(clean && { clean }),
    ...(pool && { pool }),
    at: node.at,
  };
}

function readClean(workspace: ReturnType<ReturnType<typeof access>['expanded']>): JobPlan['clean'] {
  if (!workspace) return undefined;
  if (workspace.kind !== 'mapping') throw new PipelineError("'workspace' must be a mapping.", workspace.at);
  refuseOtherKeys(
    workspace.entries.map(({ key }) => key),
    ['clean'],
    "'workspace'",
  );
  const clean = childOf(workspace, 'clean');
  const value = clean ? asText(clean, "'clean'") : '';
  const found = (['outputs', 'resources', 'all'] as const).find((known) => known === value);
  if (value && !found)
    throw new PipelineError(`'clean' must be outputs, resources or all, not '${value}'.`, clean!.at);
  return found;
}

/** Jobs may go without a name; the first of them is called `Job1`. */
function withNames(plans: JobPlan[]): JobPlan[] {
  let count = 0;
  return plans.map((plan) => {
    if (plan.name) return plan;
    const name = `Job${++count}`;
    return { ...plan, name, displayName: plan.displayName || name };
  });
}
