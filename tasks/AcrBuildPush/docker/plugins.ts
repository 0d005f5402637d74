import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonObject } from '../../common/json';

/** Where docker looks for plugins besides its configuration (docker/cli, `cli-plugins/manager`). */
const SYSTEM_FOLDERS =
  process.platform === 'win32'
    ? [
        join(process.env.ProgramData ?? '', 'Docker', 'cli-plugins'),
        join(process.env.ProgramFiles ?? '', 'Docker', 'cli-plugins'),
      ]
    : ['/usr/local/lib', '/usr/local/libexec', '/usr/lib', '/usr/libexec'].map((path) =>
        join(path, 'docker', 'cli-plugins'),
      );

const BUILDX_FILE = process.platform === 'win32' ? 'docker-buildx.exe' : 'docker-buildx';

/** Whether there is a buildx plugin. Looking for it costs less than asking docker, which most agents answer with no. */
export function hasBuildxFile(configFolder: string | undefined): boolean {
  const own = configFolder ? [join(configFolder, 'cli-plugins'), ...extraFolders(configFolder)] : [];
  return [...own, ...SYSTEM_FOLDERS].some((folder) => existsSync(join(folder, BUILDX_FILE)));
}

function extraFolders(configFolder: string): string[] {
  try {
    const { cliPluginsExtraDirs: folders } = readJsonObject(
      readFileSync(join(configFolder, 'config.json'), 'utf8'),
    );
    return Array.isArray(folders) ? folders.filter((folder) => typeof folder === 'string') : [];
  } catch {
    return [];
  }
}
