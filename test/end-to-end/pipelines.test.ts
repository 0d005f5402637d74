import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runPipeline } from '../../local/agent/agent';
import { type Stack, startStack } from '../../local/stack';
import { root, vsixFile } from '../../scripts/paths';
import { examplePython } from '../support/python';

describe('the pipelines of batcomputer', function () {
  this.timeout(300_000);
  let folder: string;
  let stack: Stack;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pipelines-'));
    const { python } = await examplePython();
    stack = await startStack({
      sources: root,
      python,
      registryFolder: join(folder, 'registry'),
      version: '2.1.0',
    });
  });

  after(async () => {
    await stack?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (file: string, leaveOut: string[] = []) =>
    runPipeline(file, {
      vsix: vsixFile,
      sources: root,
      workFolder: join(folder, 'agent'),
      variableGroups: stack.variableGroups,
      leaveOut,
    });

  it('train the model, store it, and bring it to the folder that the image is built from', async () => {
    const training = await run('pipelines/train-batcomputer-model.yaml');
    assert.equal(training.result, 'Succeeded');
    const stored = JSON.parse(training.jobs[0]!.outputVariables['train.notebookOutput']!);
    assert.equal(stored.version, '2.1.0');

    const building = await run('pipelines/build-batcomputer-image.yaml', ['AcrBuildPush']);
    assert.equal(building.result, 'Succeeded');
    const pickles = building.jobs[0]!.outputVariables['download.modelPath']!;
    assert.deepEqual(readdirSync(pickles).sort(), [
      '.gitignore',
      'flags.pkl',
      'lookup.pkl',
      'metadata.json',
      'model-manifest.json',
      'model.pkl',
      'model.sig',
    ]);
    const { signature } = JSON.parse(readFileSync(join(pickles, 'model-manifest.json'), 'utf8'));
    assert.match(signature.digest, /^sha256:/);
    assert.equal(building.jobs[0]!.outputVariables['download.modelDigest'], stored.digest);
    const metadata = JSON.parse(readFileSync(join(pickles, 'metadata.json'), 'utf8'));
    assert.equal(metadata.model, 'batcomputer');
    assert.equal(metadata.metrics.accuracy, stored.accuracy);
    assert.match(metadata.runId, /^\d+$/);
  });

  it('train it and download it without a secret, as the service connection', async () => {
    const record = await runPipeline('pipelines/batcomputer.yaml', {
      vsix: vsixFile,
      sources: root,
      workFolder: join(folder, 'agent'),
      variableGroups: {
        'shared-variables': { ...stack.variableGroups['shared-variables']!, version: '2.2.0' },
      },
      serviceConnections: [stack.identities.connection],
      ...stack.identities.organization,
      only: ['train', 'build'],
      leaveOut: ['AcrBuildPush'],
    });
    const steps = record.jobs.flatMap((job) => job.steps);
    const outputOf = (name: string) => steps.find((step) => step.name === name)!.outputVariables;
    assert.deepEqual(
      steps.flatMap(({ issues }) => issues.map(({ message }) => message)),
      [],
    );
    assert.equal(outputOf('train').resultState, 'SUCCESS');
    assert.equal(outputOf('download').modelVersion, '2.2.0');
  });
});
