import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readServiceConnections } from '../../../local/agent/agent';

describe('A file of service connections', () => {
  let folder: string;
  let file: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'connections-'));
    file = join(folder, 'connections.yaml');
  });
  after(() => rmSync(folder, { recursive: true }));

  const read = (text: string) => {
    writeFileSync(file, text);
    return readServiceConnections(file);
  };

  it('has connections by name, and the organization that vouches for the pipeline', async () => {
    const found = await read(`
organization: { collectionUri: 'http://127.0.0.1:40000/demo/', accessToken: hunter2 }
connections:
  azure:
    id: 8a1c6bb0-5a3f-4a5e-9b0e-d0c7f0f5a111
    type: azurerm
    url: https://management.azure.com/
    scheme: WorkloadIdentityFederation
    parameters: { tenantid: a, serviceprincipalid: b }
    data: { environment: AzureCloud }
`);
    assert.deepEqual(found, {
      collectionUri: 'http://127.0.0.1:40000/demo/',
      accessToken: 'hunter2',
      serviceConnections: [
        {
          id: '8a1c6bb0-5a3f-4a5e-9b0e-d0c7f0f5a111',
          name: 'azure',
          type: 'azurerm',
          url: 'https://management.azure.com/',
          scheme: 'WorkloadIdentityFederation',
          parameters: { tenantid: 'a', serviceprincipalid: 'b' },
          data: { environment: 'AzureCloud' },
        },
      ],
    });
  });

  it('gives a connection an id that has none, and needs no organization', async () => {
    const { serviceConnections, ...rest } = await read('connections: { one: { type: Generic, url: u } }');
    assert.deepEqual(rest, {});
    const [{ id, ...connection }] = serviceConnections as unknown as [{ id: string }];
    assert.match(id, /^[\da-f-]{36}$/);
    assert.deepEqual(connection, {
      name: 'one',
      type: 'Generic',
      url: 'u',
      scheme: '',
      parameters: {},
      data: {},
    });
  });

  for (const [what, text, message] of [
    [
      'a key that it does not know',
      'azure: { type: azurerm }',
      /'azure' is not supported .* organization, connections/,
    ],
    [
      'a part of a connection that is misspelled',
      'connections: { one: { typ: a } }',
      /'typ' is not supported/,
    ],
    ['a list of connections', 'connections: [ one ]', /'connections'/],
  ] as const) {
    it(`is refused for ${what}`, async () => {
      await assert.rejects(read(text), message);
    });
  }
});
