import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { taskEnvironment } from '../../../local/agent/worker/context/environment';

const ID = '8a1c6bb0-5a3f-4a5e-9b0e-d0c7f0f5a111';

describe('what the agent tells a task', () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'agent-'));
  });

  after(() => rmSync(folder, { recursive: true }));

  /** The values of expressions over `agent.ts`, in a process as the agent starts it, which prints no secret by itself. */
  function evaluate(...expressions: string[]) {
    const code = `import('./tasks/common/agent.ts').then((agent) => fs.writeSync(1, JSON.stringify([${expressions}])))`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--eval', code], {
      encoding: 'utf8',
      env: taskEnvironment({
        agent: { PATH: process.env.PATH },
        step: {
          AGENT_TEMPDIRECTORY: folder,
          AGENT_PROXYURL: 'http://proxy.example:8080',
          DEBUG: '*',
        },
        variables: [],
        prependedPaths: [],
        system: { url: 'https://dev.azure.com/org/', accessToken: 'job-token' },
        connections: [
          {
            id: ID.toUpperCase(),
            name: 'azure',
            type: 'azurerm',
            url: 'https://management.azure.com/',
            scheme: 'ServicePrincipal',
            parameters: {
              tenantid: 't',
              authenticationType: 'spnKey',
              serviceprincipalkey: 'connection-key',
            },
            data: { environment: 'AzureCloud', SubscriptionId: 's' },
          },
        ],
      }),
    });
    // Neither task-lib nor console may print beside that.
    assert.equal(stderr, '');
    return JSON.parse(stdout);
  }

  it('is its service connections, the token of its job, and a way past the proxy to its own machine', () => {
    const read = `agent.readServiceConnection('${ID}')`;
    assert.deepEqual(
      evaluate(
        read,
        `${read}.data('environment')`,
        `${read}.data('subscriptionid')`,
        `${read}.data('other') === undefined`,
        "agent.readServiceConnection('other') === undefined",
        'agent.readAccessToken()',
        "agent.readNetworkSettings(() => {}).proxyFor('https://login.microsoftonline.com/').url",
        "agent.readNetworkSettings(() => {}).proxyFor('http://169.254.169.254/metadata') === undefined",
      ),
      [
        {
          id: ID,
          url: 'https://management.azure.com/',
          scheme: 'ServicePrincipal',
          parameters: { tenantid: 't', authenticationtype: 'spnKey', serviceprincipalkey: 'connection-key' },
        },
        'AzureCloud',
        's',
        true,
        true,
        'job-token',
        'http://proxy.example:8080/',
        true,
      ],
    );
  });
});
