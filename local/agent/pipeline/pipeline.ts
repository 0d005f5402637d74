import { posix } from 'node:path';
import { checkPool, jobOfSteps, readJobs } from './jobs';
import { bindParameters, givenValues } from './parameters';
import type { JobPlan, PipelinePlan } from './plan';
import { access, entriesOf, type Scope, type ScopedNode, withValues } from './template';
import type { FileReader, Reading } from './templates';
import { checkSchedules, readTrigger } from './triggers';
import { readVariables } from './variables';
import { asText, PipelineError, parseYaml, refuseOtherKeys, type YamlMapping, type YamlNode } from './yaml';

export interface PipelineSource {
  /** Path below the sources; templates are found relative to it. */
  readonly file: string;
  readonly readFile: FileReader;
  /** Values for the pipeline's own parameters. */
  readonly parameters?: Record<string, unknown>;
  /** Variables known before the run. */
  readonly knownVariables?: Record<string, string>;
  /** Variables set when queueing. */
  readonly queueTimeVariables?: Record<string, string>;
}

const KEYS = [
  'name',
  'appendCommitMessageToRunName',
  'trigger',
  'pr',
  'schedules',
  'parameters',
  'variables',
];

/**
 * Expands a pipeline's YAML the way the server does before an agent hears of it.
 * @throws PipelineError naming file and line for whatever is wrong, or not supported by the local agent
 */
export function readPipeline(source: PipelineSource): PipelinePlan {
  const text = source.readFile(source.file);
  if (text === undefined) throw new PipelineError(`The pipeline file ${source.file} does not exist.`);
  return readPipelineText(text, source);
}

/** The same for a text that is not in a file. A bare list is taken as a pipeline of just these steps. */
export function readPipelineText(text: string, source: PipelineSource): PipelinePlan {
  const { file } = source;
  const root = asPipeline(parseYaml(text, file));
  const reading: Reading = {
    readFile: source.readFile,
    queueTimeVariables: source.queueTimeVariables ?? {},
  };
  const declared = root.entries.find(({ key }) => key.text === 'parameters')?.value;
  const parameters = bindParameters(declared, givenValues(source.parameters ?? {}, root.at), root.at);
  const variables = { ...source.knownVariables, ...source.queueTimeVariables };
  const outer: Scope = { file, depth: 0, values: { parameters, variables } };

  const entries = entriesOf(root, outer);
  refuseOtherKeys(
    entries.map((entry) => entry.key),
    [...KEYS, 'pool', 'jobs', 'steps'],
    'a pipeline',
  );
  const { get, expanded } = access(entries);
  checkPool(get('pool'));
  const schedules = expanded('schedules');
  if (schedules) checkSchedules(schedules);
  const name = expanded('name');
  const { declarations, scope } = readVariables(get('variables'), outer, reading);
  return {
    name: posix.basename(file).replace(/\.ya?ml$/, ''),
    file,
    buildNumberFormat: name ? asText(name, "'name'") : '',
    trigger: readTrigger(expanded('trigger'), 'trigger'),
    pr: readTrigger(expanded('pr'), 'pr'),
    variables: declarations,
    jobs: readWork(get('jobs'), get('steps'), scope, root, reading),
  };
}

/** A pipeline has jobs, or the steps of a single one. */
function readWork(
  jobs: ScopedNode | undefined,
  steps: ScopedNode | undefined,
  scope: Scope,
  root: YamlNode,
  reading: Reading,
): JobPlan[] {
  if (jobs && steps) throw new PipelineError("A pipeline has either 'jobs' or 'steps'.", steps.node.at);
  const known = { variables: scope.values.variables ?? {} };
  if (jobs) return readJobs({ node: jobs.node, scope: withValues(jobs.scope, known) }, reading);
  if (steps) return [jobOfSteps({ node: steps.node, scope: withValues(steps.scope, known) }, reading)];
  throw new PipelineError("A pipeline needs 'steps' or 'jobs'.", root.at);
}

function asPipeline(node: YamlNode): YamlMapping {
  if (node.kind === 'mapping') return node;
  if (node.kind === 'scalar') throw new PipelineError('A pipeline must be a mapping (name: value).', node.at);
  const key = { kind: 'scalar', text: 'steps', plain: true, at: node.at } as const;
  return { kind: 'mapping', entries: [{ key, value: node }], at: node.at };
}
