import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Asks git about a folder.
 * @returns what it printed; undefined when there is no git, the folder is no checkout, or git says no
 */
export async function askGit(folder: string, ...args: string[]): Promise<string | undefined> {
  // In a git hook, git's own variables point to the repository of the hook.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')));
  try {
    const { stdout } = await run('git', args, { cwd: folder, env, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch {
    return undefined;
  }
}
