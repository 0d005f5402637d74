import { readFile } from 'node:fs/promises';
import {
  asMapping,
  asText,
  asTexts,
  childOf,
  PipelineError,
  parseYaml,
  refuseOtherKeys,
  type YamlMapping,
  type YamlNode,
} from './pipeline/yaml';
import type { KeyVaults, VariableGroup, VariableGroups } from './types';

/**
 * Reads variable groups from a YAML file, which stands in for a project's library. A group may be linked to a key
 * vault; its secrets are then those of the vault that it names.
 *
 *     shared-variables:
 *       variables: { acr-name: example }
 *     shared-secrets:
 *       secrets: { acr-password: not-shown-in-logs }
 *     more-secrets:
 *       keyVault: example-vault
 *       secrets: [ databricks-token ]
 */
export async function readVariableGroups(file: string, vaults: KeyVaults = {}): Promise<VariableGroups> {
  const groups = asMapping(parseYaml(await readFile(file, 'utf8'), file), 'A file of variable groups');
  return Object.fromEntries(
    groups.entries.map(({ key, value }) => [key.text, readGroup(key.text, value, vaults)]),
  );
}

/** Reads the secrets of key vaults from a YAML file: `example-vault: { databricks-token: not-shown-in-logs }`. */
export async function readKeyVaults(file: string): Promise<KeyVaults> {
  const vaults = asMapping(parseYaml(await readFile(file, 'utf8'), file), 'A file of key vaults');
  return Object.fromEntries(
    vaults.entries.map(({ key, value }) => [key.text, texts(value, `'${key.text}'`)]),
  );
}

function readGroup(name: string, node: YamlNode, vaults: KeyVaults): VariableGroup {
  const group = asMapping(node, `The variable group '${name}'`);
  const vault = childOf(group, 'keyVault');
  refuseOtherKeys(
    group.entries.map(({ key }) => key),
    vault ? ['keyVault', 'secrets'] : ['variables', 'secrets'],
    `the variable group '${name}'`,
  );
  return vault ? readLinkedGroup(group, vault, vaults) : readOwnGroup(group);
}

function readOwnGroup(parts: YamlMapping): VariableGroup {
  const group: VariableGroup = {};
  for (const part of parts.entries) {
    for (const { key, value } of asMapping(part.value, `'${part.key.text}'`).entries) {
      const text = asText(value, `'${key.text}'`);
      if (key.text in group) throw new PipelineError(`'${key.text}' is written twice.`, key.at);
      group[key.text] = part.key.text === 'secrets' ? { value: text, isSecret: true } : text;
    }
  }
  return group;
}

function readLinkedGroup(parts: YamlMapping, vault: YamlNode, vaults: KeyVaults): VariableGroup {
  const name = asText(vault, "'keyVault'");
  const known = vaults[name];
  if (!known) {
    throw new PipelineError(
      `There is no key vault '${name}'; its secrets come from a file that --key-vaults names.`,
      vault.at,
    );
  }
  const wanted = childOf(parts, 'secrets');
  const names = wanted ? asTexts(wanted, "'secrets'") : Object.keys(known);
  return Object.fromEntries(
    names.map((secret) => {
      const value = known[secret];
      if (value === undefined)
        throw new PipelineError(`The key vault '${name}' has no secret '${secret}'.`, wanted!.at);
      return [secret, { value, isSecret: true as const }];
    }),
  );
}

function texts(node: YamlNode, what: string): Record<string, string> {
  return Object.fromEntries(
    asMapping(node, what).entries.map(({ key, value }) => [key.text, asText(value, `'${key.text}'`)]),
  );
}
