import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { root, vsixIn } from '../../scripts/paths';
import { type AgentOptions, type PipelineRecord, runPipeline } from '../agent/agent';
import { provideApiBase } from '../engine/api-base';
import { type Engine, findEngine } from '../engine/engine';
import type { RunningApi } from '../model-api';
import { run } from '../processes';
import { prepareExamplePython } from '../python';
import { type Stack, startStack } from '../stack';
import { stopAll } from '../stop';
import { verifyChain } from './chain';
import { detail, phase } from './console';
import type { ExampleModel } from './models';
import { apiOfImage, apiOfModel, ask } from './prediction';
import { printEnd, type Story, writePage } from './report';

const VERSION = '1.0.0';

export interface DemoOptions {
  readonly model: ExampleModel;
  /** The checkout's own folder for what the demo makes. */
  readonly home: string;
  /** Called with everything still running, before it is stopped. */
  readonly onReady?: (stack: Stack, api: RunningApi | undefined) => Promise<void>;
  readonly signal: AbortSignal;
}

interface Services {
  readonly stack: Stack;
  readonly python: string;
  readonly engine: Engine | { readonly missing: string };
}

/**
 * Takes a model from its notebook to the image of its API, all on this machine, and asks that for a prediction.
 *
 * @returns whether all of it went well
 */
export async function demo({ model, home, onReady, signal }: DemoOptions): Promise<boolean> {
  const start = Date.now();
  await mkdir(home, { recursive: true });
  const extension = join(home, 'extension');

  await phase('Packing the extension', signal, () => packExtension(extension, signal));
  const { python } = await phase('Preparing Python for the notebooks', signal, () =>
    prepareExamplePython({ log: detail, signal }),
  );
  const stack = await phase('Starting Blob storage, Databricks and a container registry', signal, () =>
    startStack({ sources: root, python, registryFolder: join(home, 'registry'), version: VERSION }),
  );
  let api: RunningApi | undefined;
  try {
    detail(`Blob storage  ${stack.blobStorage.blobEndpoint}`);
    detail(`Databricks    ${stack.workspace.url}`);
    detail(`registry      ${stack.registry.url}`);
    const services = { stack, python, engine: await findEngine(signal) };
    const story: Story = { runs: [], results: [] };
    const page = join(home, 'demo.html');
    try {
      api = await buildModel(model, services, { home, vsix: vsixIn(extension), signal }, story);
    } finally {
      // Also of a run that failed: the page shows where, and why.
      if (story.runs.length > 0) await writePage(page, model, story, stack);
    }
    const isGood = printEnd(story, page, Date.now() - start);
    if (isGood) await onReady?.(stack, api);
    return isGood;
  } finally {
    await stopAll([api, stack]);
  }
}

/** Runs the model's two pipelines, and asks the API that came of them; none where a pipeline failed. */
async function buildModel(
  model: ExampleModel,
  services: Services,
  { home, vsix, signal }: { home: string; vsix: string; signal: AbortSignal },
  { runs, results }: Story,
): Promise<RunningApi | undefined> {
  const { stack, engine, python } = services;
  const options: AgentOptions = {
    vsix,
    sources: root,
    workFolder: join(home, 'agent'),
    variableGroups: stack.variableGroups,
    serviceConnections: [stack.identities.connection],
    ...stack.identities.organization,
    onLine: (line) => detail(line),
    signal,
  };
  const runOne = async (file: string, parameters = {}): Promise<PipelineRecord> => {
    const record = await phase(`Running ${file}`, signal, () =>
      runPipeline(file, { ...options, parameters }),
    );
    signal.throwIfAborted();
    runs.push(record);
    return record;
  };

  const training = await runOne(model.training);
  if (training.result !== 'Succeeded') return undefined;
  results.push(['model', describeTraining(output(training, 'train', 'notebookOutput')!)]);

  await chooseBase(services, home, signal);
  const building = await runOne(model.building, {
    signingConnection: stack.identities.connection.name,
  });
  const image = output(building, 'image', 'imageRefByDigest');
  if (building.result !== 'Succeeded' || !image) return undefined;
  // The name without the registry's address, and as much of the digest as a person compares.
  results.push(['image', image.replace(/^[^/]+\//, '').replace(/(sha256:.{12}).*/, '$1…')]);
  results.push(
    ...(await phase('Verifying the chain from the image to the notebook', signal, () =>
      verifyChain(image, stack, home, signal),
    )),
  );

  const title = 'missing' in engine ? 'Running the API' : 'Running the image';
  return phase(`${title} and asking for a prediction`, signal, async () => {
    const api = await ('missing' in engine
      ? apiOfModel(python, output(building, 'download', 'modelPath')!)
      : apiOfImage(image, stack, signal));
    try {
      const from =
        'missing' in engine
          ? `, by the API without its image, which takes a Docker engine: ${engine.missing}`
          : '';
      results.push(['prediction', `${await ask(api, model, signal)}${from}`]);
      return api;
    } catch (error) {
      await api.stop();
      throw error;
    }
  });
}

/** Names what the API's image is built on in the group of variables. */
async function chooseBase(
  { stack, python, engine }: Services,
  home: string,
  signal: AbortSignal,
): Promise<void> {
  const title =
    'missing' in engine
      ? 'Making an image for the API to run on, since no engine can install its packages'
      : `Finding a base image for Docker ${engine.version}`;
  const layer = { python, registry: stack.registry, cacheFolder: join(home, 'cache'), log: detail, signal };
  const base = await phase(title, signal, () => provideApiBase(engine, layer));
  Object.assign(stack.variableGroups['shared-variables']!, base);
}

async function packExtension(folder: string, signal: AbortSignal): Promise<void> {
  const script = join(root, 'scripts/package.ts');
  const args = ['--import', import.meta.resolve('tsx'), script, folder];
  const { exitCode, output } = await run(process.execPath, args, { signal });
  if (exitCode !== 0) throw new Error(`Packing failed.\n${output}`);
  output.trim().split('\n').forEach(detail);
}

function describeTraining(notebookOutput: string): string {
  const { model, version, rows, accuracy } = JSON.parse(notebookOutput);
  const share = `${Math.round(accuracy * 100)} %`;
  return `${model} ${version}, trained on ${rows.toLocaleString('en')} rows, right ${share} of the time`;
}

function output(run: PipelineRecord, step: string, name: string): string | undefined {
  return run.jobs.flatMap((job) => job.steps).find((record) => record.name === step)?.outputVariables[name];
}
