import { lookup } from 'node:dns/promises';
import { EntraTokens } from '../common/entra';
import { codeOf } from '../common/errors';
import type { TaskContext } from '../common/task';
import { ResourceManager } from './azure/resource-manager';
import type { Inputs } from './inputs';

/**
 * Finds the address of a registry that is given by its name, where `<name>.azurecr.io` is none: with a hash in it, only
 * Azure knows it. Everything else stays as it is.
 */
export async function locateRegistry(
  inputs: Inputs,
  task: TaskContext,
  resolves: (host: string) => Promise<boolean> = isKnownHost,
): Promise<Inputs> {
  const { loginServer, registryName, identity } = inputs;
  const connection = identity?.kind === 'azure' ? identity.connection : undefined;
  if (registryName === undefined || !connection?.subscriptionId || (await resolves(loginServer)))
    return inputs;
  const azure = new ResourceManager(connection, new EntraTokens(connection, task), task.http);
  const found = await azure.findRegistry(loginServer, registryName);
  if (found.loginServer !== loginServer)
    task.log.info(`Registry ${registryName} is at ${found.loginServer}.`);
  const moved = (name: string) =>
    name.startsWith(`${loginServer}/`) ? `${found.loginServer}${name.slice(loginServer.length)}` : name;
  return {
    ...inputs,
    loginServer: found.loginServer,
    cacheFrom: inputs.cacheFrom.map(moved),
    cacheTo: inputs.cacheTo.map(moved),
    sourceImage: inputs.sourceImage && {
      ...inputs.sourceImage,
      registry: inputs.sourceImage.registry === loginServer ? found.loginServer : inputs.sourceImage.registry,
    },
  };
}

/** A name that can't be looked up here may be known to a proxy: only that it does not exist counts. */
async function isKnownHost(host: string): Promise<boolean> {
  try {
    await lookup(host);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ENOTFOUND';
  }
}
