import { posix } from 'node:path';
import { checkTemplate } from './check-template';
import { bindParameters } from './parameters';
import { entriesOf, expand, type Scope, type ScopedNode } from './template';
import { fold } from './values';
import {
  asMapping,
  asText,
  childOf,
  PipelineError,
  type Problems,
  parseYaml,
  refuseOtherKeys,
  type YamlMapping,
  type YamlNode,
} from './yaml';

/**
 * Gives the text of a file by its path in a repository, or undefined when there is none.
 * @param repository what the command line calls it; empty for the pipeline's own
 */
export type FileReader = (file: string, repository: string) => string | undefined;

/** What the reading of a pipeline needs wherever it has got to. */
export interface Reading {
  readonly readFile: FileReader;
  /** Variables of the command line that win over those of the YAML. */
  readonly overrides: Readonly<Record<string, string>>;
  /** The repositories that the pipeline declares, by their folded aliases. */
  readonly repositories: Map<string, DeclaredRepository>;
  readonly hasPowerShell: boolean;
  /** What the command line calls a repository that is on this machine. */
  readonly onThisMachine: (alias: string, name: string) => string | undefined;
  readonly problems: Problems;
}

export interface DeclaredRepository {
  readonly alias: string;
  /** The last part of its name, which is that of its folder in a job with several. */
  readonly folder: string;
  /** What the command line calls it; undefined when it is not on this machine. */
  readonly key: string | undefined;
}

/** What a template can hold, each with the key of the same name. */
export type Section = 'steps' | 'jobs' | 'stages' | 'variables';

const DEEPEST = 50;

/**
 * Opens a template and gives its one section, with the names that may be used in it.
 * @param section what the template is used for, and so what it must hold
 * @param path the value of `template:`, relative to the file it stands in, or from the root with a leading slash
 * @param parameters already expanded
 */
export function readTemplate(
  reading: Reading,
  section: Section,
  path: YamlNode,
  parameters: YamlNode | undefined,
  scope: Scope,
): ScopedNode {
  const { root, inner } = openTemplate(reading, path, parameters, scope);
  refuseOtherKeys(
    root.entries.map((entry) => entry.key),
    ['parameters', section],
    `the template ${inner.file}, which is used for ${section}`,
  );
  const content = childOf(root, section);
  if (!content) throw new PipelineError(`The template ${inner.file} has no '${section}'.`, path.at);
  return { node: content, scope: inner };
}

/** Opens a template as a whole, with the names that may be used in it. */
export function openTemplate(
  reading: Reading,
  path: YamlNode,
  parameters: YamlNode | undefined,
  scope: Scope,
  what: 'template' | 'extends' = 'template',
): { root: YamlMapping; inner: Scope } {
  const { file, repository } = locate(asText(path, "'template'"), scope, path, reading);
  if (scope.depth >= DEEPEST) {
    throw new PipelineError(`Templates are nested more than ${DEEPEST} deep.`, path.at);
  }
  const text = reading.readFile(file, repository);
  if (text === undefined) {
    const where = repository ? ` in the repository ${repository}` : '';
    const prefix = what === 'extends' ? "'extends': " : '';
    throw new PipelineError(`${prefix}The template ${file} does not exist${where}.`, path.at);
  }
  const shown = repository ? `${file}@${repository}` : file;
  const root = asMapping(parseYaml(text, shown), 'A template');
  checkTemplate(root, reading.problems);
  const given = parameters
    ? asMapping(parameters, "'parameters'").entries.map(({ key, value }) => ({ name: key.text, value }))
    : [];
  const bound = bindParameters(childOf(root, 'parameters'), given, path.at, 'template');
  const values = { variables: scope.values.variables ?? new Map(), parameters: bound };
  return { root, inner: { file, repository, depth: scope.depth + 1, values } };
}

/** If an item is `template: ...`, what the template holds; otherwise undefined. */
export function templateItem(reading: Reading, section: Section, item: ScopedNode): ScopedNode | undefined {
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
    parameters && givenParameters(expand(parameters.value, parameters.scope)),
    item.scope,
  );
}

/** `parameters:` with nothing behind it gives none. */
export function givenParameters(node: YamlNode | undefined): YamlNode | undefined {
  return node?.kind === 'scalar' && node.text === '' ? undefined : node;
}

/**
 * A path starts from the file that it stands in, as long as it stays in the same repository, and otherwise from the
 * repository's root. Both slashes count.
 */
function locate(
  reference: string,
  scope: Scope,
  node: YamlNode,
  reading: Reading,
): { file: string; repository: string } {
  const at = reference.indexOf('@');
  const path = (at < 0 ? reference : reference.slice(0, at)).replaceAll('\\', '/');
  const repository = at < 0 ? scope.repository : repositoryOf(reference.slice(at + 1), node, reading);
  const base = repository === scope.repository ? posix.dirname(scope.file) : '.';
  const whole = path.startsWith('/') ? posix.normalize(path.slice(1)) : posix.join(base, path);
  if (whole === '..' || whole.startsWith('../')) {
    throw new PipelineError(`The template ${reference} is outside of its repository.`, node.at);
  }
  return { file: whole, repository };
}

function repositoryOf(alias: string, node: YamlNode, reading: Reading): string {
  if (alias === '' || fold(alias) === 'SELF') return '';
  return otherRepository(alias, node, reading).key;
}

/** @throws PipelineError when a repository is not declared or not on this machine */
export function otherRepository(
  alias: string,
  node: YamlNode,
  reading: Reading,
): DeclaredRepository & { readonly key: string } {
  const known = reading.repositories.get(fold(alias));
  if (!known) {
    throw new PipelineError(`There is no repository '${alias}' under 'resources: repositories:'.`, node.at);
  }
  if (known.key === undefined) {
    throw new PipelineError(
      `The repository '${alias}' is not on this machine. Clone it, and name its folder with --repository ${known.alias}=<folder>.`,
      node.at,
    );
  }
  return { ...known, key: known.key };
}
