import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's top folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Where the extension is put together, unless asked otherwise: the same layout as inside the package. */
export const buildFolder = join(root, 'build');

export const taskNames = ['DatabricksRunJob', 'ModelRegistryDownload', 'AcrBuildPush'] as const;

interface Named {
  readonly publisher: string;
  readonly id: string;
  readonly version: string;
}

const ownManifest: Named = JSON.parse(readFileSync(join(root, 'vss-extension.json'), 'utf8'));

/** The packed extension in a folder, under the name that tfx gives it. */
export const vsixIn = (folder: string, { publisher, id, version } = ownManifest) =>
  join(folder, `${publisher}.${id}-${version}.vsix`);

export const vsixFile = vsixIn(buildFolder);
