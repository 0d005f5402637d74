import { posix } from 'node:path';
import type { ScopedNode } from './template';
import { access, entriesOf, expand } from './template';
import type { Reading } from './templates';
import { fold } from './values';
import {
  asMapping,
  asSequence,
  asText,
  childOf,
  PipelineError,
  refuseOtherKeys,
  type YamlNode,
} from './yaml';

/**
 * Reads `resources:`. Repositories are told to the reading; containers are refused where a job uses one, and whatever
 * else a pipeline waits for or takes from elsewhere at once, since nothing here stands in for it.
 */
export function readResources(section: ScopedNode, reading: Reading): void {
  if (section.node.kind === 'sequence') {
    readOldForm(section.node);
    return;
  }
  const entries = entriesOf(section.node, section.scope);
  refuseOtherKeys(
    entries.map((entry) => entry.key),
    ['repositories', 'containers'],
    "'resources'",
  );
  const { get } = access(entries);
  const repositories = get('repositories');
  if (!repositories || isNothing(repositories.node)) return;
  for (const item of asSequence(repositories.node, "'repositories'").items) {
    reading.problems.attempt(() => readRepository({ node: item, scope: repositories.scope }, reading));
  }
}

function readRepository({ node, scope }: ScopedNode, reading: Reading): void {
  const first = asMapping(node, 'A repository').entries[0];
  if (first?.key.text.includes('${{')) {
    throw new PipelineError('A template expression is not allowed in the list of repositories.', node.at);
  }
  const repository = asMapping(expand(node, scope), 'A repository');
  const [aliasNode, nameNode] = [childOf(repository, 'repository'), childOf(repository, 'name')];
  if (!aliasNode) throw new PipelineError("A repository needs an alias: 'repository'.", node.at);
  const alias = asText(aliasNode, "'repository'");
  const name = nameNode ? asText(nameNode, "'name'") : '';
  if (reading.repositories.has(fold(alias))) {
    throw new PipelineError(`The repository '${alias}' is declared twice.`, aliasNode.at);
  }
  const folder = posix.basename(name) || alias;
  reading.repositories.set(fold(alias), { alias, folder, key: reading.onThisMachine(alias, name) });
}

/** `resources: [ { repo: self } ]`, with which the portal's own starter pipelines begin. */
function readOldForm(node: YamlNode): void {
  for (const item of asSequence(node, "'resources'").items) {
    const resource = asMapping(item, 'A resource');
    refuseOtherKeys(
      resource.entries.map((entry) => entry.key),
      ['repo', 'clean', 'fetchDepth', 'lfs', 'trigger'],
      'a resource',
    );
    const repository = childOf(resource, 'repo');
    if (!repository || asText(repository, "'repo'") !== 'self') {
      throw new PipelineError("In a list of resources the local agent knows 'repo: self' only.", item.at);
    }
  }
}

function isNothing(node: YamlNode): boolean {
  return node.kind === 'scalar' && node.text === '';
}
