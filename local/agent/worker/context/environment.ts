import { delimiter } from 'node:path';
import type { ServiceConnection } from '../../types';
import type { Variable } from './variables';

export interface EnvironmentSources {
  /** The agent process's own environment. */
  readonly agent: NodeJS.ProcessEnv;
  /** The step's `env:`, expanded. */
  readonly step: Record<string, string>;
  readonly variables: Variable[];
  readonly inputs?: Map<string, string>;
  /** The connections that the step's inputs refer to. */
  readonly connections?: ServiceConnection[];
  /** How a task reaches the server itself; every task is given it. */
  readonly system?: { url: string; accessToken: string };
  readonly taskVariables?: Variable[];
  /** Folders put before PATH, in the order they came. */
  readonly prependedPaths: string[];
}

/** `build.buildId` as `BUILD_BUILDID`; hyphens stay. */
export function environmentName(name: string, preserveCase = false): string {
  const safe = name.replace(/[. ]/g, '_');
  return preserveCase ? safe : safe.toUpperCase();
}

/**
 * The environment of a task's process. Later parts win, in the agent's order (Handler.cs): a variable of the job
 * hides one of the same name in the step's `env:`.
 */
export function taskEnvironment(sources: EnvironmentSources): NodeJS.ProcessEnv {
  const { variables } = sources;
  const added: Record<string, string> = { ...sources.step, ...publicVariables(variables) };
  added.VSTS_PUBLIC_VARIABLES = JSON.stringify(
    variables.filter(({ secret }) => !secret).map(({ name }) => name),
  );
  const secrets = variables.filter(({ secret }) => secret);
  for (const { name, value, preserveCase } of secrets)
    added[`SECRET_${environmentName(name, preserveCase)}`] = value;
  added.VSTS_SECRET_VARIABLES = JSON.stringify(secrets.map(({ name }) => name));
  for (const [name, value] of sources.inputs ?? []) added[`INPUT_${environmentName(name)}`] = value;
  for (const connection of sources.connections ?? []) Object.assign(added, connectionVariables(connection));
  if (sources.system) Object.assign(added, systemConnection(sources.system));
  for (const { name, value, preserveCase } of sources.taskVariables ?? []) {
    added[`VSTS_TASKVARIABLE_${environmentName(name, preserveCase)}`] = value;
  }
  return finish(sources, added);
}

/** What the library of every Node task takes out of its environment, and so does not hand on to what it starts. */
const TAKEN_OUT = /^(INPUT|ENDPOINT_AUTH|SECUREFILE_TICKET|SECRET|VSTS_TASKVARIABLE)_/;

/**
 * The environment of a script: no secrets, no inputs, since the task that runs scripts takes them out, and with them
 * whatever variables are called alike.
 */
export function scriptEnvironment(sources: EnvironmentSources): NodeJS.ProcessEnv {
  const system: Record<string, string> = sources.system
    ? { ENDPOINT_URL_SYSTEMVSSCONNECTION: address(sources.system.url) }
    : {};
  const whole = finish(sources, { ...sources.step, ...publicVariables(sources.variables), ...system });
  return Object.fromEntries(Object.entries(whole).filter(([name]) => !TAKEN_OUT.test(name)));
}

function publicVariables(variables: Variable[]): Record<string, string> {
  const added: Record<string, string> = {};
  for (const { name, value, secret, preserveCase } of variables) {
    if (secret) continue;
    if (name.toLowerCase() === 'agent.jobstatus') added[name] = value;
    added[environmentName(name, preserveCase)] = value;
  }
  return added;
}

function finish(sources: EnvironmentSources, added: Record<string, string>): NodeJS.ProcessEnv {
  if (sources.prependedPaths.length > 0) {
    const jobPath = sources.variables.find(({ name }) => name.toLowerCase() === 'path')?.value;
    const path = jobPath ?? added.PATH ?? sources.agent.PATH ?? '';
    added.PATH = [...sources.prependedPaths.toReversed(), path].join(delimiter);
  }
  return { ...sources.agent, ...added, TF_BUILD: 'True' };
}

function connectionVariables(connection: ServiceConnection): Record<string, string> {
  const id = connection.id.toLowerCase();
  const data = connection.data ?? {};
  const added: Record<string, string> = {
    [`ENDPOINT_URL_${id}`]: address(connection.url),
    [`ENDPOINT_AUTH_${id}`]: JSON.stringify({ parameters: connection.parameters, scheme: connection.scheme }),
    [`ENDPOINT_AUTH_SCHEME_${id}`]: connection.scheme,
    [`ENDPOINT_DATA_${id}`]: JSON.stringify(data),
  };
  for (const [name, value] of Object.entries(connection.parameters)) {
    added[`ENDPOINT_AUTH_PARAMETER_${id}_${environmentName(name)}`] = value;
  }
  for (const [name, value] of Object.entries(data))
    added[`ENDPOINT_DATA_${id}_${environmentName(name)}`] = value;
  return added;
}

function systemConnection({
  url,
  accessToken,
}: {
  url: string;
  accessToken: string;
}): Record<string, string> {
  const id = 'SYSTEMVSSCONNECTION';
  return {
    [`ENDPOINT_URL_${id}`]: address(url),
    [`ENDPOINT_AUTH_${id}`]: JSON.stringify({ parameters: { AccessToken: accessToken }, scheme: 'OAuth' }),
    [`ENDPOINT_AUTH_SCHEME_${id}`]: 'OAuth',
    [`ENDPOINT_AUTH_PARAMETER_${id}_ACCESSTOKEN`]: accessToken,
  };
}

/** .NET's Uri writes `https://host` as `https://host/`. */
function address(url: string): string {
  return URL.canParse(url) ? new URL(url).href : url;
}

/** Parameters of a connection that are no secrets; all others are (MaskingUtil.cs of the agent). */
const PUBLIC_PARAMETERS = new Set(
  `role scope tenantid issuedat expiresat audience authenticationtype authorizationtype accesstokentype
  accesstokenfetchingmethod usewindowssecurity unsecured oauthaccesstokenissupplied completecallbackpayload
  acceptuntrustedcertificates`.split(/\s+/),
);

export function isSecretParameter(name: string): boolean {
  return !PUBLIC_PARAMETERS.has(name.toLowerCase());
}
