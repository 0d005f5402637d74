import assert from 'node:assert/strict';
import { Headers } from 'node-fetch';
import type { HttpRequest } from '../../../tasks/common/http';
import { createLogger } from '../../../tasks/common/log';
import { requestOidcToken } from '../../../tasks/common/pipeline-oidc';

const JOB_URI =
  'https://dev.azure.com/org/project-id/_apis/distributedtask/hubs/build/plans/plan-id/jobs/job-id/oidctoken';

const JOB_VARIABLES = {
  'System.TeamFoundationCollectionUri': 'https://dev.azure.com/org/',
  'System.TeamProjectId': 'project-id',
  'System.HostType': 'build',
  'System.PlanId': 'plan-id',
  'System.JobId': 'job-id',
};

function job(variables: Record<string, string>, { status = 200, body }: { status?: number; body: string }) {
  const requests: HttpRequest[] = [];
  const lines: string[] = [];
  return {
    requests,
    lines,
    accessToken: 'job-token',
    variable: (name: string) => variables[name],
    log: createLogger((line) => lines.push(line)),
    http: {
      async send(request: HttpRequest) {
        requests.push(request);
        return { status, headers: new Headers(), body: Buffer.from(body) };
      },
    },
  };
}

describe("a token of Azure DevOps's own", () => {
  for (const [title, variables, id, url] of [
    [
      'for a connection',
      { 'System.OidcRequestUri': JOB_URI },
      'c-1',
      `${JOB_URI}?api-version=7.1&serviceConnectionId=c-1`,
    ],
    [
      'for the pipeline',
      { 'System.OidcRequestUri': JOB_URI },
      undefined,
      `${JOB_URI}?api-version=7.2-preview.1`,
    ],
    ['of a job that knows only its ids', JOB_VARIABLES, undefined, `${JOB_URI}?api-version=7.2-preview.1`],
  ] as const) {
    it(`${title} is asked for as the job, and masked`, async () => {
      const oidcToken = `oidc token ${title}`;
      const one = job(variables, { body: JSON.stringify({ oidcToken }) });
      assert.equal(await requestOidcToken(one, id), oidcToken);
      const { method, url: asked, headers, repeatable } = one.requests[0]!;
      assert.deepEqual([method, asked, repeatable], ['POST', url, true]);
      assert.equal(headers?.Authorization, 'Bearer job-token');
      assert.equal(headers?.['X-TFS-FedAuthRedirect'], 'Suppress');
      assert.ok(one.lines.includes(`##vso[task.setsecret]${oidcToken}`));
      assert.ok(one.lines.every((line) => line.startsWith('##vso[task.setsecret]')));
    });
  }

  for (const [title, id, answer, error] of [
    [
      'for a connection that the stage does not refer to',
      'c-1',
      {
        status: 400,
        body: '{"count":9,"value":"There is no explicit reference to service connection c-1."}',
      },
      /^TaskError: Azure DevOps gave no token for service connection c-1 \(HTTP 400\): There is no explicit reference to service connection c-1\. Check that the connection exists, and that this pipeline may use it/,
    ],
    [
      'in the form of an exception',
      undefined,
      { status: 404, body: '{"$id":"1","message":"No such job."}' },
      /no token for this pipeline \(HTTP 404\): No such job\. Federation works only/,
    ],
    [
      'when the job is over',
      undefined,
      { status: 401, body: '' },
      /\(HTTP 401\)\. The job's access token was not accepted/,
    ],
    [
      'with a success that holds none',
      'c-1',
      { status: 200, body: '{}' },
      /gave no token: .*Check for a proxy/,
    ],
  ] as const) {
    it(`that is refused ${title} says why`, async () => {
      await assert.rejects(requestOidcToken(job(JOB_VARIABLES, answer), id), error);
    });
  }

  it('cannot be asked for outside a job of Azure DevOps', async () => {
    const { 'System.PlanId': _, ...variables } = JOB_VARIABLES;
    await assert.rejects(
      requestOidcToken(job(variables, { body: '{}' })),
      /^TaskError: Variable System\.PlanId is not set/,
    );
  });
});
