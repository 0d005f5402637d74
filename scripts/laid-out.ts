import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Extension, Manifest } from './identity';
import { taskNames } from './paths';

/** The extension that is laid out in a folder, as it will be packed. */
function readExtension(folder: string): Extension {
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8'));
  return {
    manifest: read('vss-extension.json'),
    tasks: Object.fromEntries(taskNames.map((name) => [name, read(`tasks/${name}/task.json`)])),
  };
}

/**
 * Makes another extension of the one that is laid out in a folder. Its page calls the tasks by their new names.
 *
 * @param changePage makes another page of the extension's
 */
export function changeExtension(
  folder: string,
  change: (extension: Extension) => Extension,
  changePage: (page: string) => string,
): Manifest {
  const { manifest, tasks } = change(readExtension(folder));
  writeJson(join(folder, 'vss-extension.json'), manifest);
  const page = join(folder, 'overview.md');
  let overview = changePage(readFileSync(page, 'utf8'));
  for (const [name, task] of Object.entries(tasks)) {
    writeJson(join(folder, 'tasks', name, 'task.json'), task);
    overview = overview.replaceAll(`${name}@`, `${task.name}@`);
  }
  writeFileSync(page, overview);
  return manifest;
}

export function writeJson(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}
