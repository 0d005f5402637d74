import type { JobPlan } from './plan';
import { readSteps } from './steps';
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
import { fold } from './values';
import { readVariables } from './variables';
import { asText, asTexts, asWholeNumber, PipelineError, refuseOtherKeys, type YamlNode } from './yaml';

/** Minutes a job may take when it does not say so itself. */
const DEFAULT_TIMEOUT = 60;

/** Reads `jobs:`, following templates. */
export function readJobs(jobs: ScopedNode, reading: Reading): JobPlan[] {
  const open = (list: ScopedNode): JobPlan[] =>
    itemsOf(list.node, list.scope).flatMap((item) => {
      const template = templateItem(reading, 'jobs', item);
      if (template) return open(template);
      return [readJob(entriesOf(item.node, item.scope), item, reading)];
    });
  const plans = open(jobs);
  checkDependencies(plans);
  return plans;
}

/** The one job of a pipeline that has only steps. */
export function jobOfSteps(steps: ScopedNode, reading: Reading): JobPlan {
  const key = { kind: 'scalar', text: 'steps', plain: true, at: steps.node.at } as const;
  return readJob([{ key, value: steps.node, scope: steps.scope }], steps, reading);
}

function readJob(entries: ScopedEntry[], { node, scope }: ScopedNode, reading: Reading): JobPlan {
  refuseOtherKeys(
    entries.map((entry) => entry.key),
    ['job', 'displayName', 'dependsOn', 'condition', 'timeoutInMinutes', 'pool', 'variables', 'steps'],
    'a job',
  );
  const { get, expanded } = access(entries);
  const own = readVariables(get('variables'), scope, reading);
  const steps = get('steps');
  if (!steps) throw new PipelineError("A job needs 'steps'.", node.at);
  checkPool(get('pool'));

  const text = (name: string): string => {
    const value: YamlNode | undefined = expanded(name);
    return value ? asText(value, `'${name}'`) : '';
  };
  const [dependsOn, timeout] = [expanded('dependsOn'), expanded('timeoutInMinutes')];
  const name = text('job') || 'Job';
  const condition = text('condition');
  return {
    name,
    displayName: text('displayName') || name,
    dependsOn: dependsOn ? asTexts(dependsOn, "'dependsOn'") : [],
    ...(condition && { condition }),
    timeoutInMinutes: timeout ? asWholeNumber(timeout, "'timeoutInMinutes'") : DEFAULT_TIMEOUT,
    variables: own.declarations,
    steps: readSteps({ node: steps.node, scope: withVariablesOf(steps.scope, own.scope) }, reading),
    at: node.at,
  };
}

/** The pool decides which machine runs a job; here it is always this one. */
export function checkPool(pool: ScopedNode | undefined): void {
  if (!pool || pool.node.kind === 'scalar') return;
  refuseOtherKeys(
    entriesOf(pool.node, pool.scope).map((entry) => entry.key),
    ['name', 'vmImage', 'demands'],
    "'pool'",
  );
}

/** A job's steps may stand in a scope of their own, such as a loop's; they know the job's variables, too. */
function withVariablesOf(scope: Scope, { values }: Scope): Scope {
  return withValues(scope, { variables: values.variables ?? {} });
}

function checkDependencies(jobs: JobPlan[]): void {
  const names = new Set<string>();
  for (const job of jobs) {
    if (names.has(fold(job.name))) throw new PipelineError(`There are two jobs named '${job.name}'.`, job.at);
    names.add(fold(job.name));
  }
  const visit = (job: JobPlan, path: JobPlan[]): void => {
    if (path.includes(job)) throw new PipelineError(`'${job.name}' depends on itself in the end.`, job.at);
    for (const name of job.dependsOn) {
      const needed = jobs.find((other) => fold(other.name) === fold(name));
      if (!needed)
        throw new PipelineError(`'${job.name}' depends on '${name}', which is no job here.`, job.at);
      visit(needed, [...path, job]);
    }
  };
  for (const job of jobs) visit(job, []);
}
