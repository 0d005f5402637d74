import './output';

import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import * as tl from 'azure-pipelines-task-lib/task';
import { METADATA_SERVICE, type NetworkSettings } from './network';

/*
 * What the agent tells a task, read through azure-pipelines-task-lib. The library prints every value that it reads as a
 * debug line, secrets too, and some as soon as it is loaded: hence the first line of this file.
 */

/** The value of an input as the agent passed it, trimmed; empty inputs are undefined. */
export function readInput(name: string): string | undefined {
  return tl.getInput(name)?.trim() || undefined;
}

/** The value of a pipeline or agent variable, such as `Agent.TempDirectory`. */
export function readVariable(name: string): string | undefined {
  return tl.getVariable(name) || undefined;
}

/** The pipeline's secret variables, by name: what no task may publish, also where it is not the task's own secret. */
export function readSecretVariables(): ReadonlyMap<string, string> {
  const secrets = tl.getVariables().filter((variable) => variable.secret && variable.value);
  return new Map(secrets.map(({ name, value }) => [name, value]));
}

/** A service connection as the agent handed it to this step; the names of what it holds may be asked for in any case. */
export interface ServiceConnection {
  readonly id: string;
  readonly url: string;
  /** How it signs in, such as `Token`, `UsernamePassword` or `ServicePrincipal`. */
  readonly scheme: string;
  /** What it signs in with, by names in lower case; most of it is secret. */
  readonly parameters: Readonly<Record<string, string>>;
  data(name: string): string | undefined;
}

/** The service connection with this id, if the step was given it: only those that its inputs name are. */
export function readServiceConnection(id: string): ServiceConnection | undefined {
  const authorization = tl.getEndpointAuthorization(id, true);
  if (!authorization) return undefined;
  const parameters = Object.entries(authorization.parameters ?? {});
  return {
    id,
    url: tl.getEndpointUrl(id, true) ?? '',
    scheme: authorization.scheme,
    parameters: Object.fromEntries(parameters.map(([name, value]) => [name.toLowerCase(), value])),
    data: (name) => tl.getEndpointDataParameter(id, name, true) || undefined,
  };
}

/** `System.AccessToken`: every task is given it with its connection to the server, whatever the YAML maps. */
export function readAccessToken(): string | undefined {
  return tl.getEndpointAuthorizationParameter('SYSTEMVSSCONNECTION', 'AccessToken', true) || undefined;
}

/** The network settings that the agent was configured with. */
export function readNetworkSettings(): NetworkSettings {
  const certificates = tl.getHttpCertConfiguration();
  return {
    proxyFor: (url) =>
      // The machine's own metadata service: what a proxy reaches under that address is another machine's.
      url.startsWith(METADATA_SERVICE) ? undefined : tl.getHttpProxyConfiguration(url)?.proxyFormattedUrl,
    tls: {
      // Node takes a list of authorities in place of its own list, not beside it.
      ...(certificates?.caFile && { ca: [...rootCertificates, readFileSync(certificates.caFile, 'utf8')] }),
      ...(certificates?.certFile && { cert: readFileSync(certificates.certFile, 'utf8') }),
      ...(certificates?.keyFile && { key: readFileSync(certificates.keyFile, 'utf8') }),
      ...(certificates?.passphrase && { passphrase: certificates.passphrase }),
      ...(readVariable('Agent.SkipCertValidation')?.toLowerCase() === 'true' && {
        rejectUnauthorized: false,
      }),
    },
  };
}
