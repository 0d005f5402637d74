import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type PipelineRecord, runPipeline } from '../../local/agent/agent';
import { type LocalAzure, startLocalAzure } from '../../local/azure/azure';
import { engineRunner } from '../../local/azure/engine-runner';
import { digestsOf } from '../../local/azure/registry-digests';
import { provideApiBase } from '../../local/engine/api-base';
import { findEngine, removeImage } from '../../local/engine/engine';
import { type Stack, startStack } from '../../local/stack';
import { root, vsixFile } from '../../scripts/paths';
import { examplePython } from '../support/python';
import { skip } from '../support/skip';

describe('the whole pipeline of titanic', function () {
  this.timeout(600_000);
  const { signal } = new AbortController();
  let folder: string;
  let stack: Stack;
  let azure: LocalAzure;

  before(async function () {
    const engine = await findEngine();
    if ('missing' in engine) skip(this, `no Docker engine: ${engine.missing}`);
    folder = mkdtempSync(join(tmpdir(), 'deploy-'));
    const { python } = await examplePython();
    stack = await startStack({
      sources: root,
      python,
      registryFolder: join(folder, 'registry'),
      version: '1.0.0',
    });
    const cacheFolder = join(folder, 'cache');
    const base = await provideApiBase(engine, {
      python,
      registry: stack.registry,
      cacheFolder,
      log: () => {},
    });
    Object.assign(stack.variableGroups['shared-variables']!, base);
    azure = await startLocalAzure({
      runner: engineRunner(stack.registry, signal),
      digestOf: digestsOf(stack.registry),
    });
  });

  after(async () => {
    await azure?.stop();
    await stack?.stop();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  const run = (file: string, place: string, version = '1.0.0', signIn = 'keys') =>
    runPipeline(file, {
      vsix: vsixFile,
      sources: root,
      workFolder: join(folder, 'agent'),
      variableGroups: {
        ...stack.variableGroups,
        'shared-variables': { ...stack.variableGroups['shared-variables']!, version },
      },
      parameters: { signIn, place },
      // Without keys, nothing of the group shared-secrets is read: the service connection signs in.
      ...(signIn === 'serviceConnection' && {
        serviceConnections: [stack.identities.connection],
        ...stack.identities.organization,
      }),
      environment: { ...process.env, PATH: `${azure.folder}${delimiter}${process.env.PATH}` },
    });

  const steps = (record: PipelineRecord) => record.jobs.flatMap((job) => job.steps);
  const logOf = (record: PipelineRecord) =>
    steps(record)
      .flatMap(({ log, issues }) => [...log, ...issues.map(({ message }) => message)])
      .join('\n');
  const outputOf = (record: PipelineRecord, step: string, name: string) =>
    steps(record).find((one) => one.name === step)!.outputVariables[name]!;

  it('trains the model, builds its image, and serves that: as an app without a secret, and as an instance', async () => {
    const whole = await run('pipelines/titanic.yaml', 'containerApp', '1.0.0', 'serviceConnection');
    assert.equal(whole.result, 'Succeeded', logOf(whole));
    const served =
      /(http:\S+) serves titanic 1\.0\.0 \((sha256:\w+)\) and answers .* with '(died|survived)'/g;
    // First the revision itself was asked, then what everybody asks.
    const [, url, digest] = [...logOf(whole).matchAll(served)].at(-1) ?? [];
    assert.equal(digest, outputOf(whole, 'download', 'modelDigest'));

    const answer = await fetch(`${url}/api/predict`, {
      method: 'POST',
      body: JSON.stringify({ class: '1st', sex: 'female', age: 'adult' }),
    });
    assert.equal(((await answer.json()) as { prediction: string }).prediction, 'survived');

    // The image by its tag this time, and the model's digest from the registry.
    const instance = await run('pipelines/deploy-titanic.yaml', 'containerInstance');
    assert.equal(instance.result, 'Succeeded', logOf(instance));
    assert.match(logOf(instance), served);

    const missing = await run('pipelines/deploy-titanic.yaml', 'containerApp', '9.9.9');
    assert.equal(missing.result, 'Failed');
    const still = await fetch(`${url}/api/ready`);
    assert.equal(still.status, 200);

    await azure.stop();
    await removeImage(outputOf(whole, 'image', 'imageRefByDigest'));
  });
});
