import { randomBytes, randomUUID } from 'node:crypto';
import type { ServiceConnection } from './agent/agent';
import { type Entra, startEntra } from './entra/entra';
import { OIDC_ISSUER, subjectOf } from './entra/pipelines';

/** Who signs in without a key on this machine, as the template in deploy/azure makes them. */
export interface Identities {
  readonly entra: Entra;
  readonly tenantId: string;
  /** The pipelines' identity: the service connection stands for it. */
  readonly pipelines: string;
  /** The notebooks' identity: the service credential stands for it. */
  readonly notebooks: { readonly clientId: string; readonly secret: string };
  readonly connection: ServiceConnection;
  /** Azure DevOps, which vouches for the pipelines. */
  readonly organization: { readonly collectionUri: string; readonly accessToken: string };
}

/** The name of the service connection in the pipelines. */
const CONNECTION = 'model-pipelines';

export async function startIdentities(): Promise<Identities> {
  const [tenantId, pipelines, notebooks, id] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const [secret, accessToken] = [randomBytes(24).toString('hex'), randomBytes(24).toString('hex')];
  const entra = await startEntra({
    tenantId,
    applications: [
      {
        clientId: pipelines,
        federatedCredentials: [{ issuer: OIDC_ISSUER, subject: subjectOf(CONNECTION) }],
      },
      { clientId: notebooks, secret },
    ],
    accessToken,
    serviceConnections: [{ id, name: CONNECTION }],
  });
  return {
    entra,
    tenantId,
    pipelines,
    notebooks: { clientId: notebooks, secret },
    connection: {
      id,
      name: CONNECTION,
      type: 'azurerm',
      url: 'https://management.azure.com/',
      scheme: 'WorkloadIdentityFederation',
      parameters: { tenantid: tenantId, serviceprincipalid: pipelines },
      data: { environment: 'AzureCloud', environmentAuthorityUrl: entra.url },
    },
    organization: { collectionUri: entra.collectionUri, accessToken },
  };
}
