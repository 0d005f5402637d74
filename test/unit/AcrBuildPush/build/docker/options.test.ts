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
      /^Input 'buildSecrets' needs BuildKit, but .* \(legacy builder\)\. Install docker's buildx plugin/,
    ],
    ['legacy', { platforms: ['linux/arm64'] }, /^Input 'platform' needs BuildKit/],
    ['legacy', { cacheFrom: ['r/t'] }, /^Input 'cacheFrom' needs BuildKit/],
    ['legacy', { cacheTo: ['inline'] }, /^Input 'cacheTo' needs BuildKit/],
    [
      'built-in',
      { platforms: everything.platforms! },
      /^Input 'platform' needs buildx for several platforms/,
    ],
    [
      'built-in',
      { cacheFrom: ['type=gha'] },
      /^Input 'cacheFrom' needs buildx for anything but the name of an image/,
    ],
    ['built-in', { cacheTo: ['r/cache'] }, /^Input 'cacheTo' needs buildx for anything but 'inline'/],
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
