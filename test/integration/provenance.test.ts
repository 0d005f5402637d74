import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../local/processes';
import { root } from '../../scripts/paths';
import { readModel } from '../../tasks/AcrBuildPush/model';
import { sdkPython } from '../support/python';
import { Story, writeModel } from '../unit/AcrBuildPush/provenance/story';

describe("An image's provenance, read by in-toto's own library", function () {
  this.timeout(300_000); // the first time, Python packages have to be fetched

  let story: Story;
  before(async () => {
    story = await Story.start();
  });
  after(() => story.stop());

  async function read(statement: object) {
    const file = join(story.folder, 'statement.json');
    writeFileSync(file, JSON.stringify(statement));
    const { python } = await sdkPython();
    return run(python, [join(root, 'test/support/in_toto.py'), file]);
  }

  it('is one, with all that a model brings', async () => {
    story.write('Dockerfile', 'FROM scratch AS tools\nFROM scratch\nARG GREETING\nCOPY Dockerfile /\n');
    const model = readModel(writeModel(story));
    await story.run({ model, buildArgs: { GREETING: 'hello' }, labels: { team: 'sea' } });
    const [referrer] = await story.referrers();
    const statement = await story.statement(referrer!.digest);
    const { exitCode, output } = await read(statement);
    assert.equal(exitCode, 0, output);
    const { buildDefinition } = JSON.parse(output.trim().split('\n').at(-1)!);
    assert.deepEqual(
      buildDefinition.externalParameters,
      statement.predicate.buildDefinition.externalParameters,
    );
    const names = buildDefinition.resolvedDependencies.map(({ name }: { name: string }) => name);
    assert.deepEqual(names, [
      ...['source', 'dockerfile', 'model', 'model/metadata.json', 'model/model.pkl'],
      ...['training', 'notebook', 'training-data'],
    ]);
  });

  it('would not be one without a digest of the image', async () => {
    const [referrer] = await story.referrers();
    const statement = await story.statement(referrer!.digest);
    const { exitCode } = await read({ ...statement, subject: [{ name: 'titanic' }] });
    assert.notEqual(exitCode, 0);
  });
});
