import assert from 'node:assert/strict';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setUpSteps } from '../../support/set-up-steps';
import type { WorldOptions } from '../../support/set-up-world';

describe('deploy/set-up says first what is missing:', function () {
  this.timeout(240_000);
  const steps = setUpSteps();

  const cases: [string, WorldOptions, string[], RegExp][] = [
    ['a metastore', { workspace: { hasMetastore: false } }, [], /no Unity Catalog/],
    ['a project', {}, ['--project', 'nowhere'], /There is no project 'nowhere'/],
    ['a repository', {}, ['--repository', 'nowhere'], /has no repository 'nowhere'/],
    ['the code in it', {}, ['--repository', 'empty'], /is empty: push this repository/],
    ['an output of the template', { outputs: { acrName: '' } }, [], /has no output acrName/],
    [
      'TLS to a host',
      { outputs: { databricksHost: 'http://example.com' } },
      [],
      /no address to send a token to/,
    ],
    ['a connection to GitHub', {}, ['--github-connection', 'nowhere'], /no service connection 'nowhere'/],
    ['a part of a volume', {}, ['--volume', 'main.data'], /must be catalog\.schema\.name/],
  ];
  for (const [what, options, args, message] of cases) {
    it(what, async () => {
      await steps.begin(options);
      const { exitCode, output } = await steps.setUp('--apply', ...args);
      assert.equal(exitCode, 1);
      assert.match(output, message);
      assert.deepEqual(steps.world.changes(), []);
    });
  }

  it('the deployment of the template', async () => {
    await steps.begin();
    steps.world.account.outputs = undefined;
    const { exitCode, output } = await steps.setUp('--apply');
    assert.equal(exitCode, 1);
    assert.match(output, /Deploy the template first: docs\/set-up.md/);
  });

  it('a readable note of what was made', async () => {
    await steps.begin();
    await steps.applied();
    const folder = join(steps.world.state, 'model-pipelines');
    const file = join(folder, readdirSync(folder)[0]!);
    assert.equal(statSync(file).mode & 0o077, 0);
    writeFileSync(file, '{"version": 1');
    const { exitCode, output } = await steps.setUp('--remove', '--apply');
    assert.equal(exitCode, 1);
    assert.match(output, /can't be read/);
  });
});
