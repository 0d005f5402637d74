import { randomUUID } from 'node:crypto';
import type { ServiceConnection } from '../../../tasks/common/agent';
import type { Service } from './relay';

const TENANT = '11111111-1111-1111-1111-111111111111';
export const APPLICATION = '22222222-2222-2222-2222-222222222222';

/** Microsoft Entra and Azure DevOps, which vouches for the connection. */
export interface Entra {
  readonly tenantId: string;
  /** Whatever it gives and takes that nobody is to see. */
  readonly secrets: readonly string[];
  readonly accessToken: string;
  readonly party: NonNullable<Service['party']>;
  /** The service connection by its id. */
  connection(origin: string): (id: string) => ServiceConnection;
}

/** @param scheme how the connection signs in @param accessToken what Entra gives */
export function startEntra(
  scheme: 'ServicePrincipal' | 'WorkloadIdentityFederation',
  accessToken = `entra~${randomUUID()}`,
): Entra {
  const [secret, assertion] = [`dose~${randomUUID()}`, `oidc~${randomUUID()}`];
  return {
    tenantId: TENANT,
    secrets: [secret, assertion, accessToken],
    accessToken,
    party(path, form) {
      if (path.startsWith('/oidctoken')) return { oidcToken: assertion };
      if (path !== `/${TENANT}/oauth2/v2.0/token`) return undefined;
      const isKnown = form.get('client_secret') === secret || form.get('client_assertion') === assertion;
      return isKnown ? { access_token: accessToken, expires_in: 3_599 } : { error: 'invalid_client' };
    },
    connection: (origin) => (id) => ({
      ...{ id, scheme, url: 'https://management.azure.com/' },
      parameters: {
        tenantid: TENANT,
        serviceprincipalid: APPLICATION,
        ...(scheme === 'ServicePrincipal' && { serviceprincipalkey: secret }),
      },
      data: (name) => ({ environment: 'AzureCloud', environmentAuthorityUrl: origin })[name],
    }),
  };
}
