import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { PASSWORD, registryApi, USERNAME } from '../support/docker-registry';
import { errorsOf } from '../support/extension';
import { skipWithout } from '../support/skip';
import { useEngine } from '../support/use-engine';

/*
 * What takes a buildx, and an engine or a BuildKit that can build for several platforms. Run by ./run, which starts
 * them.
 */

/** The driver that builds in the engine, and another, with a BuildKit of its own. */
const DRIVERS = process.env.CONTAINERD_STORE === 'true' ? (['docker', 'remote'] as const) : ['remote'];

describe('AcrBuildPush with buildx', function () {
  this.timeout(120_000);

  const engine = useEngine();
  const recipe = ['FROM scratch', 'ARG TARGETARCH', 'ENV ARCH=$TARGETARCH', 'COPY model.pkl /'];
  const builder = (driver: string) => `${driver}-${engine.run}`;
  const environment = (driver: string) => ({
    ...process.env,
    BUILDX_BUILDER: driver === 'docker' ? 'default' : builder(driver),
  });

  before(() => {
    const name = builder('remote');
    docker('buildx', 'create', '--name', name, '--driver', 'remote', process.env.BUILDKIT_ADDRESS!);
  });
  after(() => docker('buildx', 'rm', builder('remote')));

  for (const driver of DRIVERS) {
    it(`pushes an image for several platforms, built by the driver ${driver}, under all its tags`, async function () {
      skipWithout(this, 'skopeo');
      const repository = `several/${driver}`;
      const inputs = { repository, platform: 'linux/amd64,linux/arm64', tags: '1.0.0\nlatest' };
      const run = await engine.step(recipe, inputs, { environment: environment(driver) });
      assert.equal(run.result, 'Succeeded', errorsOf(run));
      const registry = registryApi(engine.host, repository);
      const { imageDigest } = run.outputVariables;
      for (const tag of ['1.0.0', 'latest']) assert.equal(await registry.digestOf(tag), imageDigest);

      const image = `docker://${engine.host}/${repository}@${imageDigest}`;
      const { annotations, manifests } = JSON.parse(skopeo('inspect', '--raw', image));
      assert.equal(annotations['org.opencontainers.image.version'], '1.0.0');
      assert.equal(manifests.length, 2);
      for (const architecture of ['amd64', 'arm64']) {
        const { config } = JSON.parse(skopeo('--override-arch', architecture, 'inspect', '--config', image));
        assert.ok(config.Env.includes(`ARCH=${architecture}`), String(config.Env));
        assert.equal(config.Labels['org.opencontainers.image.version'], '1.0.0');
      }
    });
  }

  it('publishes what a builder outside of the engine has built', async () => {
    const run = await engine.step(
      [...recipe, 'LABEL outside=yes'],
      { repository: 'outside' },
      { environment: environment('remote') },
    );
    assert.equal(run.result, 'Succeeded', errorsOf(run));
    assert.ok(run.log.some((line) => /^The engine gave the image in/.test(line)));
    const digest = await registryApi(engine.host, 'outside').digestOf('1.0.0');
    assert.equal(digest, run.outputVariables.imageDigest);
  });

  it('keeps its cache in the registry, and takes it from there', async () => {
    const cache = `${engine.host}/cached:cache`;
    const inputs = { repository: 'cached', cacheTo: cache, cacheFrom: cache };
    const first = await engine.step(recipe, inputs, { environment: environment('remote') });
    assert.equal(first.result, 'Succeeded', errorsOf(first));
    assert.ok(await registryApi(engine.host, 'cached').digestOf('cache'));
    const second = await engine.step(recipe, inputs, { environment: environment('remote') });
    assert.equal(second.result, 'Succeeded', errorsOf(second));
    assert.ok(second.log.some((line) => line.includes(`importing cache manifest from ${cache}`)));
  });
});

function docker(...args: string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function skopeo(...args: string[]): string {
  const at = args.indexOf('inspect') + 1;
  const access = ['--tls-verify=false', `--creds=${USERNAME}:${PASSWORD}`];
  return execFileSync('skopeo', [...args.slice(0, at), ...access, ...args.slice(at)], { encoding: 'utf8' });
}
