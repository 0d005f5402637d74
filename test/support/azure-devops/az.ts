import { randomUUID } from 'node:crypto';
import { CliError } from '../../../local/azure/places';
import { type AzProgram, startAz } from '../../../local/azure/program';

export interface AzureAccount {
  /** The template's outputs; undefined once the resource group is gone. */
  outputs: Record<string, string> | undefined;
  readonly clientId: string;
  readonly credentials: { name: string; issuer: string; subject: string; audiences: string[] }[];
  readonly roles: { id: string; assignee: string; role: string; scope: string }[];
  /** Tokens by the resource they are for. */
  readonly tokens: Record<string, string>;
  /** Every command line so far. */
  readonly commands: string[][];
}

type Options = Record<string, string>;

const GROUP = '/subscriptions/sub/resourceGroups/models/providers';

const COMMANDS: Readonly<Record<string, (account: AzureAccount, options: Options) => unknown>> = {
  'account show': () => ({ id: 'sub', name: 'Pay as you go', tenantId: 'tenant' }),
  'account get-access-token': ({ tokens }, { resource }) => ({
    accessToken: tokens[resource!],
    tokenType: 'Bearer',
  }),
  'deployment group show': ({ outputs }) => {
    if (!outputs)
      throw new CliError("(ResourceGroupNotFound) Resource group 'models' could not be found.", 3);
    const entries = Object.entries(outputs).map(([name, value]) => [name, { type: 'String', value }]);
    return { properties: { provisioningState: 'Succeeded', outputs: Object.fromEntries(entries) } };
  },
  'group show': () => ({ name: 'models', location: 'westeurope' }),
  'identity list': ({ clientId }) => [
    { name: 'models-serving', clientId: randomUUID() },
    { name: 'models-pipelines', clientId },
  ],
  'identity federated-credential list': ({ credentials }) => credentials,
  'identity federated-credential create': ({ credentials }, options) => {
    if (credentials.some(({ name }) => name === options.name)) throw new CliError('(Conflict) It exists.', 1);
    credentials.push(credentialOf(options));
  },
  'identity federated-credential update': ({ credentials }, options) => {
    credentials[credentials.findIndex(({ name }) => name === options.name)] = credentialOf(options);
  },
  'identity federated-credential delete': ({ credentials }, options) => {
    credentials.splice(
      credentials.findIndex(({ name }) => name === options.name),
      1,
    );
  },
  'keyvault show': (_, { name }) => ({
    id: `${GROUP}/Microsoft.KeyVault/vaults/${name}`,
    properties: { vaultUri: `https://${name}.vault.azure.net/` },
  }),
  'role assignment list': ({ roles }, { assignee, scope }) =>
    roles.filter((one) => one.assignee === assignee && one.scope === scope),
  'role assignment create': ({ roles }, { assignee, role, scope }) => {
    roles.push({ id: randomUUID(), assignee: assignee!, role: role!, scope: scope! });
  },
  'role assignment delete': ({ roles }, { ids }) => {
    roles.splice(
      roles.findIndex(({ id }) => id === ids),
      1,
    );
  },
};

function credentialOf({ name, issuer, subject, audiences }: Options) {
  return { name: name!, issuer: issuer!, subject: subject!, audiences: [audiences!] };
}

/** The commands of Azure's command line that set-up gives, for an account that a test looks at. */
export function startAccount(account: AzureAccount): Promise<AzProgram> {
  return startAz(async (args) => {
    account.commands.push([...args]);
    const end = args.findIndex((word) => word.startsWith('--'));
    const command = COMMANDS[args.slice(0, end).join(' ')];
    if (!command) throw new CliError(`'${args.join(' ')}' is misspelled or not recognized by the system.`, 2);
    const options: Options = {};
    for (const [index, word] of args.entries()) {
      if (word.startsWith('--')) options[word.slice(2)] = args[index + 1] ?? '';
    }
    const answer = command(account, options);
    return answer === undefined ? '' : JSON.stringify(answer);
  });
}
