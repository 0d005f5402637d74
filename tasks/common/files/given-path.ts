import { resolve } from 'node:path';
import type { TaskContext } from '../task';

/** Where agents take relative paths from. */
const ROOTS = ['Build.SourcesDirectory', 'System.DefaultWorkingDirectory', 'System.ArtifactsDirectory'];

/**
 * The path in an input of paths. Agents put the root of the sources in front of what they are given, so an input that
 * was left empty arrives as that root.
 *
 * @returns undefined for one that was left empty
 */
export function givenPath(path: string | undefined, variable: TaskContext['variable']): string | undefined {
  const roots = ROOTS.map(variable).filter((root) => root !== undefined);
  return path === undefined || roots.some((root) => resolve(root) === resolve(path))
    ? undefined
    : resolve(path);
}
