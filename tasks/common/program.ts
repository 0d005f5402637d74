import {
  type ChildProcess,
  type ExecFileOptions,
  execFile,
  type SpawnOptions,
  spawn,
} from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { posix, win32 } from 'node:path';
import { promisify } from 'node:util';

export type { ChildProcess };

/** Where a search for programs takes place. */
export interface Place {
  readonly env: NodeJS.ProcessEnv;
  readonly platform?: NodeJS.Platform;
}

/**
 * Starts a program that is found by its name in the folders of PATH, and nowhere else. Windows would look in the current
 * folder first, which is the checkout; an empty or relative entry of PATH, as some have, means the same on any platform. A
 * `docker.exe` that was committed is not what a step runs.
 *
 * @throws an error with the code `ENOENT` where no folder has such a program
 */
export function startProgram(
  name: string,
  args: readonly string[],
  { env = process.env, ...options }: SpawnOptions = {},
): ChildProcess {
  return spawn(pathOf(name, env), args, { windowsHide: true, ...options, env: forChildren(env) });
}

/**
 * Runs a program to its end, found as {@link startProgram} finds it.
 *
 * @returns what it wrote, at most a megabyte
 * @throws an error where it can't be started, ends with anything but 0, or takes too long
 */
export async function outputOf(
  name: string,
  args: readonly string[],
  { env = process.env, ...options }: ExecFileOptions = {},
): Promise<string> {
  const settings = { windowsHide: true, ...options, env: forChildren(env) };
  const { stdout } = await promisify(execFile)(pathOf(name, env), args, settings);
  return String(stdout);
}

/** What a program starts in turn, such as a helper for credentials, is not to come from the current folder either. */
function forChildren(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return process.platform === 'win32' ? { ...env, NoDefaultCurrentDirectoryInExePath: '1' } : env;
}

function pathOf(name: string, env: NodeJS.ProcessEnv): string {
  const path = findProgram(name, { env });
  if (path) return path;
  throw Object.assign(new Error(`no folder that PATH names has a program '${name}'`), { code: 'ENOENT' });
}

/** Where the system itself looks for programs when there is no PATH at all. */
const SYSTEM_PATH = '/usr/bin:/bin';

/** The file of a program by its name; undefined where no folder that PATH names from the root on has one. */
export function findProgram(name: string, { env, platform = process.platform }: Place): string | undefined {
  const isWindows = platform === 'win32';
  const { delimiter, isAbsolute } = isWindows ? win32 : posix;
  const variable = isWindows ? Object.keys(env).find((key) => key.toUpperCase() === 'PATH') : 'PATH';
  const folders = (env[variable ?? 'PATH'] ?? (isWindows ? '' : SYSTEM_PATH)).split(delimiter);
  // No other program can be started there without a shell.
  const file = isWindows ? `${name}.exe` : name;
  return folders
    .map((folder) => (isWindows ? folder.replaceAll('"', '') : folder))
    .filter((folder) => isAbsolute(folder))
    .map((folder) => `${folder}/${file}`)
    .find((path) => isProgram(path, isWindows));
}

function isProgram(path: string, isWindows: boolean): boolean {
  try {
    if (!isWindows) accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
