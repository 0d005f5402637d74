import './output';

import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import library from 'azure-pipelines-task-lib/internal';
import { describeError, TaskError } from './errors';
import { readJson } from './json';
import type { NetworkSettings } from './network';
import { type AgentProxy, proxyRules } from './proxy';
import { secureContextOf } from './secure-context';

/*
 * What the agent tells a task, by azure-pipelines-task-lib: the part of it that reads the environment, since to load the whole
 * takes half as long as Node itself. It takes the inputs and all secrets out of the environment, so that no program which
 * the step starts inherits them, and prints every value that it reads as a debug line: hence the first line of this file.
 */
if (!library._vault) library._loadData();

/** What was taken out of the environment, by the name that it had there. */
function readTaken(name: string): string | undefined {
  return library._vault.retrieveSecret(name);
}

/** The value of an input as the agent passed it, trimmed; empty inputs are undefined. */
export function readInput(name: string): string | undefined {
  return readTaken(`INPUT_${library._getVariableKey(name)}`)?.trim() || undefined;
}

/** The value of a pipeline or agent variable, such as `Agent.TempDirectory`. */
export function readVariable(name: string): string | undefined {
  return library._getVariable(name) || undefined;
}

/** The pipeline's secret variables, by name: what no task may publish, also where it is not the task's own secret. */
export function readSecretVariables(): ReadonlyMap<string, string> {
  const secrets = new Map<string, string>();
  for (const { name, secret } of Object.values(library._knownVariableMap)) {
    const value = secret ? readVariable(name) : undefined;
    if (value) secrets.set(name, value);
  }
  return secrets;
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
  const authorization = readJson(readTaken(`ENDPOINT_AUTH_${id}`) ?? '') as Authorization | undefined;
  if (!authorization) return undefined;
  const parameters = Object.entries(authorization.parameters ?? {});
  return {
    id,
    url: process.env[`ENDPOINT_URL_${id}`] ?? '',
    scheme: authorization.scheme,
    parameters: Object.fromEntries(parameters.map(([name, value]) => [name.toLowerCase(), value])),
    data: (name) => process.env[`ENDPOINT_DATA_${id}_${name.toUpperCase()}`] || undefined,
  };
}

interface Authorization {
  readonly scheme: string;
  readonly parameters?: Readonly<Record<string, string>>;
}

/** `System.AccessToken`: every task is given it with its connection to the server, whatever the YAML maps. */
export function readAccessToken(): string | undefined {
  return readTaken('ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN') || undefined;
}

/**
 * How connections leave this agent, as it was configured, or as the step's environment says.
 *
 * @param maskSecret is told the secrets among that
 * @throws TaskError for settings that can't be used
 */
export function readNetworkSettings(
  maskSecret: (secret: string, username?: string) => void,
): NetworkSettings {
  const rules = proxyRules(readProxy(), process.env);
  const network: NetworkSettings = {
    proxyFor(url) {
      const proxy = rules(url);
      if (proxy?.login) maskSecret(proxy.login.password, proxy.login.username);
      return proxy;
    },
    tls: readCertificates(),
  };
  const { passphrase, ca, cert, pfx } = network.tls;
  if (passphrase) maskSecret(passphrase);
  if (ca ?? cert ?? pfx) {
    try {
      secureContextOf(network);
    } catch (error) {
      throw new TaskError(
        `The agent's certificates can't be used: ${describeError(error)}. They were given when the agent was configured (--sslcacert, --sslclientcert).`,
        { cause: error },
      );
    }
  }
  return network;
}

function readProxy(): AgentProxy | undefined {
  const url = readVariable('Agent.ProxyUrl');
  if (!url) return undefined;
  const bypass = readJson(readVariable('Agent.ProxyBypassList') ?? '');
  return {
    url,
    username: readVariable('Agent.ProxyUsername'),
    password: readVariable('Agent.ProxyPassword'),
    bypass: Array.isArray(bypass) ? bypass.filter((pattern) => typeof pattern === 'string') : [],
  };
}

function readCertificates(): NetworkSettings['tls'] {
  const authorities = [
    readFileOf(readVariable('Agent.CAInfo'), '--sslcacert'),
    readFileOf(process.env.NODE_EXTRA_CA_CERTS, 'NODE_EXTRA_CA_CERTS'),
  ].filter((file) => file !== undefined);
  const cert = readFileOf(readVariable('Agent.ClientCert'), '--sslclientcert');
  const key = readFileOf(readVariable('Agent.ClientCertKey'), '--sslclientcertkey');
  const archive =
    cert && key ? undefined : readFileOf(readVariable('Agent.ClientCertArchive'), '--sslclientcertarchive');
  const passphrase = readVariable('Agent.ClientCertPassword');
  return {
    // Node takes a list of authorities in place of its own list, not beside it.
    ...(authorities.length > 0 && { ca: [...rootCertificates, ...authorities.map(String)] }),
    ...(cert && key && { cert: String(cert), key: String(key) }),
    ...(archive && { pfx: archive }),
    ...(passphrase && { passphrase }),
    ...(readVariable('Agent.SkipCertValidation')?.toLowerCase() === 'true' && { rejectUnauthorized: false }),
  };
}

/** @param setting where the reader has named the file */
function readFileOf(file: string | undefined, setting: string): Buffer | undefined {
  if (!file) return undefined;
  try {
    return readFileSync(file);
  } catch (error) {
    throw new TaskError(
      `The file of certificates that ${setting} names can't be read: ${describeError(error)}. Put it there, or correct that setting.`,
      { cause: error },
    );
  }
}
