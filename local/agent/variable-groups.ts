import { readFile } from 'node:fs/promises';
import { asMapping, asText, PipelineError, parseYaml, refuseOtherKeys, type YamlNode } from './pipeline/yaml';
import type { VariableGroup, VariableGroups } from './types';

/**
 * Reads variable groups from a YAML file, which stands in for a project's library:
 *
 *     shared-variables:
 *       variables: { acr-name: example }
 *     shared-secrets:
 *       secrets: { acr-password: not-shown-in-logs }
 */
export async function readVariableGroups(file: string): Promise<VariableGroups> {
  const groups = asMapping(parseYaml(await readFile(file, 'utf8'), file), 'A file of variable groups');
  return Object.fromEntries(groups.entries.map(({ key, value }) => [key.text, readGroup(key.text, value)]));
}

function readGroup(name: string, node: YamlNode): VariableGroup {
  const group: VariableGroup = {};
  const parts = asMapping(node, `The variable group '${name}'`).entries;
  refuseOtherKeys(
    parts.map(({ key }) => key),
    ['variables', 'secrets'],
    `the variable group '${name}'`,
  );
  for (const part of parts) {
    for (const { key, value } of asMapping(part.value, `'${part.key.text}'`).entries) {
      const text = asText(value, `'${key.text}'`);
      if (key.text in group) throw new PipelineError(`'${key.text}' is written twice.`, key.at);
      group[key.text] = part.key.text === 'secrets' ? { value: text, isSecret: true } : text;
    }
  }
  return group;
}
