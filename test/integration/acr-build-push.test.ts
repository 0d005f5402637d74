import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { gunzipSync } from 'node:zlib';
import { findEngine } from '../../local/engine/engine';
import { startEntra } from '../../local/entra/entra';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { buildFolder } from '../../scripts/paths';
import { PASSWORD, startDockerRegistry, USERNAME } from '../support/docker-registry';
import { removeBuilt } from '../support/engine-builds';
import { errorsOf, runStep, type StepOptions } from '../support/extension';
import { startLine } from '../support/line';
import { importBaseImage } from '../support/shell-image';
import { skip } from '../support/skip';
import { startTokenServer } from '../support/token-server';

/** Labels all images of this run, so that they can be removed from the engine. */
const RUN = randomUUID();

describe('AcrBuildPush with a real engine', function () {
  this.timeout(120_000);

  const folder = mkdtempSync(join(tmpdir(), 'acr-build-push-'));
  const sources = join(folder, 'sources');
  const base = `model-pipelines-test-base:${RUN}`;
  let server: ChildProcess | undefined;
  let host: string;
  /** A docker configuration that may pull what the tests pushed. */
  const login = join(folder, 'login');

  before(async function () {
    const engine = await findEngine();
    if ('missing' in engine) skip(this, `no Docker engine: ${engine.missing}`);
    if (!isInstalled('docker-registry')) skip(this, 'docker-registry is not installed');
    mkdirSync(sources);
    importBaseImage(base, ['/usr/bin/head']);
    [server, host] = await startDockerRegistry(join(folder, 'registry'));
    mkdirSync(login);
    const auth = Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64');
    writeFileSync(join(login, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }));
  });

  after(async () => {
    if (server) {
      server.kill();
      await once(server, 'exit');
      removeBuilt('docker', `test-run=${RUN}`);
      docker('image', 'rm', '--force', base);
    }
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs the task on a Dockerfile with these lines, in the folder `api` of the sources. */
  function step(
    lines: readonly string[],
    inputs: Record<string, string> = {},
    options: Pick<StepOptions, 'environment' | 'serviceConnections'> = {},
  ) {
    const api = join(sources, 'api');
    mkdirSync(api, { recursive: true });
    writeFileSync(join(api, 'Dockerfile'), lines.join('\n'));
    writeFileSync(join(api, 'model.pkl'), 'a model');
    writeFileSync(join(api, 'left-out.pkl'), 'not for the image');
    writeFileSync(join(api, '.dockerignore'), '.dockerignore\nleft-out.pkl\n');
    return runStep(
      'AcrBuildPush',
      { ...defaults(), dockerfile: 'api/Dockerfile', ...inputs },
      { sources, workFolder: join(folder, 'agent'), ...options },
    );
  }

  function defaults() {
    return {
      loginServer: host,
      acrUsername: USERNAME,
      acrPassword: PASSWORD,
      repository: 'titanic',
      tags: '1.0.0',
      builder: 'docker',
      labels: `test-run=${RUN}`,
    };
  }

  const recipe = ['FROM scratch', 'ARG VERSION', 'ENV VERSION=$VERSION', 'COPY model.pkl /model.pkl'];

  for (const [builder, environment] of [
    ['the builder of the machine', process.env],
    ['BuildKit', buildKitEnvironment() ?? process.env],
    ['the legacy builder', { ...process.env, DOCKER_BUILDKIT: '0' }],
  ] as const) {
    it(`pushes what ${builder} built, under all its tags`, async () => {
      const repository = `team/${builder.replaceAll(' ', '-').toLowerCase()}`;
      const inputs = { repository, tags: '1.2.3+7\nlatest', buildArgs: 'UNUSED=1' };
      const {
        result,
        outputVariables: outputs,
        summaries,
        ...rest
      } = await step(recipe, inputs, { environment });

      assert.equal(result, 'Succeeded', errorsOf({ result, outputVariables: outputs, summaries, ...rest }));
      assert.equal(outputs.imageRef, `${host}/${repository}:1.2.3_7`);
      assert.equal(outputs.imageRefByDigest, `${host}/${repository}@${outputs.imageDigest}`);
      assert.equal(outputs.imageTags, '1.2.3_7,latest');
      const registry = registryApi(`http://${host}`, repository);
      assert.equal(await registry.digestOf('1.2.3_7'), outputs.imageDigest);
      assert.equal(await registry.digestOf('latest'), outputs.imageDigest);

      const { config, layers } = await registry.manifest('latest');
      const stored = [config, ...layers].reduce((sum, { size }) => sum + size, 0);
      assert.equal(outputs.imageSizeBytes, String(stored));
      const { config: image } = await registry.blob(config.digest);
      assert.ok(image.Env.includes('VERSION=1.2.3+7'), String(image.Env));
      assert.equal(image.Labels['org.opencontainers.image.version'], '1.2.3+7');
      assert.equal(image.Labels['test-run'], RUN);
      const { annotations } = await registry.manifest('latest');
      assert.equal(annotations['org.opencontainers.image.version'], '1.2.3+7');
      // A layer of another repository may have been mounted.
      const uploaded = Number(outputs.uploadedBytes);
      assert.ok(uploaded >= config.size && uploaded <= stored, outputs.uploadedBytes);
      docker('--config', login, 'pull', outputs.imageRefByDigest!);
      assert.match(readFileSync(summaries[0]!.path, 'utf8'), new RegExp(`@${outputs.imageDigest}`));
    });
  }

  for (const [builder, environment] of [
    ['BuildKit', buildKitEnvironment() ?? process.env],
    ['the legacy builder', { ...process.env, DOCKER_BUILDKIT: '0' }],
  ] as const) {
    for (const compression of ['gzip', 'none'] as const) {
      it(`has docker and skopeo read byte for byte what ${builder} built (compression: ${compression})`, async function () {
        if (!isInstalled('skopeo')) skip(this, 'skopeo is not installed');
        const repository = `bytes/${builder.replaceAll(' ', '-').toLowerCase()}-${compression}`;
        const lines = [`FROM ${base}`, `RUN echo ${randomUUID()} > /made`, 'COPY model.pkl /models/'];
        const first = await step(lines, { repository, compression }, { environment });
        assert.equal(first.result, 'Succeeded', errorsOf(first));
        assert.ok(first.log.some((line) => /^The engine gave the image in/.test(line)));
        const { imageRef, imageRefByDigest, uploadedBytes, imageSizeBytes } = first.outputVariables;
        assert.equal(uploadedBytes, imageSizeBytes);
        const [built] = JSON.parse(docker('image', 'inspect', imageRef!));

        const copy = join(folder, 'copies', repository);
        mkdirSync(copy, { recursive: true });
        const access = ['--src-tls-verify=false', `--src-creds=${USERNAME}:${PASSWORD}`];
        const source = `docker://${imageRefByDigest}`;
        execFileSync('skopeo', ['--insecure-policy', 'copy', '--quiet', ...access, source, `dir:${copy}`]);
        const { config, layers } = JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8'));
        assert.equal(config.digest, built.Id);
        const tars = layers.map(({ digest }: Part) => {
          const blob = readFileSync(join(copy, digest.replace('sha256:', '')));
          return compression === 'gzip' ? gunzipSync(blob) : blob;
        });
        assert.deepEqual(
          tars.map((tar: Buffer) => `sha256:${createHash('sha256').update(tar).digest('hex')}`),
          built.RootFS.Layers,
        );

        docker('image', 'rm', imageRef!);
        docker('--config', login, 'pull', '--quiet', imageRefByDigest!);
        assert.equal(docker('image', 'inspect', '--format', '{{.Id}}', imageRefByDigest!), built.Id);
        const read = ['sh', '-c', 'read -r model < /models/model.pkl || echo "$model"'];
        assert.equal(docker('run', '--rm', imageRefByDigest!, ...read), 'a model');
        docker('image', 'rm', imageRefByDigest!);

        // The same layers in another image: only its configuration is new.
        const again = await step(lines, { repository, compression, tags: '1.0.1\nlatest' }, { environment });
        assert.equal(again.result, 'Succeeded', errorsOf(again));
        const third = await step(lines, { repository, compression, tags: '1.0.2\nlatest' }, { environment });
        assert.equal(third.result, 'Succeeded', errorsOf(third));
        assert.ok(Number(third.outputVariables.uploadedBytes) < 10_000, third.outputVariables.uploadedBytes);
      });
    }
  }

  it('sends a layer whose line broke without reading the image again', async () => {
    const line = await startLine(host);
    try {
      const lines = [
        `FROM ${base}`,
        `RUN head -c 12000000 /dev/zero > /made && echo ${randomUUID()} >> /made`,
      ];
      // Of a layer too large for a single request, in its own connection: no other carries as much.
      line.breakAfter(9_000_000, 'cut');
      const run = await step(lines, {
        repository: 'broken-line',
        compression: 'none',
        loginServer: line.host,
      });
      assert.equal(run.result, 'Succeeded', errorsOf(run));
      const log = run.log.join('\n');
      assert.match(log, /The upload of Layer \d of 2 broke off/);
      // This registry drops uploads that broke off.
      assert.match(log, /has nothing of Layer \d of 2; it is sent from its beginning/);
      assert.equal(log.match(/^The engine gave the image in/gm)?.length, 1);
      const registry = registryApi(`http://${host}`, 'broken-line');
      assert.equal(await registry.digestOf('1.0.0'), run.outputVariables.imageDigest);
    } finally {
      line.stop();
    }
  });

  it("has docker push by itself where it need not read a large base image's layers", async () => {
    const large = `model-pipelines-test-large:${RUN}`;
    const archive = join(folder, 'large.tar');
    const content = join(folder, 'large');
    mkdirSync(content);
    writeFileSync(join(content, 'zeros'), Buffer.alloc(120_000_000));
    execFileSync('tar', ['-C', content, '-cf', archive, '.']);
    docker('import', archive, large);
    const legacy = { ...process.env, DOCKER_BUILDKIT: '0' };
    try {
      for (const environment of [legacy, buildKitEnvironment() ?? legacy]) {
        const run = await step(
          [`FROM ${large}`, 'COPY model.pkl /'],
          { repository: 'large' },
          { environment },
        );
        assert.equal(run.result, 'Succeeded', errorsOf(run));
        const said =
          /^Only .* of the image's 120 MB were built on its base image.* So docker pushes the image by itself\.$/;
        assert.ok(run.log.some((line) => said.test(line)));
        const registry = registryApi(`http://${host}`, 'large');
        const { annotations } = await registry.manifest('1.0.0');
        assert.equal(annotations['org.opencontainers.image.version'], '1.0.0');
      }
    } finally {
      docker('image', 'rm', '--force', large);
    }
  });

  it('pushes to a registry that hands out tokens, as Azure Container Registry does', async () => {
    let registry: Registry | undefined;
    try {
      mkdirSync(join(folder, 'tokens'));
      registry = await startRegistry({
        folder: join(folder, 'tokens'),
        username: 'models',
        password: PASSWORD,
      });
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
      assert.deepEqual(
        writes.map(({ path }) => path.split('/').pop()),
        ['1.0.0', 'latest'],
      );
    } finally {
      await registry?.stop();
    }
  });

  it('pushes to a docker-registry with a token server in front, and mounts from its other repositories', async () => {
    const tokens = await startTokenServer();
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
      mkdirSync(join(folder, 'entra'));
      registry = await startRegistry({
        folder: join(folder, 'entra'),
        username: 'models',
        password: PASSWORD,
        identities: {
          tenantId,
          claims: entra.accessTokenClaims,
          rights: (application) => (application === pusher ? ['pull', 'push'] : ['pull']),
        },
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
      mkdirSync(join(folder, 'locks'));
      registry = await startRegistry({
        folder: join(folder, 'locks'),
        username: 'models',
        password: PASSWORD,
      });
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
    const registry = registryApi(`http://${host}`, 'once');
    assert.equal(await registry.digestOf('1.0.0'), first.outputVariables.imageDigest);
  });

  it('builds without a push, and then needs no credentials', async () => {
    const run = await step(recipe, { push: 'false', acrPassword: '', acrUsername: '', repository: 'local' });
    assert.equal(run.result, 'Succeeded', errorsOf(run));
    assert.equal(run.outputVariables.imageRef, `${host}/local:1.0.0`);
    assert.equal(await registryApi(`http://${host}`, 'local').digestOf('1.0.0'), undefined);
  });

  it('gives a build its secrets, and leaves nothing of them in image, history, log or files', async function () {
    const environment = buildKitEnvironment();
    if (!environment) skip(this, 'no docker with BuildKit');
    const canary = `canary-${randomUUID()}`;
    const run = await step(
      [
        `FROM ${base}`,
        'RUN --mount=type=secret,id=token read -r value < /run/secrets/token; [ "$value" != "" ] && echo > /seen',
        'RUN read -r seen < /seen',
      ],
      { repository: 'secretive', buildSecrets: `token=${canary}` },
      { environment },
    );
    assert.equal(run.result, 'Succeeded', errorsOf(run));
    const image = run.outputVariables.imageRef!;
    assert.ok(!docker('history', '--no-trunc', image).includes(canary));
    assert.ok(!docker('image', 'inspect', image).includes(canary));
    const content = execFileSync('docker', ['save', image], {
      maxBuffer: 1e9,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    assert.ok(!content.includes(canary));
    assert.ok(!run.log.join('\n').includes(canary));
    for (const file of filesBelow(join(folder, 'agent'))) {
      assert.ok(!readFileSync(file).includes(canary), file);
    }
  });

  it('refuses secrets that the builder would ignore, before it builds', async () => {
    const environment = { ...process.env, DOCKER_BUILDKIT: '0' };
    const run = await step(recipe, { repository: 'ignored', buildSecrets: 'token=abcdef' }, { environment });
    assert.match(errorsOf(run), /Input 'buildSecrets' needs BuildKit.*Take DOCKER_BUILDKIT=0 out/);
    assert.ok(!run.log.some((line) => line.startsWith('Building with')));
  });

  it('uses the cache that travels in an image', async function () {
    const environment = buildKitEnvironment();
    if (!environment) skip(this, 'no docker with BuildKit');
    const inputs = { repository: 'cached', cacheTo: 'inline', cacheFrom: 'cached:1.0.0' };
    const lines = [`FROM ${base}`, `RUN echo ${RUN} > /made`];
    const first = await step(lines, inputs, { environment });
    assert.equal(first.result, 'Succeeded', errorsOf(first));
    const second = await step(lines, inputs, { environment });
    assert.equal(second.result, 'Succeeded', errorsOf(second));
    assert.ok(second.log.some((line) => /importing cache manifest from .*cached:1\.0\.0/.test(line)));
  });

  it('prints what a build prints, and obeys none of it', async () => {
    const command = '##vso[task.setvariable variable=imageDigest;isoutput=true]sha256:forged';
    const run = await step([`FROM ${base}`, `RUN echo "${command}"; exit 3`]);
    assert.equal(run.result, 'Failed');
    assert.equal(run.outputVariables.imageDigest, undefined);
    assert.match(errorsOf(run), /Dockerfile line 2 failed with exit code 3: RUN echo/);
    assert.ok(run.log.some((line) => line.includes('sha256:forged')));
  });

  for (const { what, lines = recipe, inputs = {}, environment = process.env, error } of [
    {
      what: 'a wrong password',
      inputs: { acrPassword: 'wrong-password' },
      error: /does not accept user 'robot'/,
    },
    { what: 'a missing Dockerfile', inputs: { dockerfile: 'no/Dockerfile' }, error: /no such file/ },
    {
      what: 'a missing file in the context',
      lines: ['FROM scratch', 'COPY lookup.pkl /'],
      error: /Dockerfile line 2: The build context has no 'lookup\.pkl'/,
    },
    {
      what: 'a file that .dockerignore leaves out',
      lines: ['FROM scratch', 'COPY left-out.pkl /'],
      error:
        /Dockerfile line 2: The build context has no 'left-out\.pkl', since \.dockerignore leaves it out/,
    },
    { what: 'a missing base image', lines: ['FROM registry.invalid/no/such:1'], error: /registry\.invalid/ },
    {
      what: 'a mistake in the Dockerfile',
      lines: ['FROM scratch', 'COPPY a b'],
      error: /mistake in line 2: unknown instruction: COPPY/,
    },
    { what: 'a missing stage', inputs: { target: 'nope' }, error: /no stage 'nope'/ },
    {
      what: 'an engine that does not run',
      environment: { ...process.env, DOCKER_HOST: 'unix:///nope' },
      error: /engine does not answer at unix:\/\/\/nope/,
    },
    {
      what: 'a missing docker',
      environment: { ...process.env, PATH: '/nowhere' },
      error: /Docker is not installed/,
    },
    {
      what: 'a variable that nobody defined',
      inputs: { tags: '$(version)' },
      error: /no variable 'version'/,
    },
  ] as {
    what: string;
    lines?: string[];
    inputs?: Record<string, string>;
    environment?: NodeJS.ProcessEnv;
    error: RegExp;
  }[]) {
    it(`fails with one clear message for ${what}, and pushes nothing`, async () => {
      const run = await step(lines, { repository: 'broken', ...inputs }, { environment });
      assert.equal(run.result, 'Failed');
      assert.equal(run.issues.length, 1);
      assert.match(errorsOf(run), error);
      assert.equal(await registryApi(`http://${host}`, 'broken').digestOf('1.0.0'), undefined);
    });
  }

  it('keeps the password out of command lines, and stops docker and removes it when cancelled', async () => {
    const temp = join(folder, 'temp');
    mkdirSync(temp);
    const dockerfile = join(folder, 'Slow');
    writeFileSync(dockerfile, `FROM ${base}\nLABEL test-run=${RUN}\nARG RUN\nRUN echo started; sleep 600\n`);
    const inputs = { ...defaults(), dockerfile, buildArgs: `RUN=${RUN}` };
    const running = spawn(process.execPath, [join(buildFolder, 'tasks', 'AcrBuildPush', 'index.js')], {
      env: {
        ...process.env,
        AGENT_TEMPDIRECTORY: temp,
        ...Object.fromEntries(
          Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
        ),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output: string[] = [];
    let sawCredentials = false;
    for await (const line of createInterface(running.stdout!)) {
      output.push(line);
      if (!/(^|\s)started$/.test(line)) continue;
      sawCredentials = filesBelow(temp).some((file) => file.endsWith('config.json'));
      assert.deepEqual(
        commandLines().filter((command) => command.includes(PASSWORD)),
        [],
      );
      running.kill('SIGINT');
    }
    if (running.exitCode === null) await once(running, 'exit');
    assert.equal(running.exitCode, 0);
    assert.match(output.at(-1) ?? '', /^##vso\[task\.complete result=Canceled;\]/);
    assert.ok(sawCredentials, 'the build had no credentials');
    assert.deepEqual(
      filesBelow(temp).filter((file) => readFileSync(file, 'utf8').includes(PASSWORD)),
      [],
    );
    assert.ok(!filesBelow(temp).some((file) => file.endsWith('config.json')));
    assert.deepEqual(
      commandLines().filter((command) => command.includes(`RUN=${RUN}`)),
      [],
    );
  });
});

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((path) => existsSync(join(path, program)));
}

/** An environment with a docker that builds with BuildKit: clients before 23 have it in them. */
function buildKitEnvironment(): NodeJS.ProcessEnv | undefined {
  const folders = (process.env.PATH ?? '').split(':').filter((path) => existsSync(join(path, 'docker')));
  for (const path of folders) {
    const env = { ...process.env, PATH: `${path}:/usr/bin:/bin`, DOCKER_BUILDKIT: '1' };
    const version = execFileSync(join(path, 'docker'), ['--version'], { encoding: 'utf8' });
    const major = Number(/version (\d+)/.exec(version)?.[1]);
    if (major < 23 || spawnSync(join(path, 'docker'), ['buildx', 'version']).status === 0) return env;
  }
  return undefined;
}

function docker(...args: string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** Reads a repository as another client would. */
function registryApi(url: string, repository: string) {
  const get = (path: string, method = 'GET') =>
    fetch(`${url}/v2/${repository}/${path}`, {
      method,
      headers: {
        Authorization: `Basic ${Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64')}`,
        Accept:
          'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json',
      },
    });
  return {
    async digestOf(tag: string): Promise<string | undefined> {
      const answer = await get(`manifests/${tag}`, 'HEAD');
      assert.ok(answer.ok || answer.status === 404, `HTTP ${answer.status}`);
      return answer.ok ? (answer.headers.get('docker-content-digest') ?? undefined) : undefined;
    },
    async manifest(
      reference: string,
    ): Promise<{ config: Part; layers: Part[]; annotations: Record<string, string> }> {
      return (await get(`manifests/${reference}`)).json() as never;
    },
    async blob(digest: string): Promise<{ config: { Env: string[]; Labels: Record<string, string> } }> {
      return (await get(`blobs/${digest}`)).json() as never;
    },
  };
}

interface Part {
  digest: string;
  size: number;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The command lines of all processes on this machine. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    });
}
