import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startEntra } from '../../local/entra/entra';
import { type Registry, type RegistryOptions, startRegistry } from '../../local/registry/registry';
import { PASSWORD, registryApi, startDockerRegistry, USERNAME } from '../support/docker-registry';
import { errorsOf } from '../support/extension';
import { startTokenServer } from '../support/token-server';
import { useEngine } from '../support/use-engine';

describe('AcrBuildPush, with what a registry asks and holds', function () {
  this.timeout(120_000);

  const engine = useEngine();
  const { base, folder, step } = engine;

  const recipe = ['FROM scratch', 'ARG VERSION', 'ENV VERSION=$VERSION', 'COPY model.pkl /model.pkl'];

  /** Starts the local registry, whose admin user is `models`. */
  function startLocal(name: string, identities?: RegistryOptions['identities']): Promise<Registry> {
    const data = join(folder, name);
    mkdirSync(data);
    return startRegistry({
      folder: data,
      username: 'models',
      password: PASSWORD,
      ...(identities && { identities }),
    });
  }

  it('pushes to a registry that hands out tokens, as Azure Container Registry does', async () => {
    let registry: Registry | undefined;
    try {
      registry = await startLocal('tokens');
      const { result, outputVariables, ...rest } = await step(recipe, {
        acrName: 'models',
        acrUsername: '',
        loginServer: registry.loginServer,
        tags: '1.0.0\nlatest',
      });
      assert.equal(result, 'Succeeded', errorsOf({ result, outputVariables, ...rest }));
      assert.match(outputVariables.imageDigest ?? '', /^sha256:[0-9a-f]{64}$/);
      const writes = registry.requests.filter(
        ({ method, path }) => method === 'PUT' && /manifests/.test(path),
      );
      const [pushed, ...more] = writes.map(({ path }) => path.split('/').pop()!);
      assert.equal(pushed, outputVariables.imageDigest);
      assert.deepEqual(more.slice(-2), ['1.0.0', 'latest']);
      // What is attached to the image is there before a tag names it.
      assert.ok(more.slice(0, -2).every((reference) => reference.startsWith('sha256:')));
    } finally {
      await registry?.stop();
    }
  });

  it('pushes to a docker-registry with a token server in front, and mounts from its other repositories', async () => {
    const tokens = await startTokenServer({ name: USERNAME, password: PASSWORD });
    const [other, loginServer] = await startDockerRegistry(join(folder, 'token-registry'), tokens);
    const baseName = `${loginServer}/base:1`;
    try {
      const inputs = { loginServer, compression: 'gzip' };
      const lines = [`FROM ${base}`, 'COPY model.pkl /'];
      const first = await step(lines, { ...inputs, repository: 'base', tags: '1' });
      assert.equal(first.result, 'Succeeded', errorsOf(first));
      const second = await step([`FROM ${baseName}`, 'RUN echo > /made'], { ...inputs, repository: 'api' });
      assert.equal(second.result, 'Succeeded', errorsOf(second));
      assert.ok(second.log.some((line) => /^Layer 1 of 3 was mounted from 'base'/.test(line)));
      assert.ok(tokens.scopes.includes('repository:api:pull,push'));
      const wrong = await step(lines, { ...inputs, repository: 'base', acrPassword: 'wrong-password' });
      assert.match(errorsOf(wrong), /does not accept user 'robot'/);
    } finally {
      other.kill();
      await once(other, 'exit');
      tokens.stop();
    }
  });

  it('signs in with a service connection to Azure, and says what its identity lacks', async () => {
    const tenantId = '5f8c7c0e-0000-4000-8000-000000000001';
    const id = 'b9a4c1de-0000-4000-8000-000000000002';
    const [pusher, reader] = ['0aa1d0c4-0000-4000-8000-000000000003', '0aa1d0c4-0000-4000-8000-000000000004'];
    const entra = await startEntra({
      tenantId,
      applications: [pusher, reader].map((clientId) => ({ clientId, secret: 'app-s3cret' })),
    });
    let registry: Registry | undefined;
    try {
      registry = await startLocal('entra', {
        tenantId,
        claims: entra.accessTokenClaims,
        rights: (application) => (application === pusher ? ['pull', 'push'] : ['pull']),
      });
      const connection = (clientId: string) => ({
        id,
        name: 'azure',
        type: 'AzureRM',
        url: 'https://management.azure.com/',
        scheme: 'ServicePrincipal',
        parameters: {
          tenantid: tenantId,
          serviceprincipalid: clientId,
          authenticationtype: 'spnKey',
          serviceprincipalkey: 'app-s3cret',
        },
        data: { environment: 'AzureCloud', activeDirectoryAuthority: entra.url },
      });
      const inputs = {
        authType: 'azureServiceConnection',
        azureServiceConnection: 'azure',
        acrUsername: '',
        acrPassword: '',
        loginServer: registry.loginServer,
      };
      const good = await step(recipe, inputs, { serviceConnections: [connection(pusher)] });
      assert.equal(good.result, 'Succeeded', errorsOf(good));
      assert.match(good.outputVariables.imageDigest ?? '', /^sha256:/);
      const bad = await step(recipe, { ...inputs, tags: '2' }, { serviceConnections: [connection(reader)] });
      assert.match(errorsOf(bad), /knows this user, but does not let it push to 'titanic'.*role AcrPush/);
      assert.ok(!bad.log.some((line) => line.startsWith('Building with')));
    } finally {
      await registry?.stop();
      await entra.stop();
    }
  });

  it('locks what must not move, and builds nothing that would have to move it', async () => {
    let registry: Registry | undefined;
    try {
      registry = await startLocal('locks');
      const inputs = {
        acrName: 'models',
        acrUsername: '',
        loginServer: registry.loginServer,
        tags: '1.0.0\n{{major}}',
        lockTag: 'true',
      };
      const first = await step(recipe, inputs);
      assert.equal(first.result, 'Succeeded', errorsOf(first));
      assert.ok(first.log.some((line) => line.endsWith('Locked 1.0.0.')));
      const second = await step(recipe, inputs);
      assert.match(errorsOf(second), /titanic:1\.0\.0 exists and is locked, .* Nothing was built/);
      const third = await step(recipe, { ...inputs, tags: '1.0.1\n{{major}}' });
      assert.equal(third.result, 'Succeeded', errorsOf(third));
    } finally {
      await registry?.stop();
    }
  });

  it('refuses to lock tags where there are no locks, before it builds', async () => {
    const run = await step(recipe, { repository: 'unlockable', lockTag: 'true' });
    assert.match(errorsOf(run), /has no locks for tags/);
    assert.ok(!run.log.some((line) => line.startsWith('Building with')));
  });

  it('builds nothing when the tag is there and may stay', async () => {
    const first = await step(recipe, { repository: 'again' });
    assert.equal(first.result, 'Succeeded', errorsOf(first));
    const second = await step(recipe, { repository: 'again', ifTagExists: 'skip' });
    assert.equal(second.result, 'Succeeded', errorsOf(second));
    assert.equal(second.outputVariables.imageDigest, first.outputVariables.imageDigest);
    assert.equal(second.outputVariables.builder, 'none');
    assert.ok(!second.log.some((line) => line.startsWith('Building with')));
  });

  it('does not overwrite a tag that must not exist', async () => {
    const first = await step(recipe, { repository: 'once' });
    assert.equal(first.result, 'Succeeded', errorsOf(first));
    const second = await step([...recipe, 'ENV OTHER=1'], { repository: 'once', ifTagExists: 'fail' });
    assert.equal(second.result, 'Failed');
    assert.match(errorsOf(second), /once:1\.0\.0 exists already/);
    const registry = registryApi(engine.host, 'once');
    assert.equal(await registry.digestOf('1.0.0'), first.outputVariables.imageDigest);
  });
});
