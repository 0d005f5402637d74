import assert from 'node:assert/strict';
import { DIRECT_LIMITS, planDirectly } from '../../../../../tasks/AcrBuildPush/build/direct/builder';
import { refuseBeyond } from '../../../../../tasks/AcrBuildPush/build/limits';
import type { BuildPlan } from '../../../../../tasks/AcrBuildPush/build-plan';
import { capturedLog, leastPlan } from '../../support';

describe('the builder without an engine', () => {
  for (const [input, changes, docker] of [
    ['buildArgs', { arguments: { BUILDKIT_SYNTAX: 'example.com/team/recipes:1' } }],
    ['buildArgs', { arguments: { BUILDKIT_DOCKERFILE_CHECK: 'error=true' } }],
    ['buildSecrets', { secrets: { a: 'b' } }],
    ['platform', { platforms: ['windows/amd64'] }],
    ['platform', { platforms: ['linux/amd64', 'linux/arm64'] }],
    ['cacheFrom', { cacheFrom: ['r/cache'] }],
    ['cacheTo', { cacheTo: ['inline'] }],
    ['dockerVersion', {}, { dockerVersion: '28.2.2' }],
    ['buildxVersion', {}, { buildxVersion: '0.24.0' }],
  ] as [string, Partial<BuildPlan>, { dockerVersion?: string; buildxVersion?: string }?][]) {
    it(`has nothing for input '${input}': ${JSON.stringify(docker ?? changes)}`, () => {
      const request = docker && {
        dockerVersion: undefined,
        buildxVersion: undefined,
        source: undefined,
        ...docker,
      };
      assert.throws(
        () => refuseBeyond(DIRECT_LIMITS, 'the builder direct', { ...leastPlan, ...changes }, request),
        {
          name: 'TaskError',
          message: new RegExp(
            `^Input '${input}' can't be used with the builder direct: .*'builder' to 'docker'`,
          ),
        },
      );
    });
  }

  it('builds for any one platform of Linux', () => {
    for (const one of ['linux/amd64', 'linux/arm64', 'linux/arm/v7']) {
      refuseBeyond(DIRECT_LIMITS, 'the builder direct', { ...leastPlan, platforms: [one] }, undefined);
    }
  });

  it('names the line, the instruction and the reason where it needs an engine, and the way out', async () => {
    const options = {
      pull: () => Promise.reject(new Error('nothing is pulled here')),
      log: capturedLog().log,
      signal: new AbortController().signal,
    };
    await assert.rejects(planDirectly({ ...leastPlan, recipe: 'FROM scratch\n\nRUN make\n' }, options), {
      name: 'TaskError',
      message: /^Line 3 of \/s\/model-api\/Dockerfile: RUN .* because it runs .* 'builder' to 'docker'/,
    });
  });
});
