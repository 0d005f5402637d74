import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPipeline } from '../../../local/agent/pipeline/pipeline';
import { startsOnPush } from '../../../local/agent/pipeline/triggers';
import { root } from '../../../scripts/paths';

/** What a push must touch on the main branch to start a pipeline of the example. */
const pipelines: [file: string, startedBy: string[]][] = [
  ['train-titanic-model.yaml', ['notebooks/scikit-titanic.py']],
  ['train-batcomputer-model.yaml', ['notebooks/scikit-batcomputer.py']],
  ['build-titanic-image.yaml', []],
  ['build-batcomputer-image.yaml', []],
  ['deploy-titanic.yaml', []],
  ['deploy-batcomputer.yaml', []],
  ['titanic.yaml', []],
  ['batcomputer.yaml', []],
];
const pushes = [
  'notebooks/scikit-titanic.py',
  'notebooks/scikit-batcomputer.py',
  'notebooks/README.md',
  'model-api/Dockerfile',
  'pipelines/train-titanic-model.yaml',
];

describe('the pipelines of the example', () => {
  for (const [file, startedBy] of pipelines) {
    it(`${file} starts ${startedBy.length > 0 ? `when ${startedBy} is pushed, and on nothing else` : 'by hand only'}`, () => {
      const { trigger, pr } = readPipeline({
        file: `pipelines/${file}`,
        readFile: (path) => readFileSync(join(root, path), 'utf8'),
      });
      const starting = pushes.filter((path) => startsOnPush(trigger, { branch: 'main', files: [path] }));
      assert.deepEqual(starting, startedBy);
      assert.ok(pushes.every((path) => !startsOnPush(trigger, { branch: 'a-feature', files: [path] })));
      assert.equal(pr, 'none');
    });
  }
});
