import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWorkspace } from '../../local/databricks/workspace';
import { BlobServer } from '../support/blob-server';

/** Files by their paths in a version. */
export type Files = Readonly<Record<string, string>>;

/** A registry with a model, from which packed steps download it. */
export interface ModelRegistry {
  /** The inputs of a step that downloads a version. */
  inputs(version: string): Record<string, string>;
  /** From now on never answers who reads the model.pkl of a version, and tells when somebody does; of none, to end that. */
  stallReads(version: string | undefined, reached?: () => void): void;
  stop(): Promise<void>;
}

/**
 * The registries that people have, each started with versions of one model, whose names are 1, 2 and so on. None has a
 * checksum of its files: nothing but its bytes proves a file.
 */
export const MODEL_REGISTRIES: Readonly<
  Record<string, (versions: readonly Files[]) => Promise<ModelRegistry>>
> = {
  'Blob storage': async (versions) => {
    const server = await BlobServer.start();
    for (const [index, files] of versions.entries()) {
      for (const [path, content] of Object.entries(files))
        server.put('titanic', `${index + 1}/${path}`, content, { md5: undefined });
    }
    const inputs = (version: string) => ({
      storageAccount: server.account,
      storageKey: server.key,
      blobEndpoint: server.endpoint,
      modelName: 'titanic',
      modelVersion: version,
    });
    return {
      inputs,
      stallReads(version, reached = () => {}) {
        server.fault = ({ kind, blob }) =>
          kind === 'read' && blob === `${version}/model.pkl`
            ? { stallAfter: 0, onStall: reached }
            : undefined;
      },
      stop: () => server.stop(),
    };
  },

  'Unity Catalog': async (versions) => {
    const folder = mkdtempSync(join(tmpdir(), 'workspace-'));
    const workspace = await startWorkspace({ folder });
    workspace.givesLinks = false;
    for (const files of versions) workspace.catalog.register('main.ml.titanic', files);
    const inputs = (version: string) => ({
      registryType: 'unityCatalog',
      databricksHost: workspace.url,
      databricksToken: workspace.token,
      modelName: 'main.ml.titanic',
      modelVersion: version,
    });
    return {
      inputs,
      stallReads(version, reached = () => {}) {
        workspace.intercept(({ path }) => {
          if (path !== `/api/2.0/fs/files/Models/main/ml/titanic/${version}/model.pkl`) return undefined;
          reached();
          return { isSilent: true };
        });
      },
      async stop() {
        await workspace.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
};
