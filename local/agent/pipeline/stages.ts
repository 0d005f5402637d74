import { readJobs } from './jobs';
import { checkDependencies, checkName } from './names';
import type { JobPlan, PoolPlan, StagePlan, VariableDeclaration } from './plan';
import { readPool } from './pools';
import { checkCondition } from './slots';
import { access, entriesOf, itemsOf, type ScopedNode, withValues } from './template';
import { type Reading, templateItem } from './templates';
import { readVariables } from './variables';
import { asText, asTexts, type Position, refuseOtherKeys, type YamlNode } from './yaml';

const KEYS = [
  'stage',
  'displayName',
  'dependsOn',
  'condition',
  'variables',
  'jobs',
  'pool',
  'trigger',
  'templateContext',
];

/** A stage before it is known which one stands above it. */
type Unordered = Omit<StagePlan, 'dependsOn'> & { readonly dependsOn: readonly string[] | undefined };

/** Reads `stages:`, following templates. A stage that does not say otherwise waits for the one above it. */
export function readStages(
  stages: ScopedNode,
  pool: PoolPlan | undefined,
  variables: readonly VariableDeclaration[],
  reading: Reading,
): StagePlan[] {
  let isWhole = true;
  const open = (list: ScopedNode): Unordered[] =>
    itemsOf(list.node, list.scope).flatMap((item) => {
      const plans = reading.problems.attempt(() => {
        const template = templateItem(reading, 'stages', item);
        return template ? open(template) : [readStage(item, pool, variables, reading)];
      });
      isWhole &&= plans !== undefined;
      return plans ?? [];
    });
  const plans = open(stages).map((stage, index, all): StagePlan => {
    const above = all[index - 1];
    return { ...stage, dependsOn: stage.dependsOn ?? (above ? [above.name] : []) };
  });
  if (isWhole) checkDependencies(plans, 'stage', reading.problems);
  return plans;
}

function readStage(
  item: ScopedNode,
  outerPool: PoolPlan | undefined,
  outer: readonly VariableDeclaration[],
  reading: Reading,
): Unordered {
  const entries = entriesOf(item.node, item.scope);
  refuseOtherKeys(
    entries.map((entry) => entry.key),
    KEYS,
    'a stage',
  );
  const { get, expanded } = access(entries);
  const text = (name: string): string => {
    const value: YamlNode | undefined = expanded(name);
    return value ? asText(value, `'${name}'`) : '';
  };
  const name = text('stage');
  checkName(name, 'stage', item.node.at);
  const own = readVariables(get('variables'), item.scope, reading);
  const variables = own.scope.values.variables ?? new Map();
  const [dependsOn, jobs, condition] = [expanded('dependsOn'), get('jobs'), text('condition')];
  checkCondition(condition, 'stage condition', expanded('condition')?.at ?? item.node.at);
  const around = {
    stage: name,
    pool: readPool(get('pool')) ?? outerPool,
    variables: [...outer, ...own.declarations],
  };
  return {
    name,
    displayName: text('displayName') || name,
    dependsOn: dependsOn && namesIn(dependsOn),
    ...(condition && { condition }),
    variables: own.declarations,
    jobs: jobs
      ? readJobs({ node: jobs.node, scope: withValues(jobs.scope, { variables }) }, around, reading)
      : [],
    at: item.node.at,
  };
}

/** `dependsOn:` with nothing behind it means nothing above, as an empty list does. */
function namesIn(node: YamlNode): string[] {
  return asTexts(node, "'dependsOn'").filter((name) => name !== '');
}

/** The stage around jobs that are in none. */
export function stageOf(jobs: readonly JobPlan[], name: string, at: Position): StagePlan {
  return { name, displayName: name, dependsOn: [], variables: [], jobs, at };
}
