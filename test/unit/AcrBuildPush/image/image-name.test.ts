import assert from 'node:assert/strict';
import {
  apiHostOf,
  asBaseImage,
  parseImageName,
  readImageName,
  referenceOf,
  registryOf,
  serverIn,
} from '../../../../tasks/AcrBuildPush/image/image-name';

const SHA256 = `sha256:${'a'.repeat(64)}`;
const SHA512 = `sha512:${'b'.repeat(128)}`;

describe("an image's name", () => {
  for (const [text, registry, repository, reference, base] of [
    ['python', 'docker.io', 'library/python', 'latest', 'docker.io/library/python:latest'],
    ['python:3.12', 'docker.io', 'library/python', '3.12', 'docker.io/library/python:3.12'],
    ['team/base', 'docker.io', 'team/base', 'latest', 'docker.io/team/base:latest'],
    ['docker.io/python', 'docker.io', 'library/python', 'latest', 'docker.io/library/python:latest'],
    ['index.docker.io/a/b:1', 'docker.io', 'a/b', '1', 'docker.io/a/b:1'],
    [`python@${SHA256}`, 'docker.io', 'library/python', SHA256, 'docker.io/library/python'],
    [`python:3@${SHA256}`, 'docker.io', 'library/python', SHA256, 'docker.io/library/python:3'],
    [`r.azurecr.io/x@${SHA512}`, 'r.azurecr.io', 'x', SHA512, 'r.azurecr.io/x'],
    ['localhost/x', 'localhost', 'x', 'latest', 'localhost/x:latest'],
    ['r:5000/a-b/c__d.e:V1', 'r:5000', 'a-b/c__d.e', 'V1', 'r:5000/a-b/c__d.e:V1'],
    ['[::1]:5000/x', '[::1]:5000', 'x', 'latest', '[::1]:5000/x:latest'],
    ['A/base', 'A', 'base', 'latest', 'A/base:latest'],
    ['registry-1.docker.io/x', 'registry-1.docker.io', 'x', 'latest', 'registry-1.docker.io/x:latest'],
    ['R.example/base:RC1', 'R.example', 'base', 'RC1', 'R.example/base:RC1'],
    ['user/app:1', 'docker.io', 'user/app', '1', 'docker.io/user/app:1'],
    ['docker.io/user/app', 'docker.io', 'user/app', 'latest', 'docker.io/user/app:latest'],
    ['r.azurecr.io/a/b:1', 'r.azurecr.io', 'a/b', '1', 'r.azurecr.io/a/b:1'],
    ['127.0.0.1:5000/a', '127.0.0.1:5000', 'a', 'latest', '127.0.0.1:5000/a:latest'],
    ['localhost/a:2', 'localhost', 'a', '2', 'localhost/a:2'],
    [`r.azurecr.io/a:1@${SHA256}`, 'r.azurecr.io', 'a', SHA256, 'r.azurecr.io/a:1'],
  ] as const) {
    it(`is read as docker reads it: ${text}`, () => {
      const name = parseImageName(text);
      assert.deepEqual(
        [name.registry, name.repository, referenceOf(name)],
        [registry, repository, reference],
      );
      assert.equal(apiHostOf(name.registry), registry === 'docker.io' ? 'registry-1.docker.io' : registry);
      assert.equal(asBaseImage(name).name, base);
      assert.equal(asBaseImage(name).digest, name.digest);
    });
  }

  for (const text of [
    '',
    ':1',
    '/x',
    'x/',
    'a//b',
    'Python',
    'a/B:1',
    'x:',
    'x@',
    'x@sha256:1',
    `x@md5:${'a'.repeat(32)}`,
    'x:a b',
    'a'.repeat(64),
    '../x',
    'r.io/../x',
    'a..b',
    'x\n',
    '$BASE',
    '-r.io/x',
    'r.io:port/x',
    `x:${'t'.repeat(129)}`,
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => {
      assert.equal(readImageName(text), undefined);
      assert.throws(() => parseImageName(text), { name: 'TaskError', message: /is no name of an image/ });
    });
  }

  for (const text of ['Python', 'r.io/Team/Base:RC1', 'localhost/Base', 'r:5000/teaM/x', `A@${SHA256}`]) {
    it(`has capitals where it may have none: ${text}`, () => {
      assert.throws(() => parseImageName(text), /since it has capitals/);
    });
  }

  // Servers, tags and digests may have them.
  for (const text of ['R.io/../x', 'R:port/x', 'localhost/-x:RC1', '-x:RC1', '-x@SHA256:1']) {
    it(`has something else wrong with it than its capitals: ${text}`, () => {
      assert.throws(() => parseImageName(text), /Check the FROM lines/);
    });
  }

  it('names a server where its first part can be nothing else', () => {
    assert.deepEqual(['r.io/x', 'r:1/x', 'localhost/x', 'team/x', 'x', 'x:1'].map(serverIn), [
      'r.io',
      'r:1',
      'localhost',
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('of Docker Hub leads to a server of another name', () => {
    assert.deepEqual(['docker.io', 'r.azurecr.io'].map(apiHostOf), ['registry-1.docker.io', 'r.azurecr.io']);
    assert.deepEqual(['registry-1.docker.io', 'r.azurecr.io'].map(registryOf), ['docker.io', 'r.azurecr.io']);
  });

  it('has just the parts that were written', () => {
    assert.deepEqual(readImageName('team/base'), { registry: 'docker.io', repository: 'team/base' });
    assert.deepEqual(readImageName(`r.io/x:1@${SHA256}`), {
      ...{ registry: 'r.io', repository: 'x', tag: '1', digest: SHA256 },
    });
  });

  it('is read in time that its length bounds', () => {
    for (const text of ['a-'.repeat(25_000), 'a_'.repeat(25_000), 'a/'.repeat(25_000), '-'.repeat(50_000)]) {
      assert.equal(readImageName(text), undefined);
    }
  });
});
