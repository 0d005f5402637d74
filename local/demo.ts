import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { root, vsixIn } from '../scripts/paths';
import { type AgentOptions, type PipelineRecord, runPipeline } from './agent/agent';
import { renderPage } from './agent/page';
import { ensureBaseImage, makeRuntimeImage } from './engine/base-image';
import { type Engine, findEngine, pullImage, removeImage, startApi } from './engine/engine';
import { run } from './processes';
import { prepareExamplePython } from './python';
import { type Stack, startStack } from './stack';

const VERSION = '1.0.0';
const PASSENGER = { class: '1st', sex: 'female', age: 'adult' };

const home = join(root, '.local');
const extension = join(home, 'extension');
const page = join(home, 'demo.html');
const cancel = new AbortController();

/** Rows of the table at the end: what was done, and what came of it. */
const results: [what: string, outcome: string][] = [];

process.once('SIGINT', () => {
  console.log('\nStopping.');
  cancel.abort();
});

try {
  await demo(cancel.signal);
} catch (error) {
  if (!cancel.signal.aborted) console.error(`\nThe demo failed: ${(error as Error).message}`);
  process.exitCode = 1;
}

/** Takes the titanic model from its notebook to the image of its API, all on this machine. */
async function demo(signal: AbortSignal): Promise<void> {
  const start = Date.now();
  await mkdir(home, { recursive: true });

  await phase('Packing the extension', () => packExtension(signal));
  const { python } = await phase('Preparing Python for the notebooks', () =>
    prepareExamplePython({ log: detail, signal }),
  );
  const stack = await phase('Starting Blob storage, Databricks and a container registry', () =>
    startStack({ sources: root, python, registryFolder: join(home, 'registry') }),
  );
  try {
    detail(`Blob storage  ${stack.blobStorage.blobEndpoint}`);
    detail(`Databricks    ${stack.workspace.url}`);
    detail(`registry      ${stack.registry.url}`);
    const engine = await findEngine(signal);
    const runs = await runPipelines(stack, python, engine, signal);
    await writePage(runs, stack);
    printEnd(runs, Date.now() - start);
  } finally {
    await stack.stop();
  }
}

async function runPipelines(
  stack: Stack,
  python: string,
  engine: Engine | { missing: string },
  signal: AbortSignal,
): Promise<PipelineRecord[]> {
  const options = agentOptions(stack, signal);
  const training = await runOne('pipelines/train-titanic-model.yaml', options);
  if (training.result !== 'Succeeded') return [training];
  results.push(['model', describeTraining(output(training, 'train', 'notebookOutput')!)]);

  const shared = stack.variableGroups['shared-variables']!;
  const layer = { python, registry: stack.registry, cacheFolder: join(home, 'cache'), log: detail, signal };
  if ('missing' in engine) {
    await phase(
      'Making an image for the API to run on, since no engine can install its packages',
      async () => {
        detail(`No Docker engine: ${engine.missing}.`);
        shared['runtime-image'] = await makeRuntimeImage(layer);
      },
    );
  } else {
    const base = await phase(`Finding a base image for Docker ${engine.version}`, () =>
      ensureBaseImage({ ...layer, reference: 'python:3.11-slim' }),
    );
    shared['base-image'] = base.image;
  }
  const building = await runOne('pipelines/build-titanic-image.yaml', options);
  const image = output(building, 'image', 'imageRefByDigest');
  if (image) {
    // The name without the registry's address, and as much of the digest as a person compares.
    results.push(['image', image.replace(/^[^/]+\//, '').replace(/(sha256:.{12}).*/, '$1…')]);
    if ('missing' in engine) {
      results.push([
        'prediction',
        `left out, since running the image takes a Docker engine: ${engine.missing}`,
      ]);
    } else {
      await askForPrediction(image, stack, signal);
      await removeImage(image);
    }
  }
  return [training, building];
}

function agentOptions(stack: Stack, signal: AbortSignal): AgentOptions {
  return {
    vsix: vsixIn(extension),
    sources: root,
    workFolder: join(home, 'agent'),
    variableGroups: stack.variableGroups,
    variables: { version: VERSION },
    onLine: (line) => detail(line),
    signal,
  };
}

async function runOne(file: string, options: AgentOptions): Promise<PipelineRecord> {
  return phase(`Running ${file}`, () => runPipeline(file, options));
}

/** Pulls the image that was pushed, runs it, and asks its API whether a passenger would have survived. */
async function askForPrediction(image: string, stack: Stack, signal: AbortSignal): Promise<void> {
  await phase('Running the image and asking for a prediction', async () => {
    await pullImage(image, stack.registry, signal);
    const api = await startApi(image, signal);
    try {
      const response = await fetch(`${api.url}/api/predict`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(PASSENGER),
        signal,
      });
      const answer = await response.text();
      if (!response.ok) throw new Error(`The API answered ${response.status}: ${answer}`);
      detail(`POST /api/predict ${JSON.stringify(PASSENGER)}`);
      detail(answer.trim());
      results.push(['prediction', describePrediction(answer)]);
    } finally {
      await api.stop();
    }
  });
}

function describeTraining(notebookOutput: string): string {
  const { model, version, rows, accuracy } = JSON.parse(notebookOutput);
  return `${model} ${version}, trained on ${rows.toLocaleString('en')} rows, right ${percent(accuracy)} of the time`;
}

function describePrediction(answer: string): string {
  const { prediction, probabilities } = JSON.parse(answer);
  const passenger = Object.values(PASSENGER).join(', ');
  return `${passenger}: ${prediction} (${percent(probabilities[prediction])})`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

async function packExtension(signal: AbortSignal): Promise<void> {
  const script = join(root, 'scripts/package.ts');
  const args = ['--import', import.meta.resolve('tsx'), script, extension];
  const { exitCode, output } = await run(process.execPath, args, { signal });
  if (exitCode !== 0) throw new Error(`Packing failed.\n${output}`);
  output.trim().split('\n').forEach(detail);
}

async function writePage(runs: PipelineRecord[], stack: Stack): Promise<void> {
  const html = renderPage(runs, {
    title: 'The titanic model, from notebook to image',
    facts: [
      ...results,
      ['Databricks workspace', stack.workspace.url],
      ['model registry', stack.blobStorage.blobEndpoint],
      ['container registry', stack.registry.loginServer],
    ],
  });
  await writeFile(page, html);
}

function printEnd(runs: PipelineRecord[], milliseconds: number): void {
  const rows = runs.flatMap((run) =>
    run.jobs.flatMap((job) =>
      job.steps
        .filter((step) => step.task)
        .map((step) => [
          step.displayName,
          step.task!,
          step.result,
          seconds(step.finishTime - step.startTime),
        ]),
    ),
  );
  console.log();
  printTable([['step', 'task', 'result', 'time'], ...rows]);
  console.log();
  printTable(results);
  console.log(
    `\nDone in ${seconds(milliseconds)}. The runs, their logs and summaries: ${relative(process.cwd(), page)}`,
  );
  if (runs.some((run) => run.result !== 'Succeeded')) process.exitCode = 1;
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows)
    console.log(
      `  ${row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd()}`,
    );
}

async function phase<T>(title: string, work: () => Promise<T>): Promise<T> {
  console.log(`\n▸ ${title}`);
  const start = Date.now();
  const result = await work();
  cancel.signal.throwIfAborted();
  console.log(`  ${seconds(Date.now() - start)}`);
  return result;
}

function detail(line: string): void {
  console.log(`  │ ${line}`);
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function output(run: PipelineRecord, step: string, name: string): string | undefined {
  return run.jobs.flatMap((job) => job.steps).find((record) => record.name === step)?.outputVariables[name];
}
