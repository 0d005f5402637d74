import { readFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import { rootCertificates } from 'node:tls';
import * as tl from 'azure-pipelines-task-lib/task';

/*
 * What the agent tells a task, read through azure-pipelines-task-lib. The library echoes every value that it reads,
 * secrets too, as a debug line; so its own output goes nowhere and the task logs what is fit to be seen.
 */
tl.setStdStream(new Writable({ write: (_chunk, _encoding, done) => done() }));

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

/** How connections leave this agent: its proxy for a URL, its certificate authorities and its client certificate. */
export interface NetworkSettings {
  proxyFor(url: string): string | undefined;
  readonly tls: {
    ca?: string[];
    cert?: string;
    key?: string;
    passphrase?: string;
    rejectUnauthorized?: boolean;
  };
}

/** The network settings that the agent was configured with. */
export function readNetworkSettings(): NetworkSettings {
  const certificates = tl.getHttpCertConfiguration();
  return {
    proxyFor: (url) => tl.getHttpProxyConfiguration(url)?.proxyFormattedUrl,
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
