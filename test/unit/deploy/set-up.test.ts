import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeJson } from '../../../local/databricks/json';
import { run } from '../../../local/processes';
import { root } from '../../../scripts/paths';
import { inventory, JOBS, jobsOf, NOTHING, setUpSteps, WHOLE } from '../../support/set-up-steps';

describe('deploy/set-up', function () {
  this.timeout(240_000);
  const steps = setUpSteps();

  it('changes nothing without --apply, and says what it would do', async () => {
    await steps.begin();
    const { exitCode, output } = await steps.setUp();
    assert.equal(exitCode, 0, output);
    assert.deepEqual(steps.world.changes(), []);
    assert.deepEqual(inventory(steps.world), { ...NOTHING, permits: [] });
    assert.match(output, / {2}\+ service connection model-pipelines\n/);
    assert.match(
      output,
      /\d+ of these would be made or changed. Nothing has been changed: run it again with --apply/,
    );
  });

  it('does what docs/set-up.md says, command by command', async () => {
    await steps.begin();
    const page = readFileSync(join(root, 'docs/set-up.md'), 'utf8');
    const commands = [...page.matchAll(/^python3 deploy\/set-up (.*)$/gm)].map(([, options]) =>
      options!.split(' '),
    );
    assert.equal(commands.length, 3);
    for (const [index, options] of commands.entries()) {
      assert.deepEqual(options.slice(0, 4), [
        '--organization',
        'https://dev.azure.com/contoso',
        '--project',
        'models',
      ]);
      const { exitCode, output } = await steps.setUp(...options.slice(4));
      assert.equal(exitCode, 0, output);
      if (index === 0) assert.ok(page.includes(/\d+ of these .*$/m.exec(output)![0]), output);
      assert.deepEqual(inventory(steps.world), [{ ...NOTHING, permits: [] }, WHOLE, NOTHING][index]);
    }
  });

  it('makes all that the pipelines need, and starts one where it is told to', async () => {
    await steps.begin();
    const output = await steps.applied('--run', 'titanic');
    assert.deepEqual(inventory(steps.world), WHOLE);
    assert.deepEqual(await jobsOf(steps.world), JOBS);
    const { organization } = steps.world.devOps;
    const [connection] = organization.endpoints.values();
    const { workloadIdentityFederationIssuer: issuer, workloadIdentityFederationSubject: subject } =
      connection!.authorization.parameters;
    assert.deepEqual(steps.world.account.credentials, [
      { name: 'azure-devops', issuer, subject, audiences: ['api://AzureADTokenExchange'] },
    ]);
    const [check] = organization.checks.values();
    assert.deepEqual(check!.settings.approvers, [{ id: organization.userId }]);
    const [group] = organization.groups.values();
    assert.deepEqual(
      Object.fromEntries(
        Object.entries(group!.variables).map(([name, one]) => [name, (one as { value: string }).value]),
      ),
      {
        version: '1.0.0',
        'acr-name': 'modelsregistry',
        'databricks-host': steps.world.workspace.url,
        'storage-account': 'modelsstorage',
        'data-folder': '/Volumes/main/default/data',
        'resource-group': 'models',
        'serving-identity': steps.world.account.outputs!.servingIdentityId,
        'container-apps-environment': 'models-environment',
        location: 'westeurope',
      },
    );
    assert.deepEqual(
      organization.runs.map(({ resources, templateParameters }) => [resources, templateParameters]),
      [[{ repositories: { self: { refName: 'refs/heads/main' } } }, { place: 'containerApp' }]],
    );
    assert.match(output, /waits for your approval before it serves the model:\nhttps:\/\/dev\.azure\.com\//);
  });

  it('gives the service principal the rights that the tasks need, and no more', async () => {
    const { clientId, ask } = await steps.begin();
    await steps.applied();
    const { Resources } = (await ask('/api/2.0/preview/scim/v2/ServicePrincipals')) as unknown as {
      Resources: object[];
    };
    assert.equal(Resources.length, 1);
    const privileges = async (kind: string, name: string) => {
      const answer = await ask(`/api/2.1/unity-catalog/permissions/${kind}/${name}`);
      return answer.privilege_assignments;
    };
    const only = (...held: string[]) => [{ principal: clientId, privileges: held }];
    assert.deepEqual(await privileges('credential', 'model-registry'), only('ACCESS'));
    assert.deepEqual(await privileges('volume', 'main.default.data'), only('READ_VOLUME'));
    assert.deepEqual(await privileges('schema', 'main.default'), only('USE_SCHEMA'));
    assert.deepEqual(await privileges('catalog', 'main'), only('USE_CATALOG'));
    const { jobs } = (await ask('/api/2.2/jobs/list')) as unknown as { jobs: { job_id: bigint }[] };
    const text = writeJson(await ask(`/api/2.0/permissions/jobs/${jobs[0]!.job_id}`));
    assert.match(text, new RegExp(`"service_principal_name":"${clientId}"[^}]*\\}?[^}]*"CAN_MANAGE"`));
  });

  it('makes the jobs that the committed files say, as the service principal', async () => {
    const { clientId } = await steps.begin();
    await steps.applied();
    const created = steps.world.workspace.requests.filter(({ path }) => path === '/api/2.2/jobs/create');
    for (const [index, model] of ['titanic', 'batcomputer'].entries()) {
      const file = JSON.parse(
        readFileSync(join(root, `deploy/databricks/train-${model}-model.json`), 'utf8'),
      );
      assert.deepEqual(created[index]!.fields, { ...file, run_as: { service_principal_name: clientId } });
    }
  });

  it('does nothing when it is run again', async () => {
    await steps.begin();
    await steps.applied();
    const before = steps.world.changes();
    const output = await steps.applied();
    assert.deepEqual(steps.world.changes(), before);
    assert.doesNotMatch(output, /^ {2}[+~!]/m);
  });

  it('leaves what people have changed of the variables, and puts its own back', async () => {
    await steps.begin();
    await steps.applied();
    const [group] = steps.world.devOps.organization.groups.values();
    group!.variables.version = { value: '2.3.4' };
    group!.variables['runtime-image'] = { value: 'example.azurecr.io/runtime:1' };
    group!.variables['acr-name'] = { value: 'another' };
    const output = await steps.applied();
    assert.match(output, /~ variable group shared-variables: has no or another value of acr-name/);
    const { variables } = [...steps.world.devOps.organization.groups.values()][0]!;
    const held = (name: string) => variables[name].value;
    assert.deepEqual(['version', 'runtime-image', 'acr-name'].map(held), [
      '2.3.4',
      'example.azurecr.io/runtime:1',
      'modelsregistry',
    ]);
  });

  it('does not empty secret variables that people have added', async () => {
    await steps.begin();
    await steps.applied();
    const [group] = steps.world.devOps.organization.groups.values();
    group!.variables.mine = { value: 'dose', isSecret: true };
    group!.variables['acr-name'] = { value: 'another' };
    const { exitCode, output } = await steps.setUp('--apply');
    assert.equal(exitCode, 1);
    assert.match(output, /would empty its secret variables mine/);
    assert.equal([...steps.world.devOps.organization.groups.values()][0]!.variables.mine.value, 'dose');
  });

  it('finds what is on later pages of lists, the first of which may be empty', async () => {
    await steps.begin({ organization: { pageSize: 1 }, workspace: { emptyPages: true } });
    for (const id of [71, 72, 73]) {
      steps.world.devOps.organization.groups.set(String(id), {
        id,
        name: `other-${id}`,
        type: 'Vsts',
        variables: {},
      });
    }
    await steps.applied();
    const before = steps.world.changes();
    await steps.applied();
    assert.deepEqual(steps.world.changes(), before);
  });

  it('leaves the jobs to the pipeline where it may not let them run as the service principal', async () => {
    await steps.begin();
    const body = JSON.stringify({
      error_code: 'PERMISSION_DENIED',
      message: 'You need servicePrincipal.user.',
    });
    steps.spoil((line) => (/jobs\/create/.test(line) ? { answer: { status: 403, body } } : undefined));
    const output = await steps.applied();
    assert.match(output, /- job train-titanic-model: the pipeline makes it at its first run/);
    assert.deepEqual(inventory(steps.world), WHOLE);
    const classic = await steps.setUp('--apply', '--compute', 'classic');
    assert.equal(classic.exitCode, 1);
    assert.match(classic.output, /Give yourself the role 'Service principal: User'/);
  });

  it('makes clusters of 17.3 LTS under a policy, where it is told to', async () => {
    await steps.begin();
    await steps.applied('--compute', 'classic');
    const { policies } = (await steps.world.ask('/api/2.0/policies/clusters/list')) as unknown as {
      policies: Record<string, string>[];
    };
    const { definition, policy_id } = policies[0]!;
    assert.equal(JSON.parse(definition!).spark_version.value, '17.3.x-scala2.13');
    const { fields } = steps.world.workspace.requests.find(({ path }) => path === '/api/2.2/jobs/create')!;
    assert.equal(fields.environments, undefined);
    const [cluster] = fields.job_clusters as { new_cluster: object; job_cluster_key: string }[];
    assert.deepEqual(cluster!.new_cluster, { ...cluster!.new_cluster, policy_id });
    assert.deepEqual((fields.tasks as object[])[0], {
      ...(fields.tasks as object[])[0],
      job_cluster_key: 'default',
    });
    const before = steps.world.changes();
    await steps.applied('--compute', 'classic');
    assert.deepEqual(steps.world.changes(), before);
    await steps.setUp('--remove', '--apply');
    assert.deepEqual(await steps.world.ask('/api/2.0/policies/clusters/list'), { total_count: 0 });
  });

  it('links the Key Vault where the template has made one', async () => {
    await steps.begin({ outputs: { vaultName: 'models-vault' } });
    const output = await steps.applied();
    const { groups, definitions, endpoints } = steps.world.devOps.organization;
    const secrets = [...groups.values()].find(({ name }) => name === 'shared-secrets')!;
    assert.equal(secrets.type, 'AzureKeyVault');
    assert.deepEqual(secrets.providerData, {
      serviceEndpointId: [...endpoints.keys()][0],
      vault: 'models-vault',
    });
    assert.deepEqual(Object.keys(secrets.variables), ['acr-password', 'databricks-token', 'storage-key']);
    assert.equal(definitions.size, 8);
    const { scopes } = (await steps.world.ask('/api/2.0/secrets/scopes/list')) as unknown as {
      scopes: Record<string, unknown>[];
    };
    assert.equal(scopes[0]!.backend_type, 'AZURE_KEYVAULT');
    assert.equal(steps.world.account.roles[0]!.role, 'Key Vault Secrets User');
    assert.match(output, /Put a token of Databricks into the Key Vault/);
    const before = steps.world.changes();
    await steps.applied();
    assert.deepEqual(steps.world.changes(), before);
    await steps.setUp('--remove', '--apply');
    assert.deepEqual(steps.world.account.roles, []);
    assert.deepEqual(await steps.world.ask('/api/2.0/secrets/scopes/list'), {});
  });

  it('leaves the extension to a person where it is not on offer', async () => {
    await steps.begin({ organization: { marketplace: [] } });
    const output = await steps.applied();
    assert.match(output, /- extension \S+: install it yourself: docs\/publishing.md says how/);
    assert.deepEqual(inventory(steps.world), WHOLE);
  });

  it('reads pipelines from GitHub through a connection', async () => {
    await steps.begin();
    steps.world.devOps.organization.endpoints.set('github-id', {
      id: 'github-id',
      name: 'github',
      type: 'github',
    });
    await steps.applied('--github-connection', 'github', '--repository', 'contoso/models');
    const { repository } = [...steps.world.devOps.organization.definitions.values()][0]!;
    assert.equal(repository.type, 'GitHub');
    assert.equal(repository.properties.connectedServiceId, 'github-id');
  });
});

describe('the extension that deploy/set-up installs', () => {
  it('is asked for where Azure DevOps keeps it, whichever address the organization has', async () => {
    const organizations = {
      'https://dev.azure.com/contoso': 'https://extmgmt.dev.azure.com/contoso',
      'https://Dev.Azure.com/contoso/': 'https://extmgmt.dev.azure.com/contoso',
      'https://contoso.visualstudio.com': 'https://contoso.extmgmt.visualstudio.com',
      'https://tfs.example.com/tfs/Default': 'https://tfs.example.com/tfs/Default',
      'https://tfs.visualstudio.com.example:8443': 'https://tfs.visualstudio.com.example:8443',
    };
    const script = `
import sys
sys.path.insert(0, "${join(root, 'deploy/set-up')}")
from azure_devops import Extension
from rest import Service
for url in sys.argv[1:]:
    print(Extension(Service("Azure DevOps", url, lambda _: "", 1), "publisher", "name").service.url)
`;
    const { output } = await run('python3', ['-B', '-c', script, ...Object.keys(organizations)]);
    assert.deepEqual(output.trim().split('\n'), Object.values(organizations));
  });
});
