import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../../local/processes';
import { root } from '../../../scripts/paths';
import { type ArmResource, type ArmTemplate, deployedResources, idOf } from '../../support/arm-template';
import { bicepPython } from '../../support/python';
import { skip } from '../../support/skip';

const FOLDER = join(root, 'deploy/azure');
const JUDGE = join(root, '..', 'shared', 'judges', 'arm');

const template: ArmTemplate = JSON.parse(readFileSync(join(FOLDER, 'main.json'), 'utf8'));

/** What people deploy: the first pass, the second, the seed's keys, and other places. */
const CHOICES: readonly [what: string, parameters: Record<string, unknown>][] = [
  ['the first pass', {}],
  ['the second pass', { federationIssuer: 'https://login.example/v2.0', federationSubject: '/eid1/c/pub/x' }],
  ['keys', { useKeys: true, databricksToken: 'a-token' }],
  ['keys without a token yet', { useKeys: true }],
  ['a container instance', { place: 'containerInstance', registrySku: 'Premium' }],
  ['Kubernetes', { place: 'kubernetes' }],
  ['logs and the longest name', { keepLogs: true, name: 'abcdefghij' }],
  ['one model', { models: ['gotham'] }],
];

const deployed = (given: Record<string, unknown>) => deployedResources(template, given);
const ofType = (resources: readonly ArmResource[], type: string) =>
  resources.filter((resource) => resource.type === type);
const rolesOf = (resources: readonly ArmResource[]) =>
  ofType(resources, 'Microsoft.Authorization/roleAssignments').map((assignment) => ({
    role: String(assignment.properties?.roleDefinitionId).split('/').at(-1)!,
    of: /'\{0\}-(\w+)'/.exec(String(assignment.properties?.principalId))?.[1],
    scope: assignment.scope?.split('/').slice(-2).join('/') ?? 'resource group',
  }));

describe('the template for Azure', () => {
  it('says in JSON what it says in Bicep', async function () {
    this.timeout(120_000);
    const { python } = await bicepPython().catch((error: Error) => skip(this, error.message));
    const made = await run(python, [join(root, 'scripts/bicep_to_arm.py'), join(FOLDER, 'main.bicep')]);
    assert.equal(made.exitCode, 0, made.output);
    assert.deepEqual(JSON.parse(made.output), template, 'npm run templates brings main.json up to date');
  });

  for (const [what, given] of CHOICES) {
    it(`has the types, versions, properties and values that Microsoft defines: ${what}`, async function () {
      if (!existsSync(JUDGE)) skip(this, "Microsoft's type definitions are not beside this checkout");
      const folder = mkdtempSync(join(tmpdir(), 'template-'));
      try {
        const file = join(folder, 'template.json');
        writeFileSync(file, JSON.stringify({ resources: deployed(given) }));
        const { exitCode, output } = await run('python3', [
          join(JUDGE, 'validate.py'),
          join(JUDGE, 'types'),
          file,
        ]);
        assert.equal(exitCode, 0, output);
        assert.match(output, / 0 errors, 0 warnings/);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    it(`names each resource once, and none that it does not make: ${what}`, () => {
      const resources = deployed(given);
      const ids = resources.map(idOf);
      assert.deepEqual(
        ids.filter((id, index) => ids.indexOf(id) !== index),
        [],
      );
      for (const { scope } of resources) assert.ok(!scope || ids.includes(scope), scope);
    });
  }

  it('refers to nothing that does not exist', () => {
    const made = new Set(template.resources.map(({ type }) => type));
    const text = JSON.stringify(template);
    for (const [, type] of text.matchAll(/(?<!subscriptionR|r)resourceId\('([^']+)'/g)) {
      assert.ok(made.has(type!), type);
    }
    for (const [, type, version] of text.matchAll(
      /(?:reference|listKeys|listCredentials)\(resourceId\('([^']+)'(?:[^()]|\([^()]*\))*\), '([\d-]+)'/g,
    )) {
      assert.ok(
        template.resources.some((resource) => resource.type === type && resource.apiVersion === version),
        `${type}@${version}`,
      );
    }
  });

  it('switches keys, the admin user and public blobs off unless they are asked for', () => {
    const [storage] = ofType(deployed({}), 'Microsoft.Storage/storageAccounts');
    const [registry] = ofType(deployed({}), 'Microsoft.ContainerRegistry/registries');
    assert.equal(storage!.properties!.allowSharedKeyAccess, false);
    assert.equal(storage!.properties!.allowBlobPublicAccess, false);
    assert.equal(registry!.properties!.adminUserEnabled, false);
    assert.deepEqual(ofType(deployed({}), 'Microsoft.KeyVault/vaults'), []);

    const withKeys = deployed({ useKeys: true, databricksToken: 'a-token' });
    assert.equal(
      ofType(withKeys, 'Microsoft.Storage/storageAccounts')[0]!.properties!.allowSharedKeyAccess,
      true,
    );
    assert.deepEqual(
      ofType(withKeys, 'Microsoft.KeyVault/vaults/secrets').map(({ name }) => name.split('/').at(-1)),
      ['storage-key', 'acr-password', 'databricks-token'],
    );
  });

  it('gives each identity what its task needs and no more', () => {
    const reader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1';
    const contributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe';
    const registry = `registries/models${'a'.repeat(13)}`;
    const always = [
      ...['titanic', 'batcomputer'].map((model) => ({
        role: reader,
        of: 'pipelines',
        scope: `containers/${model}`,
      })),
      ...['titanic', 'batcomputer'].map((model) => ({
        role: contributor,
        of: 'notebooks',
        scope: `containers/${model}`,
      })),
      { role: '8311e382-0749-4cb8-b61a-304f252e45ec', of: 'pipelines', scope: registry },
      { role: '7f951dda-4ed3-4680-a7ca-43fe172d538d', of: 'serving', scope: registry },
    ];
    const mayAssign = {
      role: 'f1a07417-d97a-45cb-824c-7a7467783830',
      of: 'pipelines',
      scope: 'userAssignedIdentities/models-serving',
    };
    const mayDeploy = (role: string) => ({ role, of: 'pipelines', scope: 'resource group' });
    assert.deepEqual(rolesOf(deployed({})), [
      ...always,
      mayDeploy('358470bc-b998-42bd-ab17-a7e34c199c0f'),
      mayAssign,
    ]);
    assert.deepEqual(rolesOf(deployed({ place: 'containerInstance' })), [
      ...always,
      mayDeploy('5d977122-f97e-4b4d-a52f-6b43003ddb4d'),
      mayAssign,
    ]);
    assert.deepEqual(rolesOf(deployed({ place: 'kubernetes' })), always);
  });

  it('trusts the service connection in the second pass, and nobody in the first', () => {
    const type = 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials';
    assert.deepEqual(ofType(deployed({}), type), []);
    const [credential] = ofType(deployed({ federationIssuer: 'https://i', federationSubject: 's' }), type);
    assert.deepEqual(credential!.properties, {
      issuer: 'https://i',
      subject: 's',
      audiences: ['api://AzureADTokenExchange'],
    });
  });

  it('gives no secret away in its outputs', () => {
    assert.doesNotMatch(JSON.stringify(template.outputs), /listKeys|listCredentials|databricksToken/);
    assert.equal(template.parameters.databricksToken!.type, 'securestring');
  });
});
