import assert from 'node:assert/strict';
import { buildArguments, buildEnvironment } from '../../../../../tasks/AcrBuildPush/build/docker/build';
import type { BuildPlan } from '../../../../../tasks/AcrBuildPush/build-plan';
import type { BuilderKind } from '../../../../../tasks/AcrBuildPush/docker/engine';
import { leastPlan } from '../../support';

describe('the command line of a build', () => {
  const base = ['build', '--file', '/s/model-api/Dockerfile', '--iidfile', '/t/id'];
  const name = 'r.azurecr.io/titanic';
  const tag = ['--tag', `${name}:1.0.0`];
  const intoEngine = ['--metadata-file', '/t/metadata', '--output', 'type=docker,compression=uncompressed'];

  for (const {
    what,
    changes = {},
    builder = 'built-in',
    tags = ['1.0.0'],
    push = true,
    pushesByDigest = true,
    expected,
  } of [
    { what: 'of a plain build', expected: [...base, ...tag, '/s/model-api'] },
    {
      what: 'with buildx has the image brought into the engine, uncompressed',
      builder: 'buildx',
      expected: [...base, ...intoEngine, ...tag, '/s/model-api'],
    },
    {
      what: 'by the legacy builder leaves no container of a failed step',
      builder: 'legacy',
      expected: [...base, ...tag, '--force-rm', '/s/model-api'],
    },
    {
      what: 'names the image by all its tags',
      tags: ['1', 'latest'],
      expected: [...base, '--tag', `${name}:1`, '--tag', `${name}:latest`, '/s/model-api'],
    },
    {
      what: 'has the options that the step knows nothing of',
      changes: {
        dockerOptions: [
          { name: '--network', words: ['--network', 'host'] },
          { name: '--add-host', words: ['--add-host=a:1.2.3.4'] },
        ],
      },
      expected: [...base, ...tag, '--network', 'host', '--add-host=a:1.2.3.4', '/s/model-api'],
    },
    {
      what: 'has labels and arguments, with whatever is in their values',
      changes: { labels: { 'a.b': 'x y' }, arguments: { VERSION: '1.0.0', OPTS: '--flag=$HOME "q"' } },
      expected: [
        ...base,
        ...tag,
        '--label',
        'a.b=x y',
        '--build-arg',
        'VERSION=1.0.0',
        '--build-arg',
        'OPTS=--flag=$HOME "q"',
        '/s/model-api',
      ],
    },
    {
      what: 'names secrets by variables, never by their values',
      changes: { secrets: { pypi: 's3cret', npm: 't0ken' } },
      expected: [
        ...base,
        ...tag,
        '--secret',
        'id=pypi,env=ACR_BUILD_PUSH_SECRET_0',
        '--secret',
        'id=npm,env=ACR_BUILD_PUSH_SECRET_1',
        '/s/model-api',
      ],
    },
    {
      what: 'names another platform',
      changes: { platforms: ['linux/arm64'] },
      expected: [...base, ...tag, '--platform', 'linux/arm64', '/s/model-api'],
    },
    {
      what: 'for several platforms sends the image without a tag',
      builder: 'buildx',
      changes: { platforms: ['linux/amd64', 'linux/arm64'] },
      expected: [
        ...base.slice(0, 3),
        '--output',
        `type=image,name=${name},push-by-digest=true,name-canonical=true,oci-mediatypes=true,push=true`,
        '--metadata-file',
        '/t/metadata',
        '--platform',
        'linux/amd64,linux/arm64',
        '/s/model-api',
      ],
    },
    {
      what: 'for several platforms sends the image under its first tag where it must have one',
      builder: 'buildx',
      tags: ['1', 'latest'],
      pushesByDigest: false,
      changes: { platforms: ['linux/amd64', 'linux/arm64'] },
      expected: [
        ...base.slice(0, 3),
        '--output',
        `type=image,name=${name}:1,oci-mediatypes=true,push=true`,
        '--metadata-file',
        '/t/metadata',
        '--platform',
        'linux/amd64,linux/arm64',
        '/s/model-api',
      ],
    },
    {
      what: 'for several platforms without a push keeps nothing but the cache',
      builder: 'buildx',
      push: false,
      changes: { platforms: ['linux/amd64', 'linux/arm64'] },
      expected: [
        ...base.slice(0, 3),
        '--output',
        'type=cacheonly',
        '--metadata-file',
        '/t/metadata',
        '--platform',
        'linux/amd64,linux/arm64',
        '/s/model-api',
      ],
    },
    {
      what: 'by buildx takes caches from registries, and gives them back',
      builder: 'buildx',
      changes: { cacheFrom: ['r/cache:1', 'type=gha'], cacheTo: ['r/cache:1', 'inline'] },
      expected: [
        ...base,
        ...intoEngine,
        ...tag,
        '--cache-from',
        'type=registry,ref=r/cache:1',
        '--cache-from',
        'type=gha',
        '--cache-to',
        'type=registry,ref=r/cache:1,mode=max',
        '--cache-to',
        'type=inline',
        '/s/model-api',
      ],
    },
    {
      what: 'by the BuildKit in docker takes the cache that is in an image',
      changes: { cacheFrom: ['r/titanic:latest'], cacheTo: ['inline'] },
      expected: [
        ...base,
        ...tag,
        '--cache-from',
        'r/titanic:latest',
        '--build-arg',
        'BUILDKIT_INLINE_CACHE=1',
        '/s/model-api',
      ],
    },
    {
      what: 'names the target stage',
      changes: { target: 'final' },
      expected: [...base, ...tag, '--target', 'final', '/s/model-api'],
    },
  ] as {
    what: string;
    changes?: Partial<BuildPlan>;
    builder?: BuilderKind;
    tags?: string[];
    push?: boolean;
    pushesByDigest?: boolean;
    expected: string[];
  }[]) {
    it(what, () => {
      const args = buildArguments({
        plan: { ...leastPlan, ...changes },
        builder,
        name,
        tags,
        push,
        pushesByDigest,
        idFile: '/t/id',
        metadataFile: '/t/metadata',
      });
      assert.deepEqual(args, builder === 'buildx' ? ['buildx', ...expected] : expected);
    });
  }

  it('chooses the builder by the environment, since the flag is not known to every client', () => {
    assert.equal(buildEnvironment('legacy').DOCKER_BUILDKIT, '0');
    assert.equal(buildEnvironment('buildx').DOCKER_BUILDKIT, '1');
    assert.equal(buildEnvironment('built-in').DOCKER_BUILDKIT, '1');
  });
});
