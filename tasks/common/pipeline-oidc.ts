import { TaskError } from './errors';
import { bound } from './foreign-text';
import type { HttpAnswer, HttpClient } from './http';
import { readJsonObject } from './json';
import type { Logger } from './log';
import type { SignInLimits } from './renewal';
import { faultWithout } from './shape';

/** What a job knows of the server that runs it. */
export interface PipelineJob {
  readonly http: Pick<HttpClient, 'send'>;
  readonly log: Logger;
  readonly accessToken: string | undefined;
  variable(name: string): string | undefined;
}

/**
 * Asks Azure DevOps for a token that proves who is asking. It is good for about ten minutes, so a new one is needed at
 * each sign-in. Its subject is `sc://<organization>/<project>/<connection>` for a service connection that the step was
 * given, and `p://<organization>/<project>/<pipeline>` without one.
 *
 * @throws TaskError when the server gives none
 */
export async function requestOidcToken(
  job: PipelineJob,
  serviceConnectionId?: string,
  limits: SignInLimits = {},
): Promise<string> {
  const { http, log, accessToken, variable } = job;
  const url = new URL(variable('System.OidcRequestUri') ?? tokenAddress(variable));
  // Each of the two is what clients of long standing send: Azure's for connections, Databricks' for pipelines.
  url.searchParams.set('api-version', serviceConnectionId ? '7.1' : '7.2-preview.1');
  if (serviceConnectionId) url.searchParams.set('serviceConnectionId', serviceConnectionId);

  const answer = await http.send({
    method: 'POST',
    url: url.href,
    headers: {
      Authorization: `Bearer ${accessToken ?? ''}`,
      'Content-Type': 'application/json',
      // Has a refused token answered by an error, in place of a redirect to a page for signing in.
      'X-TFS-FedAuthRedirect': 'Suppress',
    },
    repeatable: true,
    ...limits,
  });
  const body = readJsonObject(answer.body);
  if (answer.status === 200 && typeof body.oidcToken !== 'string') {
    throw new TaskError(
      `${url.host} was asked to vouch for this pipeline, and gave no token: ${faultWithout('oidcToken', answer.body)}. Check for a proxy in between, and run the step again.`,
    );
  }
  if (typeof body.oidcToken !== 'string') throw refusal(answer, body, serviceConnectionId);
  log.maskSecret(body.oidcToken);
  return body.oidcToken;
}

function tokenAddress(variable: PipelineJob['variable']): string {
  const [collection, project, hub, plan, job] = [
    'System.TeamFoundationCollectionUri',
    'System.TeamProjectId',
    'System.HostType',
    'System.PlanId',
    'System.JobId',
  ].map((name) => {
    const value = variable(name);
    if (value) return value.replace(/\/+$/, '');
    throw new TaskError(
      `Variable ${name} is not set, so no federated token can be asked for. Workload identity federation works only in jobs of Azure DevOps Services.`,
    );
  });
  return `${collection}/${project}/_apis/distributedtask/hubs/${hub}/plans/${plan}/jobs/${job}/oidctoken`;
}

function refusal(
  { status }: HttpAnswer,
  body: Record<string, unknown>,
  serviceConnectionId: string | undefined,
): TaskError {
  const who = serviceConnectionId ? `service connection ${serviceConnectionId}` : 'this pipeline';
  // Errors come as `message`, or wrapped like a list.
  const words = [body.message, body.value].find((text) => typeof text === 'string');
  const reason = words ? `: ${bound(words as string, 500).replace(/[\s.]+$/, '')}` : '';
  const remedy =
    status === 401 || status === 302
      ? "The job's access token was not accepted; run the job again."
      : serviceConnectionId
        ? 'Check that the connection exists, and that this pipeline may use it (Project settings > Service connections).'
        : 'Federation works only in Azure DevOps Services; check that the job runs there.';
  return new TaskError(`Azure DevOps gave no token for ${who} (HTTP ${status})${reason}. ${remedy}`);
}
