import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { unzipSync } from 'fflate';
import { readTaskDefinition, type TaskDefinition, versionText } from './task-definition';

/** A task that lies unpacked in the agent's `_tasks` folder. */
export interface InstalledTask {
  readonly definition: TaskDefinition;
  readonly folder: string;
}

/** The tasks of one extension. */
export interface TaskStore {
  /**
   * The task that YAML names, in the highest version of that major.
   * @param reference `Name@1`, `publisher.extension.contribution.Name@1` or `<id>@1`
   * @returns undefined when the extension has no such task
   */
  find(reference: string): InstalledTask | undefined;
  /** What there is, for messages. */
  readonly names: readonly string[];
}

const TASK_TYPE = 'ms.vss-distributed-task.task';

/**
 * Unpacks the tasks of a packed extension into `_tasks/<Name>_<id>/<version>`, where the agent puts what it
 * downloads from the server.
 * @param vsix path of the package
 * @throws when the package has no manifest or a contribution without a task
 */
export function installTasks(vsix: string, tasksFolder: string): TaskStore {
  const packed = readFileSync(vsix);
  const files = unzipSync(packed);
  const stamp = createHash('sha256').update(packed).digest('hex');
  const installed = taskRoots(files, vsix).map((root) => install(files, root, tasksFolder, stamp));
  const names = installed.map(({ definition }) => `${definition.name}@${definition.version.Major}`);
  return { find: (reference) => findTask(installed, reference), names };
}

/** Folders in the package that hold a task.json: a contribution's own, or one for each major below it. */
function taskRoots(files: Record<string, Uint8Array>, vsix: string): string[] {
  const manifest = files['extension.vsomanifest'];
  if (!manifest) throw new Error(`${vsix} is no extension: it has no extension.vsomanifest.`);
  const { contributions = [] } = JSON.parse(Buffer.from(manifest).toString('utf8'));
  return contributions
    .filter((contribution: { type: string }) => contribution.type === TASK_TYPE)
    .flatMap((contribution: { id: string; properties: { name: string } }) => {
      const folder = contribution.properties.name;
      const roots = Object.keys(files)
        .filter(
          (name) =>
            name.startsWith(`${folder}/`) && /^([^/]+\/)?task\.json$/.test(name.slice(folder.length + 1)),
        )
        .map((name) => dirname(name));
      if (roots.length === 0) {
        throw new Error(
          `${vsix}: the contribution '${contribution.id}' names the folder ${folder}, which has no task.`,
        );
      }
      return roots;
    });
}

function install(
  files: Record<string, Uint8Array>,
  root: string,
  tasksFolder: string,
  stamp: string,
): InstalledTask {
  const json = Buffer.from(files[`${root}/task.json`]!).toString('utf8');
  const { id, name, version } = JSON.parse(json.replace(/^\uFEFF/, ''));
  const folder = join(tasksFolder, `${name}_${id}`, `${version.Major}.${version.Minor}.${version.Patch}`);
  // The agent never unpacks a version again. Here packages are rebuilt without a new version all the time.
  const marker = `${folder}.completed`;
  if (!existsSync(marker) || readFileSync(marker, 'utf8') !== stamp) {
    rmSync(folder, { recursive: true, force: true });
    for (const [path, content] of Object.entries(files)) {
      if (!path.startsWith(`${root}/`) || path.endsWith('/')) continue;
      const target = resolve(folder, path.slice(root.length + 1));
      if (!target.startsWith(folder + sep))
        throw new Error(`The package has a file outside of its task: ${path}`);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, content);
    }
    writeFileSync(marker, stamp);
  }
  return { folder, definition: readTaskDefinition(folder) };
}

function findTask(installed: InstalledTask[], reference: string): InstalledTask | undefined {
  const [name = '', version = ''] = reference.split('@');
  const short = name.split('.').at(-1)!.toLowerCase();
  return installed
    .filter(
      ({ definition }) =>
        definition.id.toLowerCase() === name.toLowerCase() || definition.name.toLowerCase() === short,
    )
    .filter(
      ({ definition }) => String(definition.version.Major) === version || versionText(definition) === version,
    )
    .sort(
      (a, b) =>
        b.definition.version.Minor - a.definition.version.Minor ||
        b.definition.version.Patch - a.definition.version.Patch,
    )[0];
}
