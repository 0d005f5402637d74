import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceConnection } from '../../local/agent/agent';
import { succeeded } from '../../local/databricks/runs/outcome';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { type Entra, startEntra } from '../../local/entra/entra';
import { makeCertificate } from '../support/certificate';
import { errorsOf, runStep } from '../support/extension';

const TENANT = '8ac2f2a9-6a3c-4d52-8d8e-7b1f6c1d2e30';
const APPLICATION = '1f7a4a0e-6f5a-4c59-9a25-0b0f6c7b8d11';
const PRINCIPAL = '5b7c6f0a-2d3e-4f5a-8b9c-0d1e2f3a4b5c';
const CONNECTION = '0c9d8e7f-6a5b-4c3d-8e2f-1a0b9c8d7e6f';
const DATABRICKS = '2ff814a6-3304-4ab8-85cb-cd0e6f879c1d';
const JOB_TOKEN = 'access-token-of-this-job';
const CLIENT_SECRET = 'dose-secret-of-this-test';
const ENTRA_SECRET = 'entra-secret-of-this-test';
const CERTIFICATE = makeCertificate();

describe('DatabricksRunJob, packed, signs in', () => {
  let folder: string;
  let entra: Entra;
  let workspace: Workspace;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sign-in-'));
    writeFileSync(join(folder, 'train.py'), '# Databricks notebook source\nprint("training")\n');
    const issuer = 'https://vstoken.dev.azure.com/d0a3bd55-8a21-4b3a-93c7-2c1d32b4a6f1';
    entra = await startEntra({
      tenantId: TENANT,
      applications: [
        {
          clientId: APPLICATION,
          secret: ENTRA_SECRET,
          certificate: CERTIFICATE.certificate,
          federatedCredentials: [{ issuer, subject: 'sc://demo/local/azure' }],
        },
      ],
      accessToken: JOB_TOKEN,
      serviceConnections: [{ id: CONNECTION, name: 'azure' }],
      // Under the five minutes before its end at which a token is renewed: every request needs a new one.
      tokenLifetime: 60_000,
    });
    const policies = [undefined, 'azure'].map((name) => ({
      issuer: entra.oidcIssuer,
      subject: entra.oidcSubject(name),
    }));
    workspace = await startWorkspace({
      folder,
      timing: { pending: 1, terminating: 1, cancel: 1 },
      token: 'dapi-of-a-connection',
      isTokenValid: (token) =>
        token === 'dapi-of-a-connection' || entra.accessTokenClaims(token)?.aud === DATABRICKS,
      signIn: {
        servicePrincipals: [{ clientId: PRINCIPAL, secret: CLIENT_SECRET, federationPolicies: policies }],
        tokenLifetime: 60_000,
        oidcTokenClaims: (token) => entra.oidcTokenClaims(token),
      },
    });
    workspace.createJob(
      { name: 'train', tasks: [{ task_key: 'train', notebook_task: { notebook_path: '/train' } }] },
      { task: () => ({ outcome: succeeded() }) },
    );
  });

  after(async () => {
    await Promise.all([workspace.stop(), entra.stop()]);
    rmSync(folder, { recursive: true });
  });

  const azure = (scheme: string, parameters: Record<string, string> = {}): ServiceConnection => ({
    id: CONNECTION,
    name: 'azure',
    type: 'azurerm',
    url: 'https://management.azure.com/',
    scheme,
    parameters: { tenantid: TENANT, serviceprincipalid: APPLICATION, ...parameters },
    data: { environment: 'AzureCloud', environmentAuthorityUrl: `${entra.url}/` },
  });

  const run = (
    inputs: Record<string, string>,
    serviceConnections: ServiceConnection[] = [],
    variables: Record<string, string> = {},
  ) =>
    runStep(
      'DatabricksRunJob',
      { notebookFile: 'train.py', notebookPath: '/train', job: 'train', ...inputs },
      {
        sources: folder,
        serviceConnections,
        collectionUri: entra.collectionUri,
        accessToken: JOB_TOKEN,
        variables: { 'system.debug': 'true', ...variables },
      },
    );

  const ways: [
    title: string,
    inputs: () => Record<string, string>,
    connections?: () => ServiceConnection[],
  ][] = [
    [
      'by its own kind of service connection',
      () => ({ authType: 'databricksConnection', databricksConnection: 'databricks' }),
      () => [
        {
          id: CONNECTION,
          name: 'databricks',
          type: 'model-pipeline-databricks',
          url: workspace.url,
          scheme: 'Token',
          parameters: { apitoken: 'dapi-of-a-connection' },
        },
      ],
    ],
    [
      'by a service connection to Azure with a secret',
      () => ({
        authType: 'azureServiceConnection',
        azureServiceConnection: 'azure',
        databricksHost: workspace.url,
      }),
      () => [azure('ServicePrincipal', { serviceprincipalkey: ENTRA_SECRET })],
    ],
    [
      'by a service connection to Azure with a certificate',
      () => ({
        authType: 'azureServiceConnection',
        azureServiceConnection: 'azure',
        databricksHost: workspace.url,
      }),
      () => [
        azure('ServicePrincipal', {
          authenticationtype: 'spnCertificate',
          serviceprincipalcertificate: CERTIFICATE.pem,
        }),
      ],
    ],
    [
      'by a service connection to Azure with federation',
      () => ({
        authType: 'azureServiceConnection',
        azureServiceConnection: 'azure',
        databricksHost: workspace.url,
      }),
      () => [azure('WorkloadIdentityFederation')],
    ],
    [
      'as a service principal of Databricks',
      () => ({
        authType: 'servicePrincipal',
        clientId: PRINCIPAL,
        clientSecret: CLIENT_SECRET,
        databricksHost: workspace.url,
      }),
    ],
    [
      'by federation with the pipeline',
      () => ({ authType: 'federation', clientId: PRINCIPAL, databricksHost: workspace.url }),
    ],
    [
      'by federation with a service connection, for a policy of the account',
      () => ({ authType: 'federation', azureServiceConnection: 'azure', databricksHost: workspace.url }),
      () => [azure('WorkloadIdentityFederation')],
    ],
  ];
  for (const [title, inputs, connections] of ways) {
    it(`${title}, and shows none of the secrets`, async () => {
      const before = [workspace.requests.length, entra.requests.length];
      const step = await run(inputs(), connections?.());
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));

      const requests = [...workspace.requests.slice(before[0]), ...entra.requests.slice(before[1])];
      const tokens = new Set(
        requests.map(({ headers }) => headers.authorization?.replace(/^\w+ /, '') ?? ''),
      );
      tokens.delete('');
      const text = JSON.stringify(step);
      for (const secret of [...tokens, CLIENT_SECRET, ENTRA_SECRET]) assert.ok(!text.includes(secret));
      if (!title.includes('own kind')) assert.ok(tokens.size > 3, 'The token was renewed.');
    });
  }

  const refusals: [title: string, inputs: () => Record<string, string>, message: RegExp][] = [
    [
      'a wrong secret',
      () => ({ authType: 'servicePrincipal', clientId: PRINCIPAL, clientSecret: 'dose-wrong' }),
      /did not let the step sign in.*'clientSecret'/,
    ],
    [
      'a pipeline that nobody trusts',
      () => ({ authType: 'federation', clientId: 'somebody-else' }),
      /federation policy with the issuer 'https:\/\/vstoken.*subject 'p:\/\/demo\/local\/pipeline'/,
    ],
  ];
  for (const [title, inputs, message] of refusals) {
    it(`never with ${title}, and says what to do`, async () => {
      const step = await run({ ...inputs(), databricksHost: workspace.url });
      assert.equal(step.result, 'Failed');
      assert.match(errorsOf(step), message);
    });
  }

  describe('as an identity that is no user of the workspace yet', () => {
    const RESOURCE_ID =
      '/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/ml/providers/Microsoft.Databricks/workspaces/live';
    const CORE = 'https://management.core.windows.net';
    const signIn = (variables: Record<string, string>) =>
      run(
        {
          authType: 'azureServiceConnection',
          azureServiceConnection: 'azure',
          databricksHost: workspace.url,
        },
        [azure('ServicePrincipal', { serviceprincipalkey: ENTRA_SECRET })],
        variables,
      );

    before(() =>
      workspace.intercept(({ headers }) => {
        const token = String(headers['x-databricks-azure-sp-management-token']);
        const isManager = String(entra.accessTokenClaims(token)?.aud).startsWith(CORE);
        if (isManager && headers['x-databricks-azure-workspace-resource-id'] === RESOURCE_ID)
          return undefined;
        return { answer: { status: 403, body: { error_code: '403', message: 'User is not authorized.' } } };
      }),
    );
    after(() => workspace.intercept(() => undefined));

    it('by what it may do in Azure, where the workspace’s id there is known', async () => {
      assert.match(errorsOf(await signIn({})), /User is not authorized/);
      const step = await signIn({ DATABRICKS_AZURE_RESOURCE_ID: RESOURCE_ID });
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));
    });

    it('not by something else than an id', async () => {
      const step = await signIn({ DATABRICKS_AZURE_RESOURCE_ID: 'live' });
      assert.match(errorsOf(step), /DATABRICKS_AZURE_RESOURCE_ID, but that is 'live'.*portal/);
    });
  });
});
