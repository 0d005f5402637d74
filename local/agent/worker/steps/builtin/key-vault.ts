import { type BuiltinTask, builtinDefinition } from './builtin-task';

/** Makes the secrets of a key vault variables of the job; the vault is a part of a file here. */
export const KEY_VAULT: BuiltinTask = {
  definition: builtinDefinition('AzureKeyVault', 2, 'Azure Key Vault', [
    { name: 'ConnectedServiceName', aliases: ['azureSubscription'] },
    { name: 'KeyVaultName' },
    { name: 'SecretsFilter', defaultValue: '*' },
    { name: 'RunAsPreJob', defaultValue: false },
  ]),
  runsEarlyWhen: 'RunAsPreJob',
  check: (given, { keyVaults }) => {
    const name = given.get('KeyVaultName') ?? '';
    if (name === '') return ["AzureKeyVault@2 needs the input 'KeyVaultName'."];
    if (name.includes('$(') || keyVaults.some((known) => isSame(known, name))) return [];
    const known = keyVaults.join(', ') || 'none';
    return [
      `There is no key vault '${name}'. Write its secrets into a file and name that with --key-vaults. Known are: ${known}.`,
    ];
  },
  run: async (context, inputs) => {
    const name = inputs.get('KeyVaultName')!;
    const [, secrets] = Object.entries(context.job.keyVaults).find(([known]) => isSame(known, name)) ?? [];
    if (!secrets) throw new Error(`There is no key vault '${name}'.`);
    const filter = inputs
      .get('SecretsFilter')!
      .split(',')
      .map((part) => part.trim());
    for (const wanted of filter.includes('*') ? Object.keys(secrets) : filter) {
      const [, value] = Object.entries(secrets).find(([known]) => isSame(known, wanted)) ?? [];
      if (value === undefined) throw new Error(`${wanted}: the key vault '${name}' has no such secret.`);
      for (const line of value.split(/\r?\n/)) if (line !== '') context.job.masker.add(line);
      context.job.variables.set(wanted, value, { secret: true });
      context.output(`Downloading secret value for: ${wanted}.`);
    }
  },
};

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
