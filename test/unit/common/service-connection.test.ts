import assert from 'node:assert/strict';
import type { ServiceConnection } from '../../../tasks/common/agent';
import { InputReader } from '../../../tasks/common/inputs';
import { createLogger } from '../../../tasks/common/log';
import {
  readAzureConnection,
  readDatabricksConnection,
  readRegistryConnection,
} from '../../../tasks/common/service-connection';

const ID = '8a1c6bb0-5a3f-4a5e-9b0e-d0c7f0f5a111';
const TENANT = '72f988bf-0000-4000-8000-2d7cd011db47';
const CLIENT = 'c3b7a1f2-0000-4000-8000-9a1f5e3d7b11';

interface Given {
  readonly url?: string;
  readonly scheme: string;
  readonly parameters: Record<string, string>;
  readonly data?: Record<string, string>;
}

function step(given: Given | undefined, value = ID) {
  const lines: string[] = [];
  const connection: ServiceConnection | undefined = given && {
    id: ID,
    url: given.url ?? '',
    scheme: given.scheme,
    parameters: given.parameters,
    data: (name) => given.data?.[name],
  };
  const inputs = new InputReader(
    (name) => (name === 'connection' ? value || undefined : undefined),
    createLogger((line) => lines.push(line)),
    (id) => (id === ID ? connection : undefined),
  );
  const masked = () =>
    lines
      .map((line) => /^##vso\[task\.setsecret\](.*)$/.exec(line)?.[1])
      .filter((text) => text !== undefined);
  return { inputs, lines, masked };
}

const principal = { tenantid: TENANT, serviceprincipalid: CLIENT };
const azure: Given = {
  url: 'https://management.azure.com/',
  scheme: 'ServicePrincipal',
  parameters: { ...principal, authenticationtype: 'spnKey', serviceprincipalkey: 'first~secret' },
  data: {
    environment: 'AzureCloud',
    subscriptionid: 'sub-1',
    environmentAuthorityUrl: 'https://login.windows.net/',
  },
};

describe('a service connection to Azure', () => {
  it('says whom to sign in as, and where', () => {
    const { inputs } = step(azure);
    assert.deepEqual(readAzureConnection(inputs, 'connection'), {
      input: 'connection',
      id: ID,
      tenantId: TENANT,
      clientId: CLIENT,
      subscriptionId: 'sub-1',
      cloud: 'AzureCloud',
      authorityUrl: 'https://login.microsoftonline.com',
      resourceManagerUrl: 'https://management.azure.com',
      credential: { kind: 'secret', secret: 'first~secret' },
    });
    inputs.check();
  });

  for (const [title, scheme, parameters, credential] of [
    [
      'by a certificate',
      'ServicePrincipal',
      { authenticationtype: 'spnCertificate', serviceprincipalcertificate: 'PEM' },
      { kind: 'certificate', pem: 'PEM' },
    ],
    [
      'by a secret that does not call itself one',
      'serviceprincipal',
      { serviceprincipalkey: 'k3y-value' },
      { kind: 'secret', secret: 'k3y-value' },
    ],
    ['by workload identity federation', 'WorkloadIdentityFederation', {}, { kind: 'federation' }],
    ['as the machine', 'ManagedServiceIdentity', {}, { kind: 'managedIdentity' }],
  ] as const) {
    it(`signs in ${title}`, () => {
      const { inputs } = step({ scheme, parameters: { ...principal, ...parameters } });
      assert.deepEqual(readAzureConnection(inputs, 'connection')?.credential, credential);
      inputs.check();
    });
  }

  for (const [environment, login, management] of [
    [undefined, 'https://login.microsoftonline.com', 'https://management.azure.com'],
    ['AzureUSGovernment', 'https://login.microsoftonline.us', 'https://management.usgovcloudapi.net'],
    ['AzureChinaCloud', 'https://login.chinacloudapi.cn', 'https://management.chinacloudapi.cn'],
  ] as const) {
    it(`to ${environment ?? 'no cloud in particular'} signs in at ${login}`, () => {
      const { inputs } = step({ ...azure, url: '', data: environment ? { environment } : {} });
      const connection = readAzureConnection(inputs, 'connection')!;
      assert.deepEqual([connection.authorityUrl, connection.resourceManagerUrl], [login, management]);
    });
  }

  it('signs in at the host that it names itself', () => {
    const data = { environment: 'Private', environmentAuthorityUrl: 'https://login.private.example/' };
    const { inputs } = step({ ...azure, data });
    assert.equal(readAzureConnection(inputs, 'connection')?.authorityUrl, 'https://login.private.example');
  });

  it('masks its secret before anybody sees it, and hides no id', () => {
    const { inputs, masked } = step({
      ...azure,
      parameters: { ...azure.parameters, serviceprincipalkey: 'second~secret' },
    });
    readAzureConnection(inputs, 'connection');
    assert.ok(masked().includes('second~secret'));
    assert.ok(masked().includes(Buffer.from(`${CLIENT}:second~secret`).toString('base64')));
    assert.ok(!masked().some((value) => value === TENANT || value === CLIENT));
  });

  for (const [title, given, fault] of [
    [
      'that the step was not given',
      undefined,
      /^TaskError: Input 'connection' is '8a1c.*no such service connection/,
    ],
    [
      'that signs in otherwise',
      { scheme: 'PublishProfile', parameters: {} },
      /signs in by 'PublishProfile'. Use one of type Azure Resource Manager that .*federation, a secret, a certificate, or a managed identity/,
    ],
    [
      'without its secret',
      { scheme: 'ServicePrincipal', parameters: principal },
      /signs in by 'ServicePrincipal'. Use one/,
    ],
    [
      'to a cloud without a login host',
      { ...azure, data: { environment: 'AzureStack' } },
      /to the cloud 'AzureStack'. Use one to AzureCloud, AzureUSGovernment, AzureChinaCloud\./,
    ],
    [
      'without a tenant',
      { scheme: 'WorkloadIdentityFederation', parameters: { serviceprincipalid: CLIENT } },
      /lacks a tenant or an application/,
    ],
  ] as const) {
    it(`${title} is a mistake in its input`, () => {
      const { inputs } = step(given);
      assert.equal(readAzureConnection(inputs, 'connection'), undefined);
      assert.throws(() => inputs.check(), fault);
    });
  }

  it('that is not given is a missing input', () => {
    const { inputs } = step(azure, '');
    assert.equal(
      readAzureConnection(inputs, 'connection', "with authType 'azureServiceConnection'"),
      undefined,
    );
    assert.throws(
      () => inputs.check(),
      /^TaskError: Input 'connection' is missing \(with authType 'azureServiceConnection'\)/,
    );
  });
});

describe('a service connection to Databricks', () => {
  const url = 'https://adb-1.1.azuredatabricks.net/';
  const ways: [scheme: string, parameters: Record<string, string>, credential: object, secrets: string[]][] =
    [
      [
        'Token',
        { apitoken: 'dapi-of-a-connection' },
        { kind: 'token', token: 'dapi-of-a-connection' },
        ['dapi-of-a-connection'],
      ],
      [
        'UsernamePassword',
        { username: CLIENT, password: 'dose-of-a-connection' },
        { kind: 'servicePrincipal', clientId: CLIENT, clientSecret: 'dose-of-a-connection' },
        ['dose-of-a-connection', Buffer.from(`${CLIENT}:dose-of-a-connection`).toString('base64')],
      ],
      ['None', { clientid: CLIENT }, { kind: 'federation', clientId: CLIENT }, []],
      ['None', {}, { kind: 'federation', clientId: undefined }, []],
    ];
  for (const [scheme, parameters, credential, secrets] of ways) {
    it(`by ${scheme} with ${Object.keys(parameters).join(', ') || 'nothing'} says how to sign in, and hides what is secret`, () => {
      const { inputs, masked } = step({ url, scheme, parameters });
      assert.deepEqual(readDatabricksConnection(inputs, 'connection'), { id: ID, url, credential });
      for (const secret of secrets) assert.ok(masked().includes(secret), secret);
    });
  }

  const unfit: Given[] = [
    { url, scheme: 'Token', parameters: {} },
    { scheme: 'Token', parameters: { apitoken: 'dapi' } },
    { url, scheme: 'UsernamePassword', parameters: { username: CLIENT } },
    { url, scheme: 'Certificate', parameters: { certificate: 'c' } },
  ];
  for (const given of unfit) {
    it(`by ${given.scheme} with ${Object.keys(given.parameters).join(', ') || 'nothing'}${given.url ? '' : ' and no address'} is a mistake`, () => {
      const { inputs } = step(given);
      assert.equal(readDatabricksConnection(inputs, 'connection'), undefined);
      assert.throws(() => inputs.check(), /lacks an address, or a way to sign in/);
    });
  }
});

describe('a service connection to a registry', () => {
  it('is a host, a user and a masked password', () => {
    const { inputs, masked } = step({
      scheme: 'UsernamePassword',
      parameters: {
        registry: 'https://r.example/v1/',
        username: 'robot',
        password: 'pass of robot',
        email: 'a@b',
      },
      data: { registrytype: 'Others' },
    });
    assert.deepEqual(readRegistryConnection(inputs, 'connection'), {
      registry: 'https://r.example/v1/',
      username: 'robot',
      password: 'pass of robot',
    });
    assert.ok(masked().includes(Buffer.from('robot:pass of robot').toString('base64')));
    assert.ok(!masked().includes('robot'));
  });

  it('in Azure takes an application and its secret for user and password', () => {
    const { inputs } = step({
      scheme: 'ServicePrincipal',
      parameters: { ...principal, loginserver: 'Demo.azurecr.io', serviceprincipalkey: 'acr~secret' },
      data: { registrytype: 'ACR' },
    });
    assert.deepEqual(readRegistryConnection(inputs, 'connection'), {
      registry: 'demo.azurecr.io',
      username: CLIENT,
      password: 'acr~secret',
    });
  });

  it('in Azure without a secret hands over whom to sign in as', () => {
    const { inputs } = step({
      scheme: 'WorkloadIdentityFederation',
      parameters: { ...principal, loginserver: 'demo.azurecr.io' },
      data: { registrytype: 'ACR' },
    });
    const connection = readRegistryConnection(inputs, 'connection');
    assert.ok(connection && 'azure' in connection);
    assert.equal(connection.registry, 'demo.azurecr.io');
    assert.equal(connection.azure.credential.kind, 'federation');
  });

  it('without a password is a mistake', () => {
    const { inputs } = step({ scheme: 'None', parameters: { registry: 'https://r.example' } });
    assert.equal(readRegistryConnection(inputs, 'connection'), undefined);
    assert.throws(() => inputs.check(), /without a registry, user or password/);
  });
});
