import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeJson } from '../../../local/databricks/json';
import type { Fault } from '../../../local/databricks/server';
import { root } from '../../../scripts/paths';
import type { DevOpsFault } from '../../support/azure-devops/organization';
import { startWorld, type World, type WorldOptions } from '../../support/set-up-world';

/** All that a whole set-up has in the end, in an order of its own. */
function inventory({ devOps, account, workspace }: World) {
  const { endpoints, groups, environments, checks, definitions, permits } = devOps.organization;
  return {
    endpoints: [...endpoints.values()].map(({ name }) => name),
    groups: [...groups.values()].map(({ name }) => name),
    environments: [...environments.values()].map(({ name }) => name),
    checks: checks.size,
    definitions: [...definitions.values()].map(({ name }) => name).sort(),
    permits: [...permits.values()].map((pipelines) => pipelines.size),
    credentials: account.credentials.length,
    files: [...workspace.catalog.files.keys()].sort(),
  };
}

const WHOLE = {
  endpoints: ['model-pipelines'],
  groups: ['shared-variables'],
  environments: ['models'],
  checks: 1,
  definitions: ['batcomputer', 'deploy-batcomputer', 'deploy-titanic', 'titanic'],
  permits: [4, 4, 4],
  credentials: 1,
  files: ['/Volumes/main/default/data/batcomputer.csv', '/Volumes/main/default/data/titanic.csv'],
};

const NOTHING = {
  endpoints: [],
  groups: [],
  environments: [],
  checks: 0,
  definitions: [],
  permits: [0, 0, 0],
  credentials: 0,
  files: [],
};

/** Names of the jobs of a workspace. */
async function jobsOf(world: World): Promise<string[]> {
  const { jobs = [] } = (await world.ask('/api/2.2/jobs/list')) as unknown as {
    jobs?: { settings: { name: string } }[];
  };
  return jobs.map(({ settings }) => settings.name).sort();
}

const JOBS = ['train-batcomputer-model', 'train-titanic-model'];

describe('deploy/set-up', function () {
  this.timeout(240_000);
  let world: World;

  async function begin(options?: WorldOptions): Promise<World> {
    world = await startWorld(options);
    return world;
  }

  afterEach(async () => {
    const { secrets, account } = world;
    const commands = account.commands.flat();
    for (const secret of secrets)
      assert.ok(!commands.some((word) => word.includes(secret)), 'a token in argv');
    await world.stop();
  });

  /** Runs it; whatever it says, it must say no token. */
  async function setUp(...options: string[]): Promise<{ exitCode: number; output: string }> {
    const done = await world.setUp(...options);
    for (const secret of world.secrets) assert.ok(!done.output.includes(secret), 'a token in the output');
    assert.doesNotMatch(done.output, /Traceback/);
    return { exitCode: done.exitCode ?? -1, output: done.output };
  }

  async function applied(...options: string[]): Promise<string> {
    const { exitCode, output } = await setUp('--apply', ...options);
    assert.equal(exitCode, 0, output);
    return output;
  }

  /** Lets something happen to the requests of both services, each told as `POST /path`. */
  function spoil(decide: (line: string) => (Fault & DevOpsFault) | undefined): void {
    world.workspace.intercept(({ method, path }) => decide(`${method} ${path}`));
    world.devOps.intercept(({ method, path }) => decide(`${method} ${path}`));
  }

  it('changes nothing without --apply, and says what it would do', async () => {
    await begin();
    const { exitCode, output } = await setUp();
    assert.equal(exitCode, 0, output);
    assert.deepEqual(world.changes(), []);
    assert.deepEqual(inventory(world), { ...NOTHING, permits: [] });
    assert.match(output, / {2}\+ service connection model-pipelines\n/);
    assert.match(
      output,
      /\d+ of these would be made or changed. Nothing has been changed: run it again with --apply/,
    );
  });

  it('makes all that the pipelines need, and starts one where it is told to', async () => {
    await begin();
    const output = await applied('--run', 'titanic');
    assert.deepEqual(inventory(world), WHOLE);
    assert.deepEqual(await jobsOf(world), JOBS);
    const { organization } = world.devOps;
    const [connection] = organization.endpoints.values();
    const { workloadIdentityFederationIssuer: issuer, workloadIdentityFederationSubject: subject } =
      connection!.authorization.parameters;
    assert.deepEqual(world.account.credentials, [
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
        'databricks-host': world.workspace.url,
        'storage-account': 'modelsstorage',
        'data-folder': '/Volumes/main/default/data',
        'resource-group': 'models',
        'serving-identity': world.account.outputs!.servingIdentityId,
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
    const { clientId, ask } = await begin();
    await applied();
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
    const { clientId } = await begin();
    await applied();
    const created = world.workspace.requests.filter(({ path }) => path === '/api/2.2/jobs/create');
    for (const [index, model] of ['titanic', 'batcomputer'].entries()) {
      const file = JSON.parse(
        readFileSync(join(root, `deploy/databricks/train-${model}-model.json`), 'utf8'),
      );
      assert.deepEqual(created[index]!.fields, { ...file, run_as: { service_principal_name: clientId } });
    }
  });

  it('does nothing when it is run again', async () => {
    await begin();
    await applied();
    const before = world.changes();
    const output = await applied();
    assert.deepEqual(world.changes(), before);
    assert.doesNotMatch(output, /^ {2}[+~!]/m);
  });

  it('leaves what people have changed of the variables, and puts its own back', async () => {
    await begin();
    await applied();
    const [group] = world.devOps.organization.groups.values();
    group!.variables.version = { value: '2.3.4' };
    group!.variables['runtime-image'] = { value: 'example.azurecr.io/runtime:1' };
    group!.variables['acr-name'] = { value: 'another' };
    const output = await applied();
    assert.match(output, /~ variable group shared-variables: has no or another value of acr-name/);
    const { variables } = [...world.devOps.organization.groups.values()][0]!;
    const held = (name: string) => variables[name].value;
    assert.deepEqual(['version', 'runtime-image', 'acr-name'].map(held), [
      '2.3.4',
      'example.azurecr.io/runtime:1',
      'modelsregistry',
    ]);
  });

  it('does not empty secret variables that people have added', async () => {
    await begin();
    await applied();
    const [group] = world.devOps.organization.groups.values();
    group!.variables.mine = { value: 'dose', isSecret: true };
    group!.variables['acr-name'] = { value: 'another' };
    const { exitCode, output } = await setUp('--apply');
    assert.equal(exitCode, 1);
    assert.match(output, /would empty its secret variables mine/);
    assert.equal([...world.devOps.organization.groups.values()][0]!.variables.mine.value, 'dose');
  });

  describe('whose requests fail', () => {
    const isChange = (line: string) => !/^(GET|HEAD)/.test(line);

    /** Spoils the first request of each kind. */
    function once(fault: Fault & DevOpsFault, isMeant: (line: string) => boolean = isChange): void {
      const seen = new Set<string>();
      spoil((line) => {
        const kind = line.replaceAll(/[\da-f-]{36}|\d+/g, '*');
        if (!isMeant(line) || seen.has(kind)) return undefined;
        seen.add(kind);
        return fault;
      });
    }

    for (const [what, fault] of Object.entries({
      'when answers are lost': { afterHandling: true },
      'when requests are lost': {},
      'when something in between answers': {
        afterHandling: true,
        answer: { status: 502, body: '<html>Bad gateway</html>' },
      },
      'when services are busy': { answer: { status: 429, headers: { 'Retry-After': '0' }, body: '{}' } },
    }) as [string, Fault & DevOpsFault][]) {
      it(`makes everything once ${what}`, async () => {
        await begin();
        once(fault);
        await applied('--patience', '60');
        assert.deepEqual(inventory(world), WHOLE);
        assert.deepEqual(await jobsOf(world), JOBS);
        spoil(() => undefined);
        const before = world.changes();
        await applied();
        assert.deepEqual(world.changes(), before);
        once(fault);
        const removed = await setUp('--remove', '--apply', '--patience', '60');
        assert.equal(removed.exitCode, 0, removed.output);
        assert.deepEqual(inventory(world), NOTHING);
        assert.deepEqual(await jobsOf(world), []);
      });
    }

    it('goes on where it was, whatever it broke off at', async () => {
      await begin();
      let left = 0;
      const step = 6;
      const refusal = { answer: { status: 400, body: JSON.stringify({ message: 'Not today.' }) } };
      for (let run = 1; run < 20; run += 1) {
        left = step;
        // Every other time, what was asked for is done, and the step ends without knowing.
        spoil((line) => {
          if (!isChange(line) || --left > 0) return undefined;
          return run % 2 === 0 ? refusal : { afterHandling: true, answer: { status: 502, body: '' } };
        });
        const { exitCode, output } = await setUp('--apply', '--patience', '0');
        if (exitCode === 0) break;
        assert.match(output, /Not today|502|does not show/);
      }
      spoil(() => undefined);
      await applied();
      assert.deepEqual(inventory(world), WHOLE);
      assert.deepEqual(await jobsOf(world), JOBS);
      const removed = await setUp('--remove', '--apply');
      assert.equal(removed.exitCode, 0, removed.output);
      assert.deepEqual(inventory(world), NOTHING);
      assert.deepEqual(await jobsOf(world), []);
    });

    it('says what is refused and shows no secret of it, nor a command to an agent', async () => {
      await begin();
      const words = `${world.secrets[1]} \u001b[31m##vso[task.setvariable variable=a]b`;
      spoil((line) =>
        /serviceendpoint/.test(line) && isChange(line)
          ? { answer: { status: 403, body: JSON.stringify({ message: `You may not, ${words}` }) } }
          : undefined,
      );
      const { exitCode, output } = await setUp('--apply');
      assert.equal(exitCode, 1);
      assert.match(output, /Azure DevOps refuses POST \S+ \(403\): You may not, \*\*\*/);
      assert.ok(!output.includes('##vso[') && !output.includes('\u001b'));
    });

    it('says to sign in again where the token is refused', async () => {
      await begin();
      world.account.tokens['499b84ac-1321-427f-aa17-267ca6975798'] = 'stale';
      const { exitCode, output } = await setUp('--apply');
      assert.equal(exitCode, 1);
      assert.match(output, /Sign in anew with 'az login'/);
      assert.deepEqual(world.changes(), []);
    });

    it('takes no answer without an end, and none that is not what was asked for', async () => {
      await begin();
      spoil((line) =>
        /ServicePrincipals/.test(line)
          ? { answer: { status: 200, body: '[1, {"Resources": 2}]' } }
          : undefined,
      );
      const wrong = await setUp('--apply');
      assert.deepEqual([wrong.exitCode, world.changes().length > 0], [1, true], wrong.output);
      spoil((line) => (/projects/.test(line) ? { answer: { status: 200, body: '"models"' } } : undefined));
      const { exitCode, output } = await setUp('--apply');
      assert.equal(exitCode, 1);
      assert.match(output, /An answer is not as it should be/);
    });
  });

  describe('beside what others have made', () => {
    it('changes nothing where something of theirs is in the way, and says all of it', async () => {
      await begin();
      const { organization } = world.devOps;
      organization.groups.set('50', {
        id: 50,
        name: 'shared-variables',
        type: 'Vsts',
        variables: { version: { value: '9' } },
      });
      world.workspace.createJob({
        name: 'train-titanic-model',
        tasks: [{ task_key: 'other', notebook_task: { notebook_path: '/x' } }],
      });
      const { exitCode, output } = await setUp('--apply');
      assert.equal(exitCode, 1);
      assert.deepEqual(world.changes(), []);
      assert.match(output, /Nothing has been changed/);
      assert.match(output, /The job train-titanic-model was not made by set-up/);
    });

    it('uses what is as it must be, and never removes it', async () => {
      await begin();
      await applied();
      // Somebody who has lost the note of it all: everything is another's from then on.
      const state = join(world.state, 'model-pipelines');
      assert.equal(readdirSync(state).length, 1);
      rmSync(state, { recursive: true });
      const before = world.changes();
      await applied();
      assert.deepEqual(world.changes(), before);
      const { output } = await setUp('--remove', '--apply');
      assert.match(output, /has made nothing here/);
      assert.deepEqual(inventory(world), WHOLE);
    });

    it('leaves what bears the name of what it had made, but is another', async () => {
      await begin();
      await applied();
      const { groups } = world.devOps.organization;
      const [[id, group]] = [...groups] as [[string, object]];
      groups.delete(id);
      groups.set('99', { ...group, id: 99 });
      const { exitCode, output } = await setUp('--remove', '--apply');
      assert.equal(exitCode, 0, output);
      assert.match(output, /variable group shared-variables: left, it is no longer the one/);
      assert.deepEqual(inventory(world).groups, ['shared-variables']);
    });

    it('leaves a volume that holds the files of others', async () => {
      await begin();
      await applied();
      world.workspace.catalog.put('/Volumes/main/default/data/theirs.csv', 'a,b');
      const { output } = await setUp('--remove', '--apply');
      assert.match(output, /volume main.default.data: left, it holds other files/);
      assert.deepEqual(inventory(world).files, ['/Volumes/main/default/data/theirs.csv']);
    });

    it('keeps the rights that others have on the same things', async () => {
      await begin();
      await applied();
      const token = { Authorization: `Bearer ${world.secrets[0]}` };
      const place = `${world.workspace.url}/api/2.1/unity-catalog/permissions/schema/main.default`;
      const changes = [{ principal: 'data.scientist@example.com', add: ['USE_SCHEMA'] }];
      await fetch(place, { method: 'PATCH', headers: token, body: JSON.stringify({ changes }) });
      await setUp('--remove', '--apply');
      const left = await world.ask('/api/2.1/unity-catalog/permissions/schema/main.default');
      assert.deepEqual(left.privilege_assignments, [
        { principal: 'data.scientist@example.com', privileges: ['USE_SCHEMA'] },
      ]);
    });
  });

  it('says what --remove would do, and does it with --apply', async () => {
    await begin();
    await applied();
    const before = world.changes();
    const dry = await setUp('--remove');
    assert.equal(dry.exitCode, 0);
    assert.deepEqual(world.changes(), before);
    const { exitCode, output } = await setUp('--remove', '--apply');
    assert.equal(exitCode, 0, output);
    assert.deepEqual(inventory(world), NOTHING);
    assert.deepEqual(await jobsOf(world), []);
    assert.equal(
      existsSync(join(world.state, 'model-pipelines')) &&
        readdirSync(join(world.state, 'model-pipelines')).length,
      0,
    );
    assert.match((await setUp('--remove', '--apply')).output, /has made nothing here/);
    await applied();
    assert.deepEqual(inventory(world).endpoints, ['model-pipelines']);
  });

  it('goes on removing when one thing can not be removed, and ends with a failure', async () => {
    await begin();
    await applied();
    spoil((line) =>
      /^DELETE .*environments/.test(line)
        ? { answer: { status: 403, body: '{"message":"You may not."}' } }
        : undefined,
    );
    const first = await setUp('--remove', '--apply');
    assert.equal(first.exitCode, 1);
    assert.match(first.output, /environment models: Azure DevOps refuses/);
    assert.deepEqual(inventory(world), { ...NOTHING, environments: ['models'] });
    spoil(() => undefined);
    assert.equal((await setUp('--remove', '--apply')).exitCode, 0);
    assert.deepEqual(inventory(world).environments, []);
  });

  it('removes the rest where the resource group is gone already', async () => {
    await begin();
    await applied();
    world.account.outputs = undefined;
    const { exitCode, output } = await setUp('--remove', '--apply');
    assert.equal(exitCode, 0, output);
    const { files: _files, credentials: _credentials, ...devOps } = inventory(world);
    const { files: _none, credentials: _zero, ...nothing } = NOTHING;
    assert.deepEqual(devOps, nothing);
  });

  it('finds what is on later pages of lists, the first of which may be empty', async () => {
    await begin({ organization: { pageSize: 1 }, workspace: { emptyPages: true } });
    for (const id of [71, 72, 73]) {
      world.devOps.organization.groups.set(String(id), {
        id,
        name: `other-${id}`,
        type: 'Vsts',
        variables: {},
      });
    }
    await applied();
    const before = world.changes();
    await applied();
    assert.deepEqual(world.changes(), before);
  });

  it('leaves the jobs to the pipeline where it may not let them run as the service principal', async () => {
    await begin();
    const body = JSON.stringify({
      error_code: 'PERMISSION_DENIED',
      message: 'You need servicePrincipal.user.',
    });
    spoil((line) => (/jobs\/create/.test(line) ? { answer: { status: 403, body } } : undefined));
    const output = await applied();
    assert.match(output, /- job train-titanic-model: the pipeline makes it at its first run/);
    assert.deepEqual(inventory(world), WHOLE);
    const classic = await setUp('--apply', '--compute', 'classic');
    assert.equal(classic.exitCode, 1);
    assert.match(classic.output, /Give yourself the role 'Service principal: User'/);
  });

  it('makes clusters of 17.3 LTS under a policy, where it is told to', async () => {
    await begin();
    await applied('--compute', 'classic');
    const { policies } = (await world.ask('/api/2.0/policies/clusters/list')) as unknown as {
      policies: Record<string, string>[];
    };
    const { definition, policy_id } = policies[0]!;
    assert.equal(JSON.parse(definition!).spark_version.value, '17.3.x-scala2.13');
    const { fields } = world.workspace.requests.find(({ path }) => path === '/api/2.2/jobs/create')!;
    assert.equal(fields.environments, undefined);
    const [cluster] = fields.job_clusters as { new_cluster: object; job_cluster_key: string }[];
    assert.deepEqual(cluster!.new_cluster, { ...cluster!.new_cluster, policy_id });
    assert.deepEqual((fields.tasks as object[])[0], {
      ...(fields.tasks as object[])[0],
      job_cluster_key: 'default',
    });
    const before = world.changes();
    await applied('--compute', 'classic');
    assert.deepEqual(world.changes(), before);
    await setUp('--remove', '--apply');
    assert.deepEqual(await world.ask('/api/2.0/policies/clusters/list'), { total_count: 0 });
  });

  it('links the Key Vault where the template has made one', async () => {
    await begin({ outputs: { vaultName: 'models-vault' } });
    const output = await applied();
    const { groups, definitions, endpoints } = world.devOps.organization;
    const secrets = [...groups.values()].find(({ name }) => name === 'shared-secrets')!;
    assert.equal(secrets.type, 'AzureKeyVault');
    assert.deepEqual(secrets.providerData, {
      serviceEndpointId: [...endpoints.keys()][0],
      vault: 'models-vault',
    });
    assert.deepEqual(Object.keys(secrets.variables), ['acr-password', 'databricks-token', 'storage-key']);
    assert.equal(definitions.size, 8);
    const { scopes } = (await world.ask('/api/2.0/secrets/scopes/list')) as unknown as {
      scopes: Record<string, unknown>[];
    };
    assert.equal(scopes[0]!.backend_type, 'AZURE_KEYVAULT');
    assert.equal(world.account.roles[0]!.role, 'Key Vault Secrets User');
    assert.match(output, /Put a token of Databricks into the Key Vault/);
    const before = world.changes();
    await applied();
    assert.deepEqual(world.changes(), before);
    await setUp('--remove', '--apply');
    assert.deepEqual(world.account.roles, []);
    assert.deepEqual(await world.ask('/api/2.0/secrets/scopes/list'), {});
  });

  describe('says first what is missing', () => {
    const cases: [string, WorldOptions, string[], RegExp][] = [
      ['a metastore', { workspace: { hasMetastore: false } }, [], /no Unity Catalog/],
      ['a project', {}, ['--project', 'nowhere'], /There is no project 'nowhere'/],
      ['a repository', {}, ['--repository', 'nowhere'], /has no repository 'nowhere'/],
      ['the code in it', {}, ['--repository', 'empty'], /is empty: push this repository/],
      ['an output of the template', { outputs: { acrName: '' } }, [], /has no output acrName/],
      [
        'TLS to a host',
        { outputs: { databricksHost: 'http://example.com' } },
        [],
        /no address to send a token to/,
      ],
      ['a connection to GitHub', {}, ['--github-connection', 'nowhere'], /no service connection 'nowhere'/],
      ['a part of a volume', {}, ['--volume', 'main.data'], /must be catalog\.schema\.name/],
    ];
    for (const [what, options, args, message] of cases) {
      it(what, async () => {
        await begin(options);
        const { exitCode, output } = await setUp('--apply', ...args);
        assert.equal(exitCode, 1);
        assert.match(output, message);
        assert.deepEqual(world.changes(), []);
      });
    }

    it('the deployment of the template', async () => {
      await begin();
      world.account.outputs = undefined;
      const { exitCode, output } = await setUp('--apply');
      assert.equal(exitCode, 1);
      assert.match(output, /Deploy the template first: docs\/set-up.md/);
    });

    it('a readable note of what was made', async () => {
      await begin();
      await applied();
      const folder = join(world.state, 'model-pipelines');
      const file = join(folder, readdirSync(folder)[0]!);
      assert.equal(statSync(file).mode & 0o077, 0);
      writeFileSync(file, '{"version": 1');
      const { exitCode, output } = await setUp('--remove', '--apply');
      assert.equal(exitCode, 1);
      assert.match(output, /can't be read/);
    });
  });

  it('leaves the extension to a person where it is not on offer', async () => {
    await begin({ organization: { marketplace: [] } });
    const output = await applied();
    assert.match(output, /- extension \S+: install it yourself: docs\/publishing.md says how/);
    assert.deepEqual(inventory(world), WHOLE);
  });

  it('reads pipelines from GitHub through a connection', async () => {
    await begin();
    world.devOps.organization.endpoints.set('github-id', { id: 'github-id', name: 'github', type: 'github' });
    await applied('--github-connection', 'github', '--repository', 'contoso/models');
    const { repository } = [...world.devOps.organization.definitions.values()][0]!;
    assert.equal(repository.type, 'GitHub');
    assert.equal(repository.properties.connectedServiceId, 'github-id');
  });
});
