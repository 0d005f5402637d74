import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { root, vsixFile } from '../scripts/paths';
import type { VariableGroup, VariableGroups } from './agent/agent';
import { type LocalAzure, startLocalAzure } from './azure/azure';
import { engineRunner } from './azure/engine-runner';
import { digestsOf } from './azure/registry-digests';
import { claim } from './claim';
import { provideApiBase } from './engine/api-base';
import { findEngine } from './engine/engine';
import type { Identities } from './identities';
import { prepareExamplePython } from './python';
import { type Stack, startStack } from './stack';
import { stopAll } from './stop';

/*
 * `npm run stack`: the local services for whoever works on a pipeline or a task. They stay until Ctrl-C, and what
 * `npm run agent` needs to use them is written beside them.
 */

const home = join(root, '.local');
const groupsFile = join(home, 'stack', 'variable-groups.yaml');
const connectionsFile = join(home, 'stack', 'service-connections.yaml');
const cancel = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => cancel.abort());

try {
  await main(cancel.signal);
} catch (error) {
  if (!cancel.signal.aborted) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}

async function main(signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({ options: { version: { type: 'string', default: '1.0.0' } } });
  const release = claim(join(home, 'in-use'));
  try {
    const log = (line: string) => console.log(line);
    const { python } = await prepareExamplePython({ log, signal });
    const registryFolder = join(home, 'registry');
    const stack = await startStack({ sources: root, python, registryFolder, version: values.version });
    let azure: LocalAzure | undefined;
    try {
      const layer = { python, registry: stack.registry, cacheFolder: join(home, 'cache'), log, signal };
      const engine = await findEngine(signal);
      const base = await provideApiBase(engine, layer);
      if (!('missing' in engine)) {
        const runner = engineRunner(stack.registry, signal);
        azure = await startLocalAzure({ runner, digestOf: digestsOf(stack.registry) });
      }
      Object.assign(stack.variableGroups['shared-variables']!, base);
      mkdirSync(join(home, 'stack'), { recursive: true });
      writeFileSync(groupsFile, writeGroups(stack.variableGroups), { mode: 0o600 });
      writeFileSync(connectionsFile, writeConnections(stack.identities), { mode: 0o600 });
      tell(stack, azure);
      if (!signal.aborted) await once(signal, 'abort');
      console.log('Stopping.');
    } finally {
      for (const file of [groupsFile, connectionsFile]) rmSync(file, { force: true });
      await stopAll([azure, stack]);
    }
  } finally {
    release();
  }
}

function tell({ workspace, blobStorage, registry }: Stack, azure: LocalAzure | undefined): void {
  const [groups, connections] = [groupsFile, connectionsFile].map((file) => relative(process.cwd(), file));
  console.log(`
  Databricks    ${workspace.url}
  Blob storage  ${blobStorage.blobEndpoint}
  registry      ${registry.loginServer}
  variables     ${groups}, with the passwords
  connections   ${connections}; both files go when the stack ends

Run a pipeline with the packed tasks (npm run package), from another terminal:

  npm run agent -- pipelines/train-titanic-model.yaml --vsix ${relative(process.cwd(), vsixFile)} --variable-groups ${groups}
${azure ? deploying(azure, groups!, connections!) : ''}
Ctrl-C ends the stack.`);
}

/** How a model is taken all the way to where it is served, which takes a Docker engine. */
function deploying({ folder }: LocalAzure, groups: string, connections: string): string {
  return `
Train, build and deploy without a secret; container apps run in the Docker engine, and this az manages them:

  PATH=${folder}:$PATH npm run agent -- pipelines/titanic.yaml --variable-groups ${groups} --service-connections ${connections}

With the keys of the group shared-secrets, give --parameter signIn=keys in place of the connections' file.
`;
}

/** The file that `--variable-groups` of the local agent reads. */
function writeGroups(groups: VariableGroups): string {
  const file = Object.entries(groups).map(([name, group]) => [name, separate(group)]);
  return `# Made by "npm run stack".\n${stringify(Object.fromEntries(file))}`;
}

/** The file that `--service-connections` of the local agent reads. */
function writeConnections({ connection, organization }: Identities): string {
  const { name, ...about } = connection;
  return `# Made by "npm run stack".\n${stringify({ organization, connections: { [name]: about } })}`;
}

function separate(group: VariableGroup): { variables?: object; secrets?: object } {
  const entries = Object.entries(group);
  const variables = entries.filter(([, value]) => typeof value === 'string');
  const secrets = entries.flatMap(([name, value]) =>
    typeof value === 'string' ? [] : [[name, value.value]],
  );
  return {
    ...(variables.length > 0 && { variables: Object.fromEntries(variables) }),
    ...(secrets.length > 0 && { secrets: Object.fromEntries(secrets) }),
  };
}
