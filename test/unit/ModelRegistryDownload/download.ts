import assert from 'node:assert/strict';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Outcome } from '../../../tasks/common/task';
import { downloadModel } from '../../../tasks/ModelRegistryDownload/download-model';
import type { Inputs } from '../../../tasks/ModelRegistryDownload/inputs';
import { BlobServer } from '../../support/blob-server';
import { contentOf, FakeStep, impatient, inputsFor, temporaryFolder } from './support';

export const MANIFEST = 'model-manifest.json';

export const METADATA = JSON.stringify({
  model: 'titanic',
  rows: 2201,
  metrics: { accuracy: 0.783123, f1: 0.59 },
  gitCommit: 'c0ffee',
  runId: null,
});

/** A registry that holds a model, and a step that downloads it. */
export interface DownloadStory {
  readonly server: BlobServer;
  readonly workspace: Awaited<ReturnType<typeof temporaryFolder>>;
  readonly destination: string;
  /** Of the latest download. */
  readonly step: FakeStep;
  download(changes?: Partial<Inputs>): Promise<Outcome>;
  /** What the destination holds but the manifest; there must be nothing beside it. */
  modelFiles(): Promise<Record<string, string>>;
}

/** Sets the story up anew before each test, and takes it down afterwards. */
export function useDownload(): DownloadStory {
  const story = {} as { -readonly [name in keyof DownloadStory]: DownloadStory[name] };

  beforeEach(async () => {
    const server = await BlobServer.start();
    story.server = server;
    story.workspace = await temporaryFolder();
    story.destination = join(story.workspace.path, 'model-api', 'pickles');
    server.put('titanic', '1.0.0/model.pkl', 'the model');
    server.put('titanic', '1.0.0/lookup.pkl', 'the lookup');
    server.put('titanic', '1.0.0/data/flags.pkl', 'the flags');
    server.put('titanic', '1.0.0/metadata.json', METADATA);
    server.put('titanic', '1.0.0-rc1/model.pkl', 'a candidate');
  });

  afterEach(async () => {
    await story.server.stop();
    await story.workspace.remove();
  });

  story.download = (changes = {}) => {
    story.step = new FakeStep(story.workspace.path);
    return downloadModel(inputsFor(story.server, story.destination, changes), story.step, impatient());
  };
  story.modelFiles = async () => {
    assert.deepEqual(await readdir(join(story.destination, '..')), ['pickles']);
    const { [MANIFEST]: _, ...files } = await contentOf(story.destination);
    return files;
  };
  return story;
}

/** Waits until the system's clock, as files see it, is past the last change of a file. */
export async function untilTimeMoves(file: string): Promise<void> {
  const probe = `${file}.probe`;
  const { ctimeMs } = await stat(file);
  for (let now = ctimeMs; now <= ctimeMs; ) {
    await writeFile(probe, '');
    now = (await stat(probe)).ctimeMs;
  }
  await rm(probe);
}

/** Root may write everywhere, so where the tests run as root they are somebody else for a moment. */
export async function withoutPrivileges(body: () => Promise<void>): Promise<void> {
  const isRoot = process.getuid!() === 0;
  if (isRoot) process.seteuid!(65534);
  try {
    await body();
  } finally {
    if (isRoot) process.seteuid!(0);
  }
}
