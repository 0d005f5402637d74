import { posix } from 'node:path';
import { checkTemplate } from './check-template';
import { jobOfSteps, readJobs } from './jobs';
import { bindParameters, givenValues } from './parameters';
import {
  DEFAULT_STAGE,
  type PipelinePlan,
  type PoolPlan,
  type StagePlan,
  type VariableDeclaration,
} from './plan';
import { readPool } from './pools';
import { readResources } from './resources';
import { readStages, stageOf } from './stages';
import { access, entriesOf, expandedTexts, type Scope, type ScopedEntry, withValues } from './template';
import { type FileReader, givenParameters, openTemplate, type Reading } from './templates';
import { checkSchedules, readTrigger } from './triggers';
import { NameMap } from './values';
import { readVariables } from './variables';
import {
  asText,
  PipelineError,
  Problems,
  parseYaml,
  refuseOtherKeys,
  type YamlMapping,
  type YamlNode,
} from './yaml';

export interface PipelineSource {
  /** Path below the sources; templates are found relative to it. */
  readonly file: string;
  readonly readFile: FileReader;
  /** Values for the pipeline's own parameters. */
  readonly parameters?: Record<string, unknown>;
  /** Variables known before the run. */
  readonly knownVariables?: Record<string, string>;
  /** Variables set when queueing; those of the YAML win over them. */
  readonly queueTimeVariables?: Record<string, string>;
  /** Variables that win over everything, which Azure Pipelines does not have. */
  readonly overrides?: Record<string, string>;
  /** Whether PowerShell is on this machine. */
  readonly hasPowerShell?: boolean;
  /** Repositories other than the pipeline's own that are on this machine, by alias or by name. */
  readonly repositories?: readonly string[];
}

const BASE_KEYS = [
  'name',
  'appendCommitMessageToRunName',
  'trigger',
  'pr',
  'schedules',
  'parameters',
  'variables',
];
const BODY_KEYS = ['resources', 'pool', 'stages', 'jobs', 'steps', 'extends'];
/** What a pipeline of steps says of its one job. */
const JOB_KEYS = ['strategy', 'workspace'];

/**
 * Expands a pipeline's YAML the way the server does before an agent hears of it.
 * @throws PipelineError naming file and line for whatever is wrong, or not supported by the local agent
 */
export function readPipeline(source: PipelineSource, problems?: Problems): PipelinePlan {
  const text = source.readFile(source.file, '');
  if (text === undefined) throw new PipelineError(`The pipeline file ${source.file} does not exist.`);
  return readPipelineText(text, source, problems);
}

/**
 * The same for a text that is not in a file. A bare list is taken as a pipeline of just these steps.
 * @param problems given by a caller that has something to add to what is wrong; without it, all of it is thrown
 */
export function readPipelineText(text: string, source: PipelineSource, problems?: Problems): PipelinePlan {
  const found = problems ?? new Problems();
  const plan = found.attempt(() => readRoot(text, source, found));
  if (!plan || !problems) found.refuse();
  return plan!;
}

function readRoot(text: string, source: PipelineSource, problems: Problems): PipelinePlan | undefined {
  const { file } = source;
  const root = asPipeline(parseYaml(text, file));
  checkTemplate(root, problems);
  if (!problems.isEmpty) return undefined;
  const here = source.repositories ?? [];
  const reading: Reading = {
    readFile: source.readFile,
    overrides: source.overrides ?? {},
    repositories: new Map(),
    hasPowerShell: source.hasPowerShell ?? false,
    onThisMachine: (alias, name) => here.find((other) => [alias, name, posix.basename(name)].includes(other)),
    problems,
  };
  const declared = root.entries.find(({ key }) => key.text === 'parameters')?.value;
  const given = givenValues(source.parameters ?? {}, root.at);
  const parameters = bindParameters(declared, given, root.at, 'pipeline');
  const variables = new NameMap(
    Object.entries({ ...source.knownVariables, ...source.queueTimeVariables, ...source.overrides }),
  );
  const scope: Scope = { file, repository: '', depth: 0, values: { parameters, variables } };

  const entries = entriesOf(root, scope);
  const { get, expanded } = access(entries);
  const resources = get('resources');
  if (resources) readResources(resources, reading);
  const schedules = expanded('schedules');
  if (schedules) checkSchedules(schedules);
  const name = expanded('name');
  const body = readBody(entries, root, scope, undefined, reading, 'a pipeline');
  return {
    name: posix.basename(file).replace(/\.ya?ml$/, ''),
    file,
    buildNumberFormat: name ? asText(name, "'name'") : '',
    buildNumberAt: name?.at ?? root.at,
    trigger: readTrigger(expandedTexts(get('trigger')), 'trigger'),
    pr: readTrigger(expandedTexts(get('pr')), 'pr'),
    variables: body.variables,
    stages: body.stages,
    jobs: body.stages.flatMap((stage) => stage.jobs),
  };
}

interface Body {
  readonly variables: readonly VariableDeclaration[];
  readonly stages: readonly StagePlan[];
}

/** What runs: stages, jobs or steps, or what a template says that the pipeline extends. */
function readBody(
  entries: readonly ScopedEntry[],
  node: YamlNode,
  outer: Scope,
  outerPool: PoolPlan | undefined,
  reading: Reading,
  what: string,
): Body {
  const { get, expanded } = access(entries);
  const isJob = get('steps') !== undefined;
  refuseOtherKeys(
    entries.map((entry) => entry.key),
    [...BASE_KEYS, ...BODY_KEYS, ...(isJob ? JOB_KEYS : [])],
    what,
  );
  const kinds = ['stages', 'jobs', 'steps', 'extends'].filter((key) => get(key));
  const [kind] = kinds;
  if (!kind) throw new PipelineError(`${upper(what)} needs 'stages', 'jobs', 'steps' or 'extends'.`, node.at);
  if (kinds.length > 1) {
    throw new PipelineError(`${upper(what)} has either '${kinds.join("' or '")}'.`, get(kinds[1]!)!.node.at);
  }
  const pool = readPool(get('pool')) ?? outerPool;
  const { declarations, scope } = readVariables(get('variables'), outer, reading, 'pipeline variable');
  const content = get(kind)!;
  const inner = {
    node: content.node,
    scope: withValues(content.scope, { variables: scope.values.variables ?? new NameMap() }),
  };
  if (kind === 'extends') {
    const extended = readExtended(expanded('extends')!, inner.scope, pool, reading);
    return { ...extended, variables: [...declarations, ...extended.variables] };
  }
  if (kind === 'stages') {
    return { variables: declarations, stages: readStages(inner, pool, declarations, reading) };
  }
  const around = { stage: DEFAULT_STAGE, pool, variables: declarations };
  const jobs =
    kind === 'jobs'
      ? readJobs(inner, around, reading)
      : jobOfSteps(
          entries.map((entry) => ({ ...entry, scope: withValues(entry.scope, scope.values) })),
          inner,
          around,
          reading,
        );
  return { variables: declarations, stages: [stageOf(jobs, DEFAULT_STAGE, node.at)] };
}

function readExtended(node: YamlNode, scope: Scope, pool: PoolPlan | undefined, reading: Reading): Body {
  if (node.kind !== 'mapping') throw new PipelineError("'extends' must name a template.", node.at);
  const keys = node.entries.map(({ key }) => key);
  refuseOtherKeys(keys, ['template', 'parameters'], "'extends'");
  const at = (key: string) => node.entries.find((entry) => entry.key.text === key)?.value;
  const template = at('template');
  if (!template) throw new PipelineError("'extends' needs a 'template'.", node.at);
  const { root, inner } = openTemplate(
    reading,
    template,
    givenParameters(at('parameters')),
    scope,
    'extends',
  );
  const entries = entriesOf(root, inner);
  const resources = access(entries).get('resources');
  if (resources) readResources(resources, reading);
  return readBody(entries, root, inner, pool, reading, `the template ${inner.file}`);
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function asPipeline(node: YamlNode): YamlMapping {
  if (node.kind === 'mapping') return node;
  if (node.kind === 'scalar') throw new PipelineError('A pipeline must be a mapping (name: value).', node.at);
  const key = { kind: 'scalar', text: 'steps', plain: true, at: node.at } as const;
  return { kind: 'mapping', entries: [{ key, value: node }], at: node.at };
}
