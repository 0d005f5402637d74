import assert from 'node:assert/strict';
import type { Fault } from '../../../local/databricks/server';
import type { DevOpsFault } from '../../support/azure-devops/organization';
import { inventory, JOBS, jobsOf, NOTHING, setUpSteps, WHOLE } from '../../support/set-up-steps';

describe('deploy/set-up, whose requests fail,', function () {
  this.timeout(240_000);
  const steps = setUpSteps();

  const isChange = (line: string) => !/^(GET|HEAD)/.test(line);

  /** Spoils the first request of each kind. */
  function once(fault: Fault & DevOpsFault, isMeant: (line: string) => boolean = isChange): void {
    const seen = new Set<string>();
    steps.spoil((line) => {
      const kind = line.replaceAll(/[\da-f-]{36}|\d+/g, '*');
      if (!isMeant(line) || seen.has(kind)) return undefined;
      seen.add(kind);
      return fault;
    });
  }

  for (const [what, fault] of Object.entries({
    'when answers are lost': { afterHandling: true },
    'when requests are lost': {},
    'when something in between answers': {
      afterHandling: true,
      answer: { status: 502, body: '<html>Bad gateway</html>' },
    },
    'when services are busy': { answer: { status: 429, headers: { 'Retry-After': '0' }, body: '{}' } },
  }) as [string, Fault & DevOpsFault][]) {
    it(`makes everything once ${what}`, async () => {
      await steps.begin();
      once(fault);
      await steps.applied('--patience', '60');
      assert.deepEqual(inventory(steps.world), WHOLE);
      assert.deepEqual(await jobsOf(steps.world), JOBS);
      steps.spoil(() => undefined);
      const before = steps.world.changes();
      await steps.applied();
      assert.deepEqual(steps.world.changes(), before);
      once(fault);
      const removed = await steps.setUp('--remove', '--apply', '--patience', '60');
      assert.equal(removed.exitCode, 0, removed.output);
      assert.deepEqual(inventory(steps.world), NOTHING);
      assert.deepEqual(await jobsOf(steps.world), []);
    });
  }

  it('goes on where it was, whatever it broke off at', async () => {
    await steps.begin();
    let left = 0;
    const step = 6;
    const refusal = { answer: { status: 400, body: JSON.stringify({ message: 'Not today.' }) } };
    for (let run = 1; run < 20; run += 1) {
      left = step;
      // Every other time, what was asked for is done, and the step ends without knowing.
      steps.spoil((line) => {
        if (!isChange(line) || --left > 0) return undefined;
        return run % 2 === 0 ? refusal : { afterHandling: true, answer: { status: 502, body: '' } };
      });
      const { exitCode, output } = await steps.setUp('--apply', '--patience', '0');
      if (exitCode === 0) break;
      assert.match(output, /Not today|502|does not show/);
    }
    steps.spoil(() => undefined);
    await steps.applied();
    assert.deepEqual(inventory(steps.world), WHOLE);
    assert.deepEqual(await jobsOf(steps.world), JOBS);
    const removed = await steps.setUp('--remove', '--apply');
    assert.equal(removed.exitCode, 0, removed.output);
    assert.deepEqual(inventory(steps.world), NOTHING);
    assert.deepEqual(await jobsOf(steps.world), []);
  });

  it('says what is refused and shows no secret of it, nor a command to an agent', async () => {
    await steps.begin();
    const words = `${steps.world.secrets[1]} \u001b[31m##vso[task.setvariable variable=a]b`;
    steps.spoil((line) =>
      /serviceendpoint/.test(line) && isChange(line)
        ? { answer: { status: 403, body: JSON.stringify({ message: `You may not, ${words}` }) } }
        : undefined,
    );
    const { exitCode, output } = await steps.setUp('--apply');
    assert.equal(exitCode, 1);
    assert.match(output, /Azure DevOps refuses POST \S+ \(403\): You may not, \*\*\*/);
    assert.ok(!output.includes('##vso[') && !output.includes('\u001b'));
  });

  it('says to sign in again where the token is refused', async () => {
    await steps.begin();
    steps.world.account.tokens['499b84ac-1321-427f-aa17-267ca6975798'] = 'stale';
    const { exitCode, output } = await steps.setUp('--apply');
    assert.equal(exitCode, 1);
    assert.match(output, /Sign in anew with 'az login'/);
    assert.deepEqual(steps.world.changes(), []);
  });

  it('takes no answer without an end, and none that is not what was asked for', async () => {
    await steps.begin();
    steps.spoil((line) =>
      /ServicePrincipals/.test(line) ? { answer: { status: 200, body: '[1, {"Resources": 2}]' } } : undefined,
    );
    const wrong = await steps.setUp('--apply');
    assert.deepEqual([wrong.exitCode, steps.world.changes().length > 0], [1, true], wrong.output);
    steps.spoil((line) =>
      /projects/.test(line) ? { answer: { status: 200, body: '"models"' } } : undefined,
    );
    const { exitCode, output } = await steps.setUp('--apply');
    assert.equal(exitCode, 1);
    assert.match(output, /An answer is not as it should be/);
  });
});
