import { posix } from 'node:path';
import { bindParameters } from './parameters';
import { entriesOf, expand, type Scope, type ScopedNode } from './template';
import { asMapping, asText, childOf, PipelineError, parseYaml, refuseOtherKeys, type YamlNode } from './yaml';

/** Gives the text of a file by its path below the sources, or undefined when there is none. */
export type FileReader = (file: string) => string | undefined;

/** What the reading of a pipeline needs wherever it has got to. */
export interface Reading {
  readonly readFile: FileReader;
  /** Variables set when queueing; they win over those of the YAML. */
  readonly queueTimeVariables: Record<string, string>;
}

const DEEPEST = 50;

/**
 * Opens a template and gives its one section, with the names that may be used in it.
 * @param section what the template is used for, and so what it must hold
 * @param path the value of `template:`, relative to the file it stands in, or from the root with a leading slash
 * @param parameters already expanded
 */
export function readTemplate(
  reading: Reading,
  section: 'steps' | 'jobs' | 'variables',
  path: YamlNode,
  parameters: YamlNode | undefined,
  scope: Scope,
): ScopedNode {
  const file = resolvePath(asText(path, "'template'"), scope.file, path);
  if (scope.depth >= DEEPEST)
    throw new PipelineError(`Templates are nested more than ${DEEPEST} deep.`, path.at);
  const text = reading.readFile(file);
  if (text === undefined) throw new PipelineError(`The template ${file} does not exist.`, path.at);

  const root = asMapping(parseYaml(text, file), 'A template');
  refuseOtherKeys(
    root.entries.map((entry) => entry.key),
    ['parameters', section],
    `the template ${file}, which is used for ${section}`,
  );
  const content = childOf(root, section);
  if (!content) throw new PipelineError(`The template ${file} has no '${section}'.`, path.at);
  const given = parameters
    ? asMapping(parameters, "'parameters'").entries.map(({ key, value }) => ({ name: key.text, value }))
    : [];
  const bound = bindParameters(childOf(root, 'parameters'), given, path.at);
  return {
    node: content,
    scope: { file, depth: scope.depth + 1, values: { ...sharedNames(scope), parameters: bound } },
  };
}

/** If an item is `template: ...`, what the template holds; otherwise undefined. */
export function templateItem(
  reading: Reading,
  section: 'jobs' | 'variables',
  item: ScopedNode,
): ScopedNode | undefined {
  const entries = entriesOf(item.node, item.scope);
  const [first] = entries;
  if (first?.key.text !== 'template') return undefined;
  refuseOtherKeys(
    entries.map((entry) => entry.key),
    ['template', 'parameters'],
    'a template reference',
  );
  const parameters = entries.find((entry) => entry.key.text === 'parameters');
  return readTemplate(
    reading,
    section,
    expand(first.value, first.scope),
    parameters && expand(parameters.value, parameters.scope),
    item.scope,
  );
}

function sharedNames(scope: Scope) {
  return { variables: scope.values.variables ?? {} };
}

function resolvePath(path: string, from: string, node: YamlNode): string {
  const [file = '', repository = 'self'] = path.split('@');
  if (repository !== 'self') {
    throw new PipelineError(
      `The local agent cannot read templates of another repository (${repository}).`,
      node.at,
    );
  }
  const whole = file.startsWith('/') ? posix.normalize(file.slice(1)) : posix.join(posix.dirname(from), file);
  if (whole.startsWith('..'))
    throw new PipelineError(`The template ${path} is outside of the sources.`, node.at);
  return whole;
}
