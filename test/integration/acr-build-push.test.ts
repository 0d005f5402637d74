import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { gunzipSync } from 'node:zlib';
import { buildFolder } from '../../scripts/paths';
import { dockerBuilders } from '../support/docker-builders';
import { PASSWORD, type Part, registryApi, USERNAME } from '../support/docker-registry';
import { configDigest } from '../support/engine-builds';
import { errorsOf } from '../support/extension';
import { startLine } from '../support/line';
import { skip, skipWithout } from '../support/skip';
import { useEngine } from '../support/use-engine';

/** How messages here call the builders, an environment for each, and how the step's log calls them. */
const BUILDERS = [
  ['buildx', dockerBuilders.buildx, 'BuildKit by buildx'],
  ["docker's own BuildKit", dockerBuilders['built-in'], 'BuildKit'],
  ['the legacy builder', dockerBuilders.legacy, 'legacy builder'],
] as const;
/** How a layer is stored does not depend on who built it: one builder is enough for the second way. */
const STORED = [
  ...BUILDERS.map((builder) => [...builder, 'none'] as const),
  [...BUILDERS[0], 'gzip'] as const,
];

describe('AcrBuildPush with a real engine', function () {
  this.timeout(120_000);

  const engine = useEngine();
  const { base, folder, login, step } = engine;

  const recipe = ['FROM scratch', 'ARG VERSION', 'ENV VERSION=$VERSION', 'COPY model.pkl /model.pkl'];

  for (const [builder, environment, name] of BUILDERS) {
    it(`pushes what ${builder} built, under all its tags`, async function () {
      if (!environment) skip(this, `no docker with ${builder}`);
      const repository = `team/${builder.replaceAll(/\W/g, '-').toLowerCase()}`;
      const inputs = { repository, tags: '1.2.3+7\nlatest', buildArgs: 'UNUSED=1' };
      const {
        result,
        outputVariables: outputs,
        summaries,
        log,
        ...rest
      } = await step(recipe, inputs, { environment });

      assert.equal(
        result,
        'Succeeded',
        errorsOf({ result, outputVariables: outputs, summaries, log, ...rest }),
      );
      assert.ok(log.some((line) => line.startsWith('Building with docker') && line.endsWith(`(${name}).`)));
      assert.equal(outputs.imageRef, `${engine.host}/${repository}:1.2.3_7`);
      assert.equal(outputs.imageRefByDigest, `${engine.host}/${repository}@${outputs.imageDigest}`);
      assert.equal(outputs.imageTags, '1.2.3_7,latest');
      const registry = registryApi(engine.host, repository);
      assert.equal(await registry.digestOf('1.2.3_7'), outputs.imageDigest);
      assert.equal(await registry.digestOf('latest'), outputs.imageDigest);

      const { config, layers } = await registry.manifest('latest');
      const stored = [config, ...layers].reduce((sum, { size }) => sum + size, 0);
      assert.equal(outputs.imageSizeBytes, String(stored));
      const { config: image } = await registry.blob(config.digest);
      assert.ok(image.Env.includes('VERSION=1.2.3+7'), String(image.Env));
      assert.equal(image.Labels['org.opencontainers.image.version'], '1.2.3+7');
      assert.equal(image.Labels['test-run'], engine.run);
      const { annotations } = await registry.manifest('latest');
      assert.equal(annotations['org.opencontainers.image.version'], '1.2.3+7');
      // A layer of another repository may have been mounted.
      const uploaded = Number(outputs.uploadedBytes);
      assert.ok(uploaded >= config.size && uploaded <= stored, outputs.uploadedBytes);
      docker('--config', login, 'pull', outputs.imageRefByDigest!);
      assert.match(readFileSync(summaries[0]!.path, 'utf8'), new RegExp(`@${outputs.imageDigest}`));
    });
  }

  for (const [builder, environment, , compression] of STORED) {
    it(`has docker and skopeo read byte for byte what ${builder} built (compression: ${compression})`, async function () {
      skipWithout(this, 'skopeo');
      if (!environment) skip(this, `no docker with ${builder}`);
      const repository = `bytes/${builder.replaceAll(/\W/g, '-').toLowerCase()}-${compression}`;
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
      const configuration = configDigest(imageRef!);
      assert.equal(config.digest, configuration);
      const tars = layers.map(({ digest, mediaType }: Part) => {
        const blob = readFileSync(join(copy, digest.replace('sha256:', '')));
        const isCompressed = mediaType.endsWith('gzip');
        // Layers that an engine with containerd's store keeps compressed are sent as they are.
        if (built.Id === configuration) assert.equal(isCompressed, compression === 'gzip');
        return isCompressed ? gunzipSync(blob) : blob;
      });
      assert.deepEqual(
        tars.map((tar: Buffer) => `sha256:${createHash('sha256').update(tar).digest('hex')}`),
        built.RootFS.Layers,
      );

      docker('image', 'rm', imageRef!);
      docker('--config', login, 'pull', '--quiet', imageRefByDigest!);
      assert.equal(configDigest(imageRefByDigest!), configuration);
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

  it('sends a layer whose line broke without reading the image again', async () => {
    const line = await startLine(engine.host);
    try {
      const lines = [
        `FROM ${base}`,
        // By chance, so that it stays as large in engines that keep layers compressed.
        'RUN head -c 12000000 /dev/urandom > /made',
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
      const registry = registryApi(engine.host, 'broken-line');
      assert.equal(await registry.digestOf('1.0.0'), run.outputVariables.imageDigest);
    } finally {
      line.stop();
    }
  });

  it("has docker push by itself where it need not read a large base image's layers", async () => {
    const large = `model-pipelines-test-large:${engine.run}`;
    const archive = join(folder, 'large.tar');
    const content = join(folder, 'large');
    mkdirSync(content);
    writeFileSync(join(content, 'zeros'), Buffer.alloc(120_000_000));
    execFileSync('tar', ['-C', content, '-cf', archive, '.']);
    docker('import', archive, large);
    try {
      for (const environment of Object.values(dockerBuilders)) {
        if (!environment) continue;
        const run = await step(
          [`FROM ${large}`, 'COPY model.pkl /'],
          { repository: 'large' },
          { environment },
        );
        assert.equal(run.result, 'Succeeded', errorsOf(run));
        const said =
          /^Only .* of the image's 120 MB were built on its base image.* So docker pushes the image by itself\.$/;
        assert.ok(run.log.some((line) => said.test(line)));
        const registry = registryApi(engine.host, 'large');
        const { annotations } = await registry.manifest('1.0.0');
        assert.equal(annotations['org.opencontainers.image.version'], '1.0.0');
      }
    } finally {
      docker('image', 'rm', '--force', large);
    }
  });

  it('builds without a push, and then needs no credentials', async () => {
    const run = await step(recipe, { push: 'false', acrPassword: '', acrUsername: '', repository: 'local' });
    assert.equal(run.result, 'Succeeded', errorsOf(run));
    assert.equal(run.outputVariables.imageRef, `${engine.host}/local:1.0.0`);
    assert.equal(await registryApi(engine.host, 'local').digestOf('1.0.0'), undefined);
  });

  for (const [builder, environment] of BUILDERS.slice(0, 2)) {
    it(`gives a build by ${builder} its secrets, and leaves nothing of them in image, history, log or files`, async function () {
      if (!environment) skip(this, `no docker with ${builder}`);
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

    it(`uses the cache that travels in an image, by ${builder}`, async function () {
      if (!environment) skip(this, `no docker with ${builder}`);
      const repository = `cached/${builder.replaceAll(/\W/g, '-').toLowerCase()}`;
      const inputs = { repository, cacheTo: 'inline', cacheFrom: `${repository}:1.0.0` };
      const lines = [`FROM ${base}`, `RUN echo ${engine.run} > /made`];
      const first = await step(lines, inputs, { environment });
      assert.equal(first.result, 'Succeeded', errorsOf(first));
      const second = await step(lines, inputs, { environment });
      assert.equal(second.result, 'Succeeded', errorsOf(second));
      const imported = new RegExp(`importing cache manifest from .*${repository}:1\\.0\\.0`);
      assert.ok(second.log.some((line) => imported.test(line)));
    });
  }

  it('refuses secrets that the builder would ignore, before it builds', async () => {
    const environment = dockerBuilders.legacy!;
    const run = await step(recipe, { repository: 'ignored', buildSecrets: 'token=abcdef' }, { environment });
    assert.match(
      errorsOf(run),
      /Input 'buildSecrets' can't be used with .* BuildKit\. Take DOCKER_BUILDKIT=0 out/,
    );
    assert.ok(!run.log.some((line) => line.startsWith('Building with')));
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
      assert.equal(await registryApi(engine.host, 'broken').digestOf('1.0.0'), undefined);
    });
  }

  it('keeps the password out of command lines, and stops docker and removes it when cancelled', async () => {
    const temp = join(folder, 'temp');
    mkdirSync(temp);
    const dockerfile = join(folder, 'Slow');
    writeFileSync(
      dockerfile,
      `FROM ${base}\nLABEL test-run=${engine.run}\nARG RUN\nRUN echo started; sleep 600\n`,
    );
    const inputs = { ...engine.inputs(), dockerfile, buildArgs: `RUN=${engine.run}` };
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
      commandLines().filter((command) => command.includes(`RUN=${engine.run}`)),
      [],
    );
  });
});

function docker(...args: string[]): string {
  return execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
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
