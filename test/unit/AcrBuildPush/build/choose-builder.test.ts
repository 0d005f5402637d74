import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PreparedBuild } from '../../../../tasks/AcrBuildPush/build/builder';
import { makeBuilder } from '../../../../tasks/AcrBuildPush/build/choose-builder';
import type { BuildPlan } from '../../../../tasks/AcrBuildPush/build-plan';
import type { Inputs } from '../../../../tasks/AcrBuildPush/inputs';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { EarlierImages } from '../../../../tasks/AcrBuildPush/registry/earlier-images';
import type { TaskContext } from '../../../../tasks/common/task';
import { fakeDocker, leastInputs, leastPlan, scriptedServer, temporaryFolder } from '../support';

const ENGINE =
  'echo \'{"Client":{"Version":"28.2.2"},"Server":{"Version":"28.2.2","Os":"linux","Arch":"amd64"}}\'';
const NO_ENGINE = 'echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock." >&2; exit 1';

describe('the builder that auto chooses', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let server: Awaited<ReturnType<typeof scriptedServer>>;

  beforeEach(async () => {
    folder = temporaryFolder();
    writeFileSync(join(folder.path, 'model.pkl'), 'a model');
    server = await scriptedServer((_, response) => response.writeHead(404).end('{"errors":[]}'));
  });
  afterEach(() => {
    server.stop();
    folder.remove();
  });

  function choose(
    recipe: string,
    {
      docker = ENGINE,
      plan = {},
      inputs = {},
    }: { docker?: string; plan?: Partial<BuildPlan>; inputs?: Partial<Inputs> } = {},
  ): Promise<PreparedBuild> {
    const build = {
      ...leastPlan,
      recipe,
      context: folder.path,
      dockerfile: join(folder.path, 'Dockerfile'),
      ...plan,
    };
    const task = {
      log: server.log,
      http: server.http,
      signal: new AbortController().signal,
      tempFolder: folder.path,
    } as unknown as TaskContext;
    const registry = new RegistryClient({
      ...{ http: server.http, log: server.log, host: server.host, repository: 'titanic' },
      credentials: undefined,
    });
    const earlier = new EarlierImages(registry, ['1.0.0']);
    const env = { ...fakeDocker(folder.path, docker), DOCKER_CONFIG: folder.path };
    const asked = { ...leastInputs, loginServer: server.host, ...inputs };
    const services = { ...asked, credentials: undefined, registry, earlier, env, task };
    return makeBuilder(asked.builder, services).prepare(build);
  }

  const log = () => server.lines.join('\n');
  const simple = 'FROM scratch\nCOPY model.pkl /\n';

  it('is the step itself where nothing needs an engine, though there is one', async () => {
    const builder = await choose(simple);
    assert.equal(builder.kind, 'direct');
    assert.match(log(), /This step builds the image by itself: nothing in the Dockerfile needs/);
  });

  it('is the step itself where there is no engine', async () => {
    assert.equal((await choose(simple, { docker: NO_ENGINE })).kind, 'direct');
  });

  it('is the engine for a line that needs one, which the log names, and asks no registry before', async () => {
    const recipe = `FROM ${server.host}/base AS base\nFROM base\n\nRUN pip install x\n`;
    assert.equal((await choose(recipe)).kind, 'docker');
    assert.match(
      log(),
      /The Docker engine builds the image: line 4 of the Dockerfile, RUN: it runs a command\./,
    );
    assert.deepEqual(server.requests, []);
  });

  it('is the engine for a command in a stage that files are copied from', async () => {
    assert.equal(
      (await choose('FROM scratch AS a\nRUN x\nFROM scratch\nCOPY --from=a /x /\n')).kind,
      'docker',
    );
    assert.equal((await choose('FROM scratch AS a\nRUN x\nFROM scratch\nCOPY model.pkl /\n')).kind, 'direct');
  });

  it('is the engine for a line that turns out to need one', async () => {
    await choose('FROM scratch\nCOPY --from=busybox /bin/sh /sh\n');
    assert.match(
      log(),
      /engine builds the image: line 2 of the Dockerfile, COPY: it copies out of another image/,
    );
  });

  it('is the engine where an option for docker is given, and in two where that is for commands alone', async () => {
    const dockerOptions = [{ name: '--network', words: ['--network=host'] }];
    const whole = await choose('FROM scratch\nCOPY model.pkl /\n', { plan: { dockerOptions } });
    assert.equal(whole.kind, 'docker');
    assert.match(log(), /input 'dockerOptions' asks for it/);
    const split = await choose('FROM scratch\nRUN make\nCOPY model.pkl /\n', { plan: { dockerOptions } });
    assert.match(split.description, /from line 3 on this step/);
  });

  it('is the engine up to the last command, and the step for what is copied behind it', async () => {
    const builder = await choose('FROM scratch\nRUN make\nCOPY model.pkl /\n');
    assert.equal(builder.kind, 'docker');
    assert.equal(builder.description, 'docker 28.2.2 (legacy builder), from line 3 on this step');
    assert.match(
      log(),
      /engine builds the first 2 lines of the Dockerfile, and this step adds the rest to that: line 2 of the Dockerfile, RUN/,
    );
  });

  for (const [why, plan] of [
    ['for another platform than its own', { platforms: ['windows/amd64'] }],
    ['with a cache that travels in the image', { cacheTo: ['inline'] }],
    ['with such a cache by an argument', { arguments: { BUILDKIT_INLINE_CACHE: '1' } }],
    [
      'with an option that other lines may see than commands',
      { dockerOptions: [{ name: '--cpus-of-a-kind', words: ['--cpus-of-a-kind'] }] },
    ],
    ['for a Dockerfile that is no UTF-8', { recipe: 'FROM scratch\nRUN make \uFFFD\nCOPY model.pkl /\n' }],
  ] as [string, Partial<BuildPlan>][]) {
    it(`is the engine alone ${why}`, async () => {
      const docker = ENGINE.replaceAll('28.2.2', '20.10.24');
      const builder = await choose('FROM scratch\nRUN make\nCOPY model.pkl /\n', { docker, plan });
      assert.doesNotMatch(builder.description, /this step/);
    });
  }

  it('is the engine alone where its client would change a .dockerignore that goes into the image', async () => {
    writeFileSync(join(folder.path, '.dockerignore'), 'left-out\n');
    const builder = await choose('FROM scratch\nRUN make\nCOPY . /\n');
    assert.doesNotMatch(builder.description, /this step/);
  });

  describe('knows of a base image', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const label = 'org.opencontainers.image.base.digest';
    const labels = async (docker: string) => {
      const name = `${server.host}/base:1`;
      const plan = { base: { name, digest: undefined } };
      return (await choose(`FROM ${name}\nRUN make\n`, { docker, plan })).plan.labels;
    };

    beforeEach(async () => {
      server.stop();
      server = await scriptedServer((request, response) => {
        const isBase = ['1', digest].some((name) => request.url === `/v2/base/manifests/${name}`);
        const isThere = isBase && request.method === 'HEAD';
        response.writeHead(isThere ? 200 : 404, { 'Docker-Content-Digest': digest }).end();
      });
    });

    it('the digest that the engine would pull', async () => {
      const docker = `case "$1" in image) exit 1;; *) ${ENGINE};; esac`;
      assert.equal((await labels(docker))[label], digest);
    });

    it('no digest where the engine has one of its own making', async () => {
      assert.equal((await labels(ENGINE))[label], undefined);
      assert.deepEqual(server.requests, []);
    });

    /** An engine that knows the image by this id, and by this digest. */
    const holds = (id: string, repoDigest: string) =>
      `case "$1" in image) echo ${id}; echo base@${repoDigest};; *) ${ENGINE};; esac`;
    const id = `sha256:${'c'.repeat(64)}`;

    it('the digest by which the engine has pulled it', async () => {
      assert.equal((await labels(holds(id, digest)))[label], digest);
      assert.deepEqual(server.requests, []);
    });

    it("the digest that containerd's store has for it, where the registry has the same", async () => {
      assert.equal((await labels(holds(digest, digest)))[label], digest);
    });

    it("no digest where containerd's store has one of its own making", async () => {
      assert.equal((await labels(holds(id, id)))[label], undefined);
    });
  });

  it('is the engine for a base image that can not be read here', async () => {
    assert.equal((await choose(`FROM ${server.host}/base\nCOPY model.pkl /\n`)).kind, 'docker');
    assert.match(log(), /engine builds the image: this step can't build it by itself: /);
  });

  it('is the engine for a Dockerfile that can not be understood here', async () => {
    assert.equal((await choose('FROM scratch\nNEWER thing\n')).kind, 'docker');
    assert.match(log(), /there is no instruction NEWER/);
  });

  for (const [input, changes] of [
    ['buildSecrets', { plan: { secrets: { a: 'b' } } }],
    ['platform', { plan: { platforms: ['linux/amd64', 'linux/arm64'] } }],
    ['cacheFrom', { plan: { cacheFrom: ['r/cache'] } }],
    [
      'dockerVersion',
      { inputs: { docker: { dockerVersion: '28.2.2', buildxVersion: undefined, source: 'x' } } },
    ],
  ] as const) {
    it(`is not the step itself with input '${input}'`, async () => {
      await choose(simple, changes as never).catch(() => undefined);
      assert.doesNotMatch(log(), /This step builds the image by itself/);
    });
  }

  it('is the engine where nothing is pushed, since later steps may look for the image there', async () => {
    assert.equal((await choose(simple, { inputs: { push: false } })).kind, 'docker');
    assert.equal((await choose(simple, { inputs: { push: false }, docker: NO_ENGINE })).kind, 'direct');
  });

  it('is none where an engine is needed and there is none: the error names the line', async () => {
    await assert.rejects(choose('FROM scratch\nRUN x\n', { docker: NO_ENGINE }), {
      message:
        /^This image can't be built without an engine: line 2 .*RUN.*The Docker engine does not answer/,
    });
  });

  for (const [what, text, mistake] of [
    ['an instruction that there is not', 'FROM scratch\nCOPPY a b\n', /COPPY/],
    ['a file that is not there', 'FROM scratch\nCOPY no-such-file /\n', /no-such-file/],
  ] as const) {
    it(`asks for no engine for ${what}, which an engine would not build either`, async () => {
      await assert.rejects(choose(text, { docker: NO_ENGINE }), (error: Error) => {
        assert.match(error.message, mistake);
        assert.doesNotMatch(error.message, /install|The Docker engine/i);
        return true;
      });
    });
  }
});
