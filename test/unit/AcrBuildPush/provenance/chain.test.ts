import assert from 'node:assert/strict';
import { readModel } from '../../../../tasks/AcrBuildPush/model';
import { chainOfStatement } from '../../../../tasks/AcrBuildPush/provenance/chain';
import { COMMIT, METADATA, NOTEBOOK, Story, VARIABLES, writeModel } from './story';

describe('the summary of the chain', () => {
  let story: Story;
  beforeEach(async () => {
    story = await Story.start();
  });
  afterEach(() => story.stop());

  const tags = (version: string) => [
    { tag: version, moves: false },
    { tag: 'latest', moves: true },
  ];

  /** The cells of a row. */
  const row = (link: string) => {
    const [, table = ''] = story.summary.split('From notebook to image');
    const line = table.split('\n').find((one) => one.startsWith(`| ${link} |`));
    return line
      ?.split(' | ')
      .slice(1)
      .map((cell) => cell.replace(/ \|$/, ''));
  };

  it('leads from the notebook to the image, with links', async () => {
    await story.run({ model: readModel(writeModel(story)), tags: tags('1.0.0') });
    assert.ok(story.summary.includes('| From notebook to image |  |'), story.summary);
    const digest = String(story.outputs.imageDigest).slice(7, 19);
    assert.deepEqual(row('Notebook'), [`/Shared/live/scikit-titanic ${NOTEBOOK.slice(0, 12)}`]);
    assert.deepEqual(row('Training run'), [
      `[${METADATA.runId}](https://adb-1.2.azuredatabricks.net/jobs/77/runs/${METADATA.runId})`,
    ]);
    assert.deepEqual(row('Metrics'), ['accuracy 0.83, f1 0.79']);
    assert.match(row('Model')![0]!, /^titanic 1\.0\.0 [0-9a-f]{12}$/);
    assert.deepEqual(row('Commit'), [
      `[${COMMIT.slice(0, 12)}](https://dev.azure.com/contoso/Model%20Factory/\\_git/titanic/commit/${COMMIT})`.replace(
        '\\',
        '',
      ),
    ]);
    assert.deepEqual(row('Image'), [digest]);
    assert.deepEqual(row('Built by'), [
      '[titanic 20261130.1](https://dev.azure.com/contoso/Model%20Factory/_build/results?buildId=4711&view=logs&j=0a1b)',
    ]);
  });

  for (const attest of ['auto', 'off'] as const) {
    it(`stands beside that of the image that a tag named before, with 'attest' ${attest}`, async () => {
      await story.run({ model: readModel(writeModel(story)), tags: tags('1.0.0'), attest });
      const earlier = String(story.outputs.imageDigest).slice(7, 19);
      const metadata = { ...METADATA, runId: '99', runUrl: undefined, metrics: { accuracy: 0.9 } };
      await story.run({
        model: readModel(writeModel(story, metadata, '1.1.0')),
        version: '1.1.0',
        tags: tags('1.1.0'),
        attest,
      });
      assert.ok(story.summary.includes('| From notebook to image | Now | latest before |'), story.summary);
      const [now, before] = row('Model')!;
      assert.match(now!, /^titanic 1\.1\.0 /);
      assert.match(before!, /^titanic 1\.0\.0 [0-9a-f]{12}$/);
      assert.equal(row('Image')![1], earlier);
      const [layers, layersBefore] = row('Layers')!;
      assert.match(layers!, /^\d+ layers?, \d.* B; (\d+ new, .*B|none new)$/);
      assert.match(layersBefore!, /^\d+ layers?, \d.* B$/);
      assert.deepEqual(row('Commit')![1], 'the same');
      const run = row('Training run')!;
      assert.equal(run[0], '99');
      assert.match(run[1]!, new RegExp(METADATA.runId));
      // Labels have no metrics.
      assert.deepEqual(row('Metrics'), ['accuracy 0.9', attest === 'auto' ? 'accuracy 0.83, f1 0.79' : '']);
    });
  }

  it('of an image that was copied is that of its build', async () => {
    await story.run({ model: readModel(writeModel(story)), tags: [] });
    const digest = String(story.outputs.imageDigest);
    await story.promote(digest, { repository: 'prod/titanic' });
    assert.equal(story.outputs.imageDigest, digest);
    assert.deepEqual(row('Metrics'), ['accuracy 0.83, f1 0.79']);
    assert.deepEqual(row('Image'), [digest.slice(7, 19)]);
  });

  it('has nothing to compare with where a tag has named the same image', async () => {
    await story.run({ tags: tags('1.0.0') });
    await story.run({ tags: tags('1.0.0') }, { ...VARIABLES, 'Build.BuildNumber': '20261130.2' });
    assert.ok(story.summary.includes('| From notebook to image |  |'), story.summary);
  });

  it('is shown though the registry tells nothing of the image before', async () => {
    await story.run({ tags: tags('1.0.0') });
    const old = String(story.outputs.imageDigest);
    let isPushed = false;
    story.intercept = ({ method, url }, response) => {
      isPushed ||= method === 'PUT' && url!.includes('/manifests/');
      if (!isPushed || method !== 'GET' || !url!.includes(old.slice(7))) return false;
      response.writeHead(403, { 'Content-Type': 'application/json' }).end('{}');
      return true;
    };
    const outcome = await story.run({ version: '2.0.0', tags: tags('2.0.0') });
    assert.equal(outcome.result, 'Succeeded');
    assert.deepEqual(row('Image')![1], old.slice(7, 19));
    assert.equal(row('Layers'), undefined);
  });

  it('takes nothing for granted in a statement of somebody else', () => {
    const odd = {
      subject: [{ name: 'x', digest: {} }],
      predicate: {
        buildDefinition: {
          internalParameters: { pipeline: ['x'], buildNumber: 7 },
          resolvedDependencies: [
            { name: 'model', digest: 7, annotations: { name: {}, version: '1' } },
            { name: 'training', uri: 'javascript:alert(1)', annotations: { run: '<b>', metrics: ['x'] } },
            { name: 'source', uri: 'git+javascript:x', digest: { gitCommit: 'c' } },
          ],
        },
        runDetails: { metadata: 'x' },
      },
    };
    assert.deepEqual(Object.fromEntries(chainOfStatement(odd as never)), {
      'Training run': '<b>',
      Model: '1',
      Commit: 'c',
    });
  });
});
