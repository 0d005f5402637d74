import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { registryApi } from '../support/docker-registry';
import { errorsOf } from '../support/extension';
import { useEngine } from '../support/use-engine';

/*
 * An engine's images that are so large that it matters how they get out of it: out of containerd's store by a push to the
 * step, out of the engine's own by `docker save`. Run by ./run.
 */

const IS_IN_CONTAINERD = process.env.CONTAINERD_STORE === 'true';

describe('AcrBuildPush with a large image of an engine', function () {
  this.timeout(120_000);

  const engine = useEngine();
  const made = 'RUN head -c 60000000 /dev/urandom > /made';
  const way = IS_IN_CONTAINERD ? 'docker push' : 'docker save';

  /** By which commands the engine gave something out, as the log tells. */
  const waysOut = (log: readonly string[]) =>
    log.flatMap((line) => /^The engine gave .*, by (.*)\.$/.exec(line)?.[1] ?? []);

  it('has the engine give it out by the quicker way, and keep it under its own names only', async () => {
    const recipe = [`FROM ${engine.base}`, made, 'COPY model.pkl /'];
    const run = await engine.step(recipe, { repository: 'large', compression: 'none' });
    assert.equal(run.result, 'Succeeded', errorsOf(run));
    assert.deepEqual(waysOut(run.log), [way]);
    const digest = await registryApi(engine.host, 'large').digestOf('1.0.0');
    assert.equal(digest, run.outputVariables.imageDigest);
    assert.deepEqual(namesOf(`${engine.host}/large:1.0.0`), [`${engine.host}/large:1.0.0`]);
  });

  it('builds a part of it once for all steps, though the engine may forget the part', async () => {
    const recipe = [
      `FROM ${engine.base}`,
      made,
      `ENV RUN=${engine.run}`,
      'RUN echo 1 > /x',
      'COPY model.pkl /',
    ];
    const inputs = { repository: 'large-part', builder: 'auto', compression: 'none' };
    const first = await engine.step(recipe, inputs);
    assert.equal(first.result, 'Succeeded', errorsOf(first));
    assert.deepEqual(waysOut(first.log), [way]);
    const second = await engine.step([...recipe, 'COPY model.pkl /again'], inputs);
    assert.equal(second.result, 'Succeeded', errorsOf(second));
    assert.deepEqual(waysOut(second.log), []);
    assert.ok(second.log.some((line) => line.startsWith('The registry has what the engine built')));
  });
});

function namesOf(image: string): string[] {
  const args = ['image', 'inspect', '--format', '{{json .RepoTags}}', image];
  return JSON.parse(execFileSync('docker', args, { encoding: 'utf8' }));
}
