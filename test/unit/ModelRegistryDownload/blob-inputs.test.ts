import assert from 'node:assert/strict';
import type { ServiceConnection } from '../../../tasks/common/agent';
import { readBlobInputs } from '../../../tasks/ModelRegistryDownload/blob-inputs';
import { FakeStep } from './support';

const KEY = Buffer.alloc(64, 1).toString('base64');
const SAS = 'sv=2026-02-06&st=2026-11-23T06%3A00%3A00Z&se=2026-11-24T06:00:00Z&sr=c&sp=rl&sig=a%2fb%2Bc%3D';
const STRING = `DefaultEndpointsProtocol=https;AccountName=contosomodels;AccountKey=${KEY};EndpointSuffix=core.chinacloudapi.cn`;

const AZURE: ServiceConnection = {
  id: 'azure-id',
  url: 'https://management.usgovcloudapi.net/',
  scheme: 'WorkloadIdentityFederation',
  parameters: { tenantid: 'tenant-id', serviceprincipalid: 'client-id' },
  data: (name) => ({ environment: 'AzureUSGovernment' })[name],
};

function read(inputs: Record<string, string>) {
  const step = new FakeStep('temp', inputs, {}, [AZURE]);
  const registry = readBlobInputs(step);
  step.inputs.check();
  return { registry, step };
}

const withSas = (sasToken: string, changes = {}) =>
  read({ authType: 'sasToken', storageAccount: 'contosomodels', sasToken, ...changes });
const withString = (connectionString: string, changes = {}) =>
  read({ authType: 'connectionString', connectionString, ...changes });
const withConnection = (changes = {}) =>
  read({
    authType: 'azureServiceConnection',
    storageAccount: 'contosomodels',
    azureServiceConnection: 'azure-id',
    ...changes,
  });

describe('the registry of a download', () => {
  it('is opened with an account key where nothing else is said', () => {
    const { registry } = read({ storageAccount: 'contosomodels', storageKey: KEY });
    assert.deepEqual(registry, {
      kind: 'blob',
      account: 'contosomodels',
      endpoint: 'https://contosomodels.blob.core.windows.net',
      signIn: { kind: 'accountKey', input: 'storageKey', key: KEY },
    });
  });

  for (const mark of ['', '?']) {
    it(`is opened with a shared access signature ${mark ? 'with' : 'without'} its question mark`, () => {
      assert.deepEqual(withSas(`${mark}${SAS}`).registry.signIn, {
        kind: 'sas',
        input: 'sasToken',
        token: SAS,
        starts: new Date('2026-11-23T06:00:00Z'),
        expires: new Date('2026-11-24T06:00:00Z'),
      });
    });
  }

  for (const token of ['sv=1&si=readers&sr=c&sig=x', 'sv=1&ss=bf&srt=sco&sp=rwdl&se=2027-01-01&sig=x']) {
    it(`is opened with the signature ${token}`, () => {
      assert.equal(withSas(token).registry.signIn.kind, 'sas');
    });
  }

  const strings: [what: string, text: string, account: string, endpoint: string, kind: string][] = [
    [
      'as the portal shows it',
      STRING,
      'contosomodels',
      'https://contosomodels.blob.core.chinacloudapi.cn',
      'accountKey',
    ],
    [
      'with an endpoint of its own',
      `AccountName=contosomodels;AccountKey=${KEY};BlobEndpoint=https://models.contoso.com/`,
      'contosomodels',
      'https://models.contoso.com',
      'accountKey',
    ],
    [
      'with a signature',
      `BlobEndpoint=https://contosomodels.blob.core.windows.net/;SharedAccessSignature=${SAS}`,
      'contosomodels',
      'https://contosomodels.blob.core.windows.net',
      'sas',
    ],
    [
      'of an emulator, with a signature',
      `BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;SharedAccessSignature=${SAS}`,
      'devstoreaccount1',
      'http://127.0.0.1:10000/devstoreaccount1',
      'sas',
    ],
    [
      'of the emulator by its short name',
      'UseDevelopmentStorage=true',
      'devstoreaccount1',
      'http://127.0.0.1:10000/devstoreaccount1',
      'accountKey',
    ],
  ];
  for (const [what, text, account, endpoint, kind] of strings) {
    it(`is opened with a connection string ${what}`, () => {
      const { registry } = withString(text);
      assert.deepEqual([registry.account, registry.endpoint], [account, endpoint]);
      assert.deepEqual([registry.signIn.kind, registry.signIn.input], [kind, 'connectionString']);
    });
  }

  it("is at 'blobEndpoint' as it is, but for slashes at its end", () => {
    const endpointOf = (blobEndpoint: string) => withString(STRING, { blobEndpoint }).registry.endpoint;
    assert.equal(
      endpointOf('http://127.0.0.1:10000/devstoreaccount1/'),
      'http://127.0.0.1:10000/devstoreaccount1',
    );
    assert.equal(endpointOf('https://models.contoso.com'), 'https://models.contoso.com');
  });

  it("is at 'blobEndpoint' where that is given, whatever a connection string says", () => {
    const { registry } = withString(STRING, { blobEndpoint: 'https://10.0.0.4/contosomodels' });
    assert.equal(registry.endpoint, 'https://10.0.0.4/contosomodels');
  });

  it('is opened with a service connection, in the cloud of that connection', () => {
    const { registry } = withConnection();
    assert.equal(registry.endpoint, 'https://contosomodels.blob.core.usgovcloudapi.net');
    assert.equal(registry.signIn.kind === 'entra' && registry.signIn.connection.tenantId, 'tenant-id');
  });

  it('may be on this machine when it is opened with a service connection', () => {
    const blobEndpoint = 'http://127.0.0.1:10000/contosomodels';
    assert.equal(withConnection({ blobEndpoint }).registry.endpoint, blobEndpoint);
  });

  it('is opened without anything where the container is public', () => {
    const { registry } = read({ authType: 'anonymous', storageAccount: 'contosomodels' });
    assert.deepEqual(registry, {
      kind: 'blob',
      account: 'contosomodels',
      endpoint: 'https://contosomodels.blob.core.windows.net',
      signIn: { kind: 'anonymous', input: 'authType' },
    });
  });

  for (const text of [
    'UseDevelopmentStorage=true',
    'UseDevelopmentStorage=True;',
    'usedevelopmentstorage=TRUE',
  ]) {
    it(`is the emulator by ${text}`, () => {
      assert.equal(withString(text).registry.endpoint, 'http://127.0.0.1:10000/devstoreaccount1');
    });
  }

  it('is the emulator where a connection string says that it is', () => {
    const text = 'UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://azurite';
    assert.equal(withString(text).registry.endpoint, 'http://azurite:10000/devstoreaccount1');
  });

  const wrongEndpoints: [address: string, message: RegExp][] = [
    [
      'https://m.dfs.core.windows.net',
      /Data Lake endpoint.*same data: https:\/\/m\.blob\.core\.windows\.net\./,
    ],
    [
      'https://m.dfs.core.windows.net/titanic',
      /Data Lake endpoint.*: https:\/\/m\.blob\.core\.windows\.net\./,
    ],
    ['https://m.z12.dfs.storage.azure.net', /: https:\/\/m\.z12\.blob\.storage\.azure\.net\./],
    ['https://m.file.core.windows.net', /file shares.*: https:\/\/m\.blob\.core\.windows\.net\./],
    ['https://m.queue.core.windows.net', /queues.*: https:\/\/m\.blob\.core\.windows\.net\./],
    ['https://m.table.core.chinacloudapi.cn', /tables.*: https:\/\/m\.blob\.core\.chinacloudapi\.cn\./],
    ['https://m.z6.web.core.windows.net', /static website.*: https:\/\/m\.blob\.core\.windows\.net\./],
    [
      'https://m.privatelink.blob.core.windows.net',
      /for DNS alone.*Give https:\/\/m\.blob\.core\.windows\.net,/,
    ],
    [
      'https://m.blob.core.windows.net/titanic',
      /goes on after.*Give https:\/\/m\.blob\.core\.windows\.net; the container/,
    ],
    ['https://m.blob.core.windows.net/titanic/?sv=1&sig=x', /holds more than an address/],
    ['abfss://titanic@m.dfs.core.windows.net/', /must be an address such as/],
    ['m.blob.core.windows.net', /must be an address such as/],
  ];
  for (const [address, message] of wrongEndpoints) {
    it(`is not at ${address}, in an input or in a connection string`, () => {
      const inputs = { storageAccount: 'm12', storageKey: KEY, blobEndpoint: address };
      assert.throws(() => read(inputs), { name: 'TaskError', message });
      assert.throws(() => read(inputs), /'blobEndpoint' (is|holds)/);
      if (!URL.canParse(address)) return;
      const text = `AccountName=m12;AccountKey=${KEY};BlobEndpoint=${address}`;
      assert.throws(() => withString(text), { name: 'TaskError', message });
      assert.throws(() => withString(text), /'connectionString' holds a BlobEndpoint that/);
    });
  }

  it('may be read from the secondary endpoint of a connection string, with a warning', () => {
    const text = `AccountName=m12;AccountKey=${KEY};BlobEndpoint=https://m12-secondary.blob.core.windows.net/`;
    assert.match(
      withString(text).step.text,
      /type=warning;\]'connectionString' leads to the account's secondary/,
    );
  });

  it('may be read from its secondary endpoint, with a warning', () => {
    const { step } = read({
      storageAccount: 'contosomodels',
      storageKey: KEY,
      blobEndpoint: 'https://contosomodels-secondary.blob.core.windows.net',
    });
    assert.match(step.text, /type=warning;\]'blobEndpoint' is the account's secondary endpoint/);
  });

  const refused: [what: string, attempt: () => unknown, message: RegExp][] = [
    [
      'no key',
      () => read({ storageAccount: 'contosomodels' }),
      /'storageKey' is missing \('authType' is accountKey\)/,
    ],
    ['no signature', () => withSas(''), /'sasToken' is missing \('authType' is sasToken\)/],
    ['no string', () => withString(''), /'connectionString' is missing/],
    [
      'no connection',
      () => withConnection({ azureServiceConnection: '' }),
      /'azureServiceConnection' is missing/,
    ],
    [
      'a strange connection',
      () => withConnection({ azureServiceConnection: 'x' }),
      /no such service connection/,
    ],
    ['a variable that is not there', () => withSas('$(storage-sas)'), /'sasToken' holds \$\(storage-sas\)/],
    [
      'an address',
      () => withSas(`https://contosomodels.blob.core.windows.net/titanic?${SAS}`),
      /what follows the question mark/,
    ],
    ['half a signature', () => withSas('sv=2026-02-06&sp=rl'), /is not whole/],
    ['a key for a signature', () => withSas(KEY), /is not whole/],
    [
      'a signature that may not list',
      () => withSas(SAS.replace('sp=rl', 'sp=r')),
      /lacks the permission List \(sp=r\)/,
    ],
    [
      'a signature that may only write',
      () => withSas(SAS.replace('sp=rl', 'sp=cw')),
      /lacks the permission Read and List/,
    ],
    ['a signature for a blob', () => withSas(SAS.replace('sr=c', 'sr=b')), /is for a single blob/],
    ['a signature for queues', () => withSas('ss=q&srt=sco&sp=rl&sig=x'), /not for the Blob service/],
    [
      'a signature for services alone',
      () => withSas('ss=b&srt=s&sp=rl&sig=x'),
      /not for containers and objects/,
    ],
    ['a key for a string', () => withString(KEY), /is not the connection string of a storage account/],
    [
      'a string without a secret',
      () => withString('AccountName=contosomodels'),
      /neither AccountKey nor SharedAccessSignature/,
    ],
    [
      'a string with half a key',
      () => withString('AccountName=contosomodels;AccountKey=*'),
      /does not hold an account key/,
    ],
    [
      'a string of another account',
      () => withString(STRING, { storageAccount: 'other' }),
      /is 'other', but 'connectionString' is for 'contosomodels'/,
    ],
    [
      'a string for a signature',
      () => withSas(STRING),
      /'sasToken' is a connection string\. Put it into 'connectionString'/,
    ],
    [
      'a string with a signature for a signature',
      () => withSas(`BlobEndpoint=https://contosomodels.blob.core.windows.net/;SharedAccessSignature=${SAS}`),
      /'sasToken' is a connection string/,
    ],
    [
      'a string for a key',
      () => read({ storageAccount: 'contosomodels', storageKey: STRING }),
      /'storageKey' is not an account key, but a connection string/,
    ],
    [
      'the endpoint of the Data Lake',
      () =>
        read({
          storageAccount: 'contosomodels',
          storageKey: KEY,
          blobEndpoint: 'https://contosomodels.dfs.core.windows.net',
        }),
      /Give its Blob endpoint, which has the same data: https:\/\/contosomodels\.blob\.core\.windows\.net\./,
    ],
    [
      'a token in the clear',
      () => withConnection({ blobEndpoint: 'http://models.contoso.com' }),
      /access token .* in the clear/,
    ],
  ];
  for (const [what, attempt, message] of refused) {
    it(`is not opened with ${what}`, () => {
      assert.throws(attempt, { name: 'TaskError', message });
    });
  }

  // Forms that were masked before in this process are not masked again, so each test has secrets of its own.
  const masked: [
    what: string,
    secrets: (unique: string) => { inputs: Record<string, string>; forms: string[] },
  ][] = [
    [
      'a key',
      (unique) => {
        const storageKey = Buffer.from(`key ${unique}>>>`).toString('base64');
        return {
          inputs: { storageAccount: 'contosomodels', storageKey },
          forms: [storageKey, encodeURIComponent(storageKey)],
        };
      },
    ],
    [
      'a shared access signature',
      (unique) => {
        const sasToken = `sp=rl&sr=c&sig=${unique}%2fb%3d`;
        return {
          inputs: { authType: 'sasToken', storageAccount: 'contosomodels', sasToken },
          forms: [sasToken, `${unique}%2fb%3d`, `${unique}/b=`, `${unique}%2Fb%3D`],
        };
      },
    ],
    [
      'a connection string with a key',
      (unique) => {
        const key = Buffer.from(`key of string ${unique}`).toString('base64');
        const connectionString = `AccountName=contosomodels;AccountKey=${key}`;
        return { inputs: { authType: 'connectionString', connectionString }, forms: [connectionString, key] };
      },
    ],
    [
      'a connection string with a signature',
      (unique) => {
        const sas = `sp=rl&sr=c&sig=${unique}%2Fb`;
        const connectionString = `BlobEndpoint=https://contosomodels.blob.core.windows.net;SharedAccessSignature=${sas}`;
        return {
          inputs: { authType: 'connectionString', connectionString },
          forms: [connectionString, sas, `${unique}%2Fb`, `${unique}/b`],
        };
      },
    ],
  ];
  for (const [index, [what, secrets]] of masked.entries()) {
    it(`has ${what} masked in every form`, () => {
      const { inputs, forms } = secrets(`unique${index}`);
      const { step } = read(inputs);
      for (const form of forms) {
        assert.ok(step.lines.includes(`##vso[task.setsecret]${form.replaceAll('%', '%AZP25')}`), form);
      }
      assert.ok(
        !step.lines.some(
          (line) => line.startsWith('##vso[task.debug]') && forms.some((form) => line.includes(form)),
        ),
      );
    });
  }
});
