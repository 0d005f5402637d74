import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  startWorkspace,
  type Workspace,
  type WorkspaceOptions,
} from '../../../../local/databricks/workspace';
import type { Outcome } from '../../../../tasks/common/task';
import { downloadModel } from '../../../../tasks/ModelRegistryDownload/download-model';
import { readInputs } from '../../../../tasks/ModelRegistryDownload/inputs';
import { MANIFEST } from '../download';
import { contentOf, FakeStep, impatient, temporaryFolder } from '../support';

export const MODEL = 'main.ml.titanic';

/** As MLflow stores one. */
export const FILES: Readonly<Record<string, string | Buffer>> = {
  MLmodel: 'flavors:\n  sklearn:\n    pickled_model: model.pkl\n',
  'model.pkl': randomBytes(300_000),
  'extra_files/a b%.json': '{}',
  'code/ümlaut/train.py': 'pass\n',
};

/** A workspace with a model, and a step that downloads it. */
export interface CatalogStory {
  readonly workspace: Workspace;
  readonly destination: string;
  /** Of the latest download. */
  readonly step: FakeStep;
  readonly waits: readonly number[];
  /** Has a workspace of another kind take the first one's place. */
  restart(options: Partial<WorkspaceOptions>): Promise<void>;
  download(inputs?: Record<string, string>): Promise<Outcome>;
  /** What the destination holds but the manifest; there must be nothing beside it. */
  modelFiles(): Promise<Record<string, string>>;
  /** The methods and paths that the workspace was asked for, since the story began or was told to forget. */
  asked(): string[];
  forget(): void;
}

/** Sets the story up anew before each test, and takes it down afterwards. */
export function useCatalog(): CatalogStory {
  const story = {} as { -readonly [name in keyof CatalogStory]: CatalogStory[name] };
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let forgotten = 0;

  const start = async (options: Partial<WorkspaceOptions>) => {
    story.workspace = await startWorkspace({ folder: join(folder.path, '../workspace-root'), ...options });
    story.workspace.catalog.register(MODEL, FILES, { runId: '0123456789abcdef', aliases: ['champion'] });
  };

  beforeEach(async () => {
    folder = await temporaryFolder();
    forgotten = 0;
    story.destination = join(folder.path, 'model-api', 'pickles');
    await start({});
  });

  afterEach(async () => {
    await story.workspace.stop();
    await folder.remove();
  });

  story.restart = async (options) => {
    await story.workspace.stop();
    await start(options);
  };
  story.download = (inputs = {}) => {
    const { workspace, destination } = story;
    story.step = new FakeStep(folder.path, {
      registryType: 'unityCatalog',
      databricksHost: workspace.url,
      databricksToken: workspace.token,
      modelName: MODEL,
      modelVersion: '1',
      destinationFolder: destination,
      ...inputs,
    });
    const patience = impatient();
    story.waits = patience.waits;
    return downloadModel(readInputs(story.step), story.step, patience);
  };
  story.modelFiles = async () => {
    assert.deepEqual(await readdir(join(story.destination, '..')), ['pickles']);
    const { [MANIFEST]: _, ...files } = await contentOf(story.destination);
    return files;
  };
  story.asked = () =>
    story.workspace.requests.slice(forgotten).map(({ method, path }) => `${method} ${path}`);
  story.forget = () => {
    forgotten = story.workspace.requests.length;
    story.workspace.storage.requests.length = 0;
  };
  return story;
}

/** Files as {@link contentOf} reads them. */
export function asRead(files: Readonly<Record<string, string | Buffer>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files)
      .map(([path, content]) => [path, Buffer.from(content).toString('latin1')] as const)
      .sort(),
  );
}
