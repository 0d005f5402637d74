import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { errorsOf, runStep, type StepOptions } from '../support/extension';

const MODEL_SIZE = 200_000;

describe('AcrBuildPush without an engine, packed,', () => {
  let folder: string;
  let registry: Registry;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'acr-direct-'));
    mkdirSync(join(folder, 'model'));
    writeFileSync(join(folder, 'model', 'model.pkl'), randomBytes(MODEL_SIZE));
    const recipe = 'FROM scratch\nCOPY model /model\nENV MODEL=/model/model.pkl\n';
    writeFileSync(join(folder, 'Dockerfile'), recipe);
    writeFileSync(join(folder, 'Dockerfile.run'), `${recipe}\nRUN pip install flask\n`);
    registry = await startRegistry({
      folder: join(folder, 'registry'),
      username: 'myregistry',
      password: 'pa55-word',
    });
    writeFileSync(join(folder, '.dockerignore'), 'registry\n');
  });

  after(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true });
  });

  const run = (inputs: Record<string, string>, options: Partial<StepOptions> = {}) =>
    runStep(
      'AcrBuildPush',
      {
        acrName: 'myregistry',
        acrPassword: '$(acr-password)',
        loginServer: registry.loginServer,
        tags: '1.0.0\nlatest',
        dockerfile: 'Dockerfile',
        builder: 'direct',
        ...inputs,
      },
      {
        sources: folder,
        variableGroups: { secrets: { 'acr-password': { value: registry.password, isSecret: true } } },
        environment: { PATH: '/nowhere' },
        ...options,
      },
    );

  /** What the registry has, asked as a client would. */
  async function read(path: string): Promise<Response> {
    const basic = Buffer.from(`myregistry:${registry.password}`).toString('base64');
    const headers = {
      Authorization: `Basic ${basic}`,
      Accept: 'application/vnd.oci.image.manifest.v1+json',
    };
    return fetch(`http://${registry.loginServer}/v2/${path}`, { headers });
  }

  it('asks for many tags side by side, without a word of warning from Node', async () => {
    const tags = Array.from({ length: 16 }, (_, index) => `1.0.${index}`);
    const { result, log } = await run({ repository: 'many', tags: tags.join('\n') });
    assert.equal(result, 'Succeeded', log.join('\n'));
    assert.doesNotMatch(log.join('\n'), /Warning/);
  });

  it('builds an image, publishes it with annotations, and sends nothing of it a second time', async () => {
    const first = await run({ repository: 'titanic' });
    assert.equal(first.result, 'Succeeded', first.log.join('\n'));
    const { imageDigest, imageSizeBytes, uploadedBytes, builder } = first.outputVariables;
    assert.equal(builder, 'direct');
    assert.equal(uploadedBytes, imageSizeBytes);
    assert.ok(Number(uploadedBytes) > MODEL_SIZE);
    let firstConfig: string | undefined;
    for (const tag of ['1.0.0', 'latest']) {
      const answer = await read(`titanic/manifests/${tag}`);
      assert.equal(answer.headers.get('docker-content-digest'), imageDigest);
      const manifest = JSON.parse(await answer.text());
      assert.equal(manifest.annotations['org.opencontainers.image.version'], '1.0.0');
      assert.equal(manifest.layers.length, 1);
      firstConfig = manifest.config.digest;
    }

    const second = await run({ repository: 'titanic' });
    assert.equal(second.result, 'Succeeded', second.log.join('\n'));
    assert.equal(second.outputVariables.uploadedBytes, '0');
    const { config } = JSON.parse(await (await read('titanic/manifests/latest')).text());
    assert.equal(config.digest, firstConfig);

    const next = await run({ repository: 'titanic', tags: '1.0.1', compression: 'gzip' });
    assert.equal(next.result, 'Succeeded', next.log.join('\n'));
    assert.ok(Number(next.outputVariables.uploadedBytes) < 5_000, 'the model was sent again');
  });

  describe('in a checkout', () => {
    let sources: string;
    const gitIn = (folder: string, ...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', '-C', folder, ...args]);

    before(() => {
      sources = join(folder, 'commit');
      mkdirSync(sources);
      writeFileSync(join(sources, 'Dockerfile'), 'FROM scratch\nWORKDIR /app\nCOPY serve.py .\n');
      writeFileSync(join(sources, 'serve.py'), 'print()\n');
      gitIn(sources, 'init', '-q');
      gitIn(sources, 'add', '.');
      gitIn(sources, 'commit', '-q', '-m', 'Serve');
      gitIn(sources, 'remote', 'add', 'origin', 'https://dev.azure.com/example/_git/titanic');
    });

    const digestIn = async (repository: string, of: string, variables: NodeJS.ProcessEnv = {}) => {
      const environment = { PATH: process.env.PATH, ...variables };
      // The agent here leaves no .git in the folder that it copies the sources to, where others have one.
      const inputs = { repository, dockerfile: join(of, 'Dockerfile') };
      const step = await run(inputs, { sources: of, environment });
      assert.equal(step.result, 'Succeeded', step.log.join('\n'));
      return step.outputVariables.imageDigest;
    };

    // Windows agents have a git of their own; Wine has none.
    it('makes the same image of a commit in every checkout and repository, where there is git', async () => {
      const first = await digestIn('first', sources);
      const copy = join(folder, 'clone');
      execFileSync('git', ['clone', '-q', sources, copy]);
      gitIn(copy, 'remote', 'set-url', 'origin', 'https://dev.azure.com/example/_git/titanic');
      assert.equal(await digestIn('second', copy), first);
    });

    it('makes the same image of a commit again for the time that it is told', async () => {
      const epoch = { SOURCE_DATE_EPOCH: '1000000000' };
      const told = await digestIn('third', sources, epoch);
      assert.notEqual(told, await digestIn('first', sources, { SOURCE_DATE_EPOCH: '1000000001' }));
      const { annotations } = JSON.parse(await (await read('third/manifests/1.0.0')).text());
      assert.equal(annotations['org.opencontainers.image.created'], '2001-09-09T01:46:40.000Z');
      assert.equal(await digestIn('fourth', sources, epoch), told);
    });
  });

  it('stores layers by gzip where it is told to', async () => {
    const step = await run({ repository: 'zipped', compression: 'gzip' });
    assert.equal(step.result, 'Succeeded', step.log.join('\n'));
    const { layers } = JSON.parse(await (await read('zipped/manifests/latest')).text());
    assert.match(layers[0].mediaType, /gzip$/);
  });

  it('builds only where nothing is to be pushed', async () => {
    const step = await run({ repository: 'unpushed', push: 'false' });
    assert.equal(step.result, 'Succeeded', step.log.join('\n'));
    assert.equal(step.outputVariables.builder, 'direct');
    assert.equal(step.outputVariables.imageDigest, undefined);
    assert.ok(step.log.some((line) => /Image sha256:[0-9a-f]{64}, 1 layer/.test(line)));
    assert.equal((await read('unpushed/manifests/latest')).status, 404);
  });

  it('builds on an image of its registry, whose layers it leaves there', async () => {
    const base = await run({ repository: 'base' });
    assert.equal(base.result, 'Succeeded', base.log.join('\n'));
    const recipe = `FROM ${registry.loginServer}/base:1.0.0\nCOPY Dockerfile /notes/\n`;
    writeFileSync(join(folder, 'Dockerfile.on-base'), recipe);
    const step = await run({ repository: 'on-base', dockerfile: 'Dockerfile.on-base' });
    assert.equal(step.result, 'Succeeded', step.log.join('\n'));
    assert.ok(
      step.log.some((line) => /Layer 1 of 2 was mounted from 'base'/.test(line)),
      step.log.join('\n'),
    );
    assert.ok(Number(step.outputVariables.uploadedBytes) < 20_000, 'the model was sent again');
    assert.ok(Number(step.outputVariables.imageSizeBytes) > MODEL_SIZE);
  });

  it('reads a base image once for all repositories of its registry', async () => {
    const base = await run({ repository: 'bases', tags: '1' });
    assert.equal(base.result, 'Succeeded', base.log.join('\n'));
    const recipe = `FROM ${registry.loginServer}/bases:1\nCOPY model /other/\n`;
    writeFileSync(join(folder, 'Dockerfile.on-base'), recipe);
    const logs: string[] = [];
    for (const repository of ['one', 'two']) {
      const { result, log } = await run({ repository, dockerfile: 'Dockerfile.on-base' });
      assert.equal(result, 'Succeeded', log.join('\n'));
      logs.push(log.join('\n'));
    }
    assert.match(logs[0]!, /Reading the 1 layer of the base image/);
    assert.match(logs[0]!, /Noted what is in the base image beside it, in repository 'bases'/);
    assert.match(logs[1]!, /is noted beside it in its registry, so its layers are not read/);
    assert.doesNotMatch(logs[1]!, /Reading the|Noted what is/);
    assert.match(logs[1]!, /bill of materials lists/);
    assert.doesNotMatch(logs[1]!, /does not tell of/);
  });

  it('says which line needs an engine, and pushes nothing', async () => {
    const step = await run({ repository: 'refused', dockerfile: 'Dockerfile.run' });
    assert.equal(step.result, 'Failed');
    assert.equal(step.exitCode, 0);
    assert.match(errorsOf(step), /Line 5 of .*Dockerfile\.run: RUN .*'builder' to 'docker'/);
    assert.equal((await read('refused/manifests/latest')).status, 404);
  });

  it('refuses an input that only an engine could obey', async () => {
    const step = await run({ repository: 'refused', dockerVersion: '28.2.2' });
    assert.equal(step.result, 'Failed');
    assert.match(errorsOf(step), /Input 'dockerVersion' can't be used with the builder direct/);
  });
});
