import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DockerCli, NoEngineError } from '../../../../tasks/AcrBuildPush/docker/cli';
import { chooseBuilder, describeBuilder, findEngine } from '../../../../tasks/AcrBuildPush/docker/engine';
import { withWrongTypes } from '../../../support/wrong-types';
import { capturedLog, fakeDocker, temporaryFolder } from '../support';

describe('the builder', () => {
  const found = { clientVersion: '28.2.2', serverOs: 'linux', hasBuildx: false, requested: undefined };
  for (const [what, differences, builder] of [
    ['a client with buildx', { hasBuildx: true }, 'buildx'],
    ['a client since 23 without buildx', {}, 'legacy'],
    ['a client before 23', { clientVersion: '20.10.24+dfsg1' }, 'built-in'],
    ['a client before 23 with buildx', { clientVersion: '20.10.24', hasBuildx: true }, 'buildx'],
    ['a step that sets DOCKER_BUILDKIT=0', { hasBuildx: true, requested: '0' }, 'legacy'],
    ['a step that sets DOCKER_BUILDKIT=1 without buildx', { requested: '1' }, 'legacy'],
    ['an engine for Windows containers', { serverOs: 'windows', hasBuildx: true }, 'legacy'],
  ] as const) {
    it(`of ${what} is ${builder}`, () => {
      assert.equal(chooseBuilder({ ...found, ...differences }), builder);
    });
  }
});

describe('the engine', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(() => folder.remove());

  function find(script: string) {
    const env = { ...fakeDocker(folder.path, script), DOCKER_CONFIG: folder.path };
    return findEngine(
      new DockerCli({ env, signal: new AbortController().signal, log: capturedLog().log }),
      env,
    );
  }

  it('is found with its versions and its builder', async () => {
    mkdirSync(join(folder.path, 'cli-plugins'));
    writeFileSync(join(folder.path, 'cli-plugins', 'docker-buildx'), '');
    const engine = await find(`
      [ "$1" = buildx ] && exit 0
      echo '{"Client":{"Version":"28.2.2"},"Server":{"Version":"20.10.24","Os":"linux","Arch":"amd64"}}'`);
    assert.deepEqual(engine, {
      clientVersion: '28.2.2',
      serverVersion: '20.10.24',
      platform: 'linux/amd64',
      builder: 'buildx',
    });
    assert.equal(describeBuilder(engine), 'docker 28.2.2 (BuildKit by buildx)');
  });

  it('is none whose answer is not what docker says', async () => {
    const version = {
      Client: { Version: '28.2.2' },
      Server: { Version: '28.2.2', Os: 'linux', Arch: 'amd64' },
    };
    const answers = [...withWrongTypes(version)].map(({ value }) => value);
    for (const answer of [...answers.slice(0, 8), {}, null, { ...version, Server: null }]) {
      writeFileSync(join(folder.path, 'answer'), JSON.stringify(answer));
      await assert.rejects(find(`cat ${folder.path}/answer`), NoEngineError);
    }
  });

  for (const [state, words, message] of [
    [
      'does not run',
      'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?',
      /^The Docker engine does not answer at unix:\/\/\/var\/run\/docker\.sock\. Start it/,
    ],
    [
      'may not be used',
      'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock',
      /^This agent's user may not use the Docker engine.*group 'docker'/,
    ],
    ['is unwell in an unknown way', 'something odd', /^The Docker engine does not answer\. Check/],
  ] as const) {
    it(`that ${state} is reported as such`, async () => {
      const script = `echo '{"Client":{"Version":"28.2.2"},"Server":null}'; echo "${words}" >&2; exit 1`;
      await assert.rejects(find(script), { name: 'TaskError', message, details: [words] });
    });
  }
});
