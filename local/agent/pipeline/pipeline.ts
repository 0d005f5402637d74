import { posix } from 'node:path';
import { bindParameters, givenValues } from './parameters';
import type { JobPlan, PipelinePlan, VariableDeclaration } from './plan';
import { readSteps } from './steps';
import {
  entriesOf,
  expand,
  itemsOf,
  type Scope,
  type ScopedEntry,
  type ScopedNode,
  withValues,
} from './template';
import { type FileReader, type TemplateReader, templateItem } from './templates';
import { checkSchedules, readTrigger } from './triggers';
import { fold, isMap, type Value } from './values';
import {
  asBoolean,
  asText,
  asTexts,
  asWholeNumber,
  PipelineError,
  parseYaml,
  refuseOtherKeys,
  type YamlNode,
} from './yaml';

export interface PipelineSource {
  /** Path below the sources; templates are found relative to it. */
  file: string;
  readFile: FileReader;
  /** Values for the pipeline's own parameters. */
  parameters?: Record<string, unknown>;
  /** Variables known before the run: predefined ones, then those set when queueing. */
  knownVariables?: Record<string, string>;
  queueTimeVariables?: Record<string, string>;
}

const defaultTimeout = 60;

/**
 * Expands a pipeline's YAML the way the server does before an agent hears of it.
 * @throws PipelineError naming file and line for whatever is wrong, or not supported by the local agent
 */
export function readPipeline(source: PipelineSource): PipelinePlan {
  const { file } = source;
  const text = source.readFile(file);
  if (text === undefined) throw new PipelineError(`The pipeline file ${file} does not exist.`);
  return readPipelineText(text, source);
}

/** The same for a text that is not in a file. A bare list is taken as a pipeline of just these steps. */
export function readPipelineText(text: string, source: PipelineSource): PipelinePlan {
  const { file } = source;
  const parsed = parseYaml(text, file);
  const root: YamlNode =
    parsed.kind === 'sequence'
      ? { kind: 'mapping', entries: [{ key: keyAt('steps', parsed), value: parsed }], at: parsed.at }
      : parsed;
  if (root.kind !== 'mapping')
    throw new PipelineError('A pipeline must be a mapping (name: value).', root.at);

  const declared = root.entries.find(({ key }) => key.text === 'parameters')?.value;
  const parameters = bindParameters(declared, givenValues(source.parameters ?? {}, root.at), root.at);
  const variables = { ...source.knownVariables, ...source.queueTimeVariables };
  const scope: Scope = { file, depth: 0, values: { parameters, variables } };
  const reader: TemplateReader = { readFile: source.readFile };

  const entries = entriesOf(root, scope);
  refuseOtherKeys(
    entries.map((entry) => entry.key),
    [
      'name',
      'appendCommitMessageToRunName',
      'trigger',
      'pr',
      'schedules',
      'parameters',
      'variables',
      'pool',
      'jobs',
      'steps',
    ],
    'a pipeline',
  );
  const { get, expanded } = access(entries);
  const own = readVariables(get('variables'), reader, source.queueTimeVariables ?? {}, scope);
  const inner: Scope = withValues(scope, { variables: own.known });

  checkPool(get('pool'));
  const schedules = expanded('schedules');
  if (schedules) checkSchedules(schedules);
  const nameNode = expanded('name');
  return {
    name: posix.basename(file).replace(/\.ya?ml$/, ''),
    file,
    buildNumberFormat: nameNode ? asText(nameNode, "'name'") : '',
    trigger: readTrigger(expanded('trigger'), 'trigger'),
    pr: readTrigger(expanded('pr'), 'pr'),
    variables: own.declarations,
    jobs: readJobs(get('jobs'), get('steps'), inner, reader, source.queueTimeVariables ?? {}, root),
  };
}

function readJobs(
  jobs: ScopedNode | undefined,
  steps: ScopedNode | undefined,
  scope: Scope,
  reader: TemplateReader,
  queueTime: Record<string, string>,
  root: YamlNode,
): JobPlan[] {
  if (jobs && steps) throw new PipelineError("A pipeline has either 'jobs' or 'steps'.", steps.node.at);
  if (steps)
    return [
      readJob(
        [{ key: keyAt('steps', steps.node), value: steps.node, scope }],
        scope,
        reader,
        queueTime,
        root,
      ),
    ];
  if (!jobs) throw new PipelineError("A pipeline needs 'steps' or 'jobs'.", root.at);

  const open = (list: ScopedNode): JobPlan[] =>
    itemsOf(list.node, list.scope).flatMap((item) => {
      const template = templateItem(reader, 'jobs', item);
      if (template) return open(template);
      return [readJob(entriesOf(item.node, item.scope), item.scope, reader, queueTime, item.node)];
    });
  const plans = open({ node: jobs.node, scope });
  checkDependencies(plans);
  return plans;
}

function readJob(
  entries: ScopedEntry[],
  scope: Scope,
  reader: TemplateReader,
  queueTime: Record<string, string>,
  node: YamlNode,
): JobPlan {
  refuseOtherKeys(
    entries.map((entry) => entry.key),
    ['job', 'displayName', 'dependsOn', 'condition', 'timeoutInMinutes', 'pool', 'variables', 'steps'],
    'a job',
  );
  const { get, expanded } = access(entries);
  const own = readVariables(get('variables'), reader, queueTime, scope);
  const steps = get('steps');
  if (!steps) throw new PipelineError("A job needs 'steps'.", node.at);
  checkPool(get('pool'));

  const [job, displayName, condition, dependsOn, timeout] = (
    ['job', 'displayName', 'condition', 'dependsOn', 'timeoutInMinutes'] as const
  ).map(expanded);
  const name = (job && asText(job, "'job'")) || 'Job';
  return {
    name,
    displayName: (displayName && asText(displayName, "'displayName'")) || name,
    dependsOn: dependsOn ? asTexts(dependsOn, "'dependsOn'") : [],
    ...(condition && asText(condition, "'condition'") && { condition: asText(condition, "'condition'") }),
    timeoutInMinutes: timeout ? asWholeNumber(timeout, "'timeoutInMinutes'") : defaultTimeout,
    variables: own.declarations,
    steps: readSteps({ node: steps.node, scope: withValues(steps.scope, { variables: own.known }) }, reader),
    at: node.at,
  };
}

/** The variables a section declares, and what `${{ variables }}` is from there on. Groups are unknown to it. */
function readVariables(
  section: ScopedNode | undefined,
  reader: TemplateReader,
  queueTime: Record<string, string>,
  outer: Scope,
): { declarations: VariableDeclaration[]; known: Record<string, Value> } {
  const declarations: VariableDeclaration[] = [];
  const before = outer.values.variables ?? {};
  const known: Record<string, Value> = isMap(before) ? { ...before } : {};
  const queued = new Set(Object.keys(queueTime).map(fold));
  // Each variable may use those above it, so the scope is made anew for each.
  const seen = (scope: Scope) => withValues(scope, { variables: { ...known } });
  const declare = (name: string, value: YamlNode, scope: Scope, readOnly: boolean) => {
    const text = asText(expand(value, seen(scope)), `The variable '${name}'`);
    declarations.push({ name, value: text, readOnly, at: value.at });
    if (!queued.has(fold(name))) known[name] = text;
  };
  const open = (node: YamlNode, scope: Scope): void => {
    if (node.kind === 'mapping') {
      for (const entry of entriesOf(node, seen(scope)))
        declare(entry.key.text, entry.value, entry.scope, false);
      return;
    }
    for (const item of itemsOf(node, seen(scope))) {
      const template = templateItem(reader, 'variables', item);
      if (template) open(template.node, template.scope);
      else readItem(item);
    }
  };
  const readItem = (item: ScopedNode) => {
    const entries = entriesOf(item.node, seen(item.scope));
    refuseOtherKeys(
      entries.map((entry) => entry.key),
      ['name', 'value', 'readonly', 'group'],
      'a variable',
    );
    const { get, expanded } = access(entries);
    const group = expanded('group');
    if (group) {
      declarations.push({ group: asText(group, "'group'"), at: group.at });
      return;
    }
    const name = expanded('name');
    const value = get('value');
    if (!name || !value)
      throw new PipelineError("A variable needs 'name' and 'value', or 'group'.", item.node.at);
    const readOnly = expanded('readonly');
    declare(
      asText(name, "'name'"),
      value.node,
      value.scope,
      readOnly ? asBoolean(readOnly, "'readonly'") : false,
    );
  };
  if (section) open(section.node, section.scope);
  return { declarations, known };
}

/** The pool decides which machine runs a job; here it is always this one. */
function checkPool(pool: ScopedNode | undefined): void {
  if (!pool || pool.node.kind === 'scalar') return;
  refuseOtherKeys(
    entriesOf(pool.node, pool.scope).map((entry) => entry.key),
    ['name', 'vmImage', 'demands'],
    "'pool'",
  );
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

function access(entries: ScopedEntry[]) {
  const get = (name: string): ScopedNode | undefined => {
    const entry = entries.find(({ key }) => key.text === name);
    return entry && { node: entry.value, scope: entry.scope };
  };
  const expanded = (name: string): YamlNode | undefined => {
    const found = get(name);
    return found && expand(found.node, found.scope);
  };
  return { get, expanded };
}

function keyAt(text: string, node: YamlNode) {
  return { kind: 'scalar', text, plain: true, at: node.at } as const;
}
