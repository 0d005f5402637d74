import assert from 'node:assert/strict';
import { refuseUnsupported } from '../../../../../tasks/AcrBuildPush/build/docker/options';
import type { BuildPlan } from '../../../../../tasks/AcrBuildPush/build-plan';
import type { BuilderKind } from '../../../../../tasks/AcrBuildPush/docker/engine';
import { leastPlan } from '../../support';

describe('what a builder can not do', () => {
  const check = (builder: BuilderKind, changes: Partial<BuildPlan>, env = {}) => {
    const engine = { clientVersion: '28.2.2', serverVersion: '28.2.2', platform: 'linux/amd64', builder };
    refuseUnsupported({ ...leastPlan, ...changes }, engine, env);
  };
  const everything: Partial<BuildPlan> = {
    secrets: { a: 'b' },
    platforms: ['linux/amd64', 'linux/arm64'],
    cacheFrom: ['type=gha'],
    cacheTo: ['r/cache'],
  };

  for (const [builder, changes, message] of [
    [
      'legacy',
      { secrets: { a: 'b' } },
      /^Input 'buildSecrets' can't be used with docker 28\.2\.2 \(legacy builder\): it takes BuildKit\. Install docker's buildx plugin/,
    ],
    ['legacy', { platforms: ['linux/arm64'] }, /^Input 'platform' .*: it takes BuildKit/],
    ['legacy', { cacheFrom: ['r/t'] }, /^Input 'cacheFrom' .*: it takes BuildKit/],
    ['legacy', { cacheTo: ['inline'] }, /^Input 'cacheTo' .*: it takes BuildKit/],
    ['built-in', { platforms: everything.platforms! }, /^Input 'platform' .*: several platforms take buildx/],
    [
      'built-in',
      { cacheFrom: ['type=gha'] },
      /^Input 'cacheFrom' .*: anything but the name of an image takes buildx/,
    ],
    [
      'legacy',
      { dockerOptions: [{ name: '--ssh', words: ['--ssh', 'default'] }] },
      /^Input 'dockerOptions' .*: an option in it takes BuildKit/,
    ],
    ['built-in', { cacheTo: ['r/cache'] }, /^Input 'cacheTo' .*: anything but 'inline' takes buildx/],
  ] as [BuilderKind, Partial<BuildPlan>, RegExp][]) {
    it(`is refused: ${Object.keys(changes)} with the builder ${builder}`, () => {
      assert.throws(() => check(builder, changes), { name: 'TaskError', message });
    });
  }

  it('is nothing with buildx', () => check('buildx', everything));

  it('is little with the BuildKit in docker', () =>
    check('built-in', {
      secrets: { a: 'b' },
      platforms: ['linux/arm64'],
      cacheFrom: ['r/t'],
      cacheTo: ['inline'],
    }));

  it('names the variable that asked for the legacy builder', () => {
    assert.throws(() => check('legacy', everything, { DOCKER_BUILDKIT: '0' }), {
      message: /Take DOCKER_BUILDKIT=0 out of the environment of the step/,
    });
  });
});
