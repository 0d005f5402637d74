import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { root } from '../scripts/paths';
import { run } from './processes';

/** What the pins of the requirement files are known to have ready-made packages for. */
const OLDEST = [3, 9] as const;
const NEWEST = [3, 14] as const;

const STAMP = 'made-from.json';

export interface PythonOptions {
  /** Where the virtual environment is kept from one call to the next. */
  readonly folder: string;
  /** pip requirement files. What earlier calls asked for stays installed beside them. */
  readonly requirements: readonly string[];
  /** Takes one line for each phase. */
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface Python {
  /** The environment's interpreter. Start installed tools as `python -m <tool>`. */
  readonly python: string;
  readonly version: string;
}

/** Written into the environment as its last file: an environment without one was never finished. */
interface Stamp {
  readonly version: string;
  /** Requirement file to the SHA-256 of its text. */
  readonly requirements: Record<string, string>;
}

/**
 * Provides Python 3 in a virtual environment with the given requirements. An environment that has them is used as it
 * is; otherwise a new one is made beside it and takes its place when complete, so that an interrupted call leaves the
 * old one, or none.
 *
 * @throws with the remedy, when there is no fit Python, no `venv` module, or a package cannot be installed;
 * with the signal's reason, when aborted.
 */
export async function preparePython(options: PythonOptions): Promise<Python> {
  const folder = resolve(options.folder);
  const asked = options.requirements.map((file) => resolve(file));
  const found = await readStamp(folder);
  const wanted = await digestAll([...new Set([...asked, ...Object.keys(found?.requirements ?? {})])]);
  const missing = asked.find((file) => !wanted[file]);
  if (missing) throw new Error(`The requirement file ${missing} does not exist.`);

  const python = interpreterOf(folder);
  if (
    found &&
    asked.every((file) => found.requirements[file] === wanted[file]) &&
    (await versionOf([python], options.signal)) === found.version
  ) {
    options.log(`Python ${found.version} is ready.`);
    return { python, version: found.version };
  }

  const base = await findPython(options.signal);
  options.log(`Found Python ${base.version}.`);
  await mkdir(dirname(folder), { recursive: true });
  const unfinished = await mkdtemp(join(dirname(folder), `${basename(folder)}-`));
  try {
    await makeEnvironment(base, unfinished, options);
    await install(interpreterOf(unfinished), Object.keys(wanted), options);
    const stamp: Stamp = { version: base.version, requirements: wanted };
    await writeFile(join(unfinished, STAMP), JSON.stringify(stamp, null, 2));
    options.signal?.throwIfAborted();
    await rm(folder, { recursive: true, force: true });
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
  options.log(`Python ${base.version} is ready.`);
  return { python, version: base.version };
}

/**
 * The Python of the example: its notebooks, and its API.
 *
 * @param more further requirement files
 */
export function prepareExamplePython(
  options: Pick<PythonOptions, 'log' | 'signal'>,
  more: readonly string[] = [],
): Promise<Python> {
  const files = ['local/requirements.txt', 'model-api/requirements.txt', ...more];
  return preparePython({
    ...options,
    folder: join(root, '.local/python'),
    requirements: files.map((file) => join(root, file)),
  });
}

interface BasePython {
  readonly command: readonly string[];
  readonly version: string;
}

/** The first fit Python 3 on the path: the usual names, then those with a version, newest first. */
async function findPython(signal?: AbortSignal): Promise<BasePython> {
  const usual =
    process.platform === 'win32' ? [['python'], ['py', '-3'], ['python3']] : [['python3'], ['python']];
  const versioned = [];
  for (let minor: number = NEWEST[1]; minor >= OLDEST[1]; minor--)
    versioned.push(process.platform === 'win32' ? ['py', `-3.${minor}`] : [`python3.${minor}`]);

  const unfit = new Set<string>();
  for (const command of [...usual, ...versioned]) {
    const version = await versionOf(command, signal);
    if (!version) continue;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major === 3 && minor >= OLDEST[1] && minor <= NEWEST[1]) return { command, version };
    unfit.add(version);
  }
  const range = `${OLDEST.join('.')} to ${NEWEST.join('.')}`;
  const remedy = `Install one of Python ${range} (python.org, or your system's packages) so that "python3" starts it, and run this again.`;
  throw new Error(
    unfit.size > 0
      ? `The notebooks need Python ${range}; this machine has ${[...unfit].join(' and ')}. ${remedy}`
      : `The notebooks need Python 3, and there is none on the PATH. ${remedy}`,
  );
}

/** The version of the Python that a command starts; nothing when it starts none. */
async function versionOf(command: readonly string[], signal?: AbortSignal): Promise<string | undefined> {
  const [program, ...args] = command;
  try {
    const { exitCode, output } = await run(
      program!,
      [...args, '-c', 'import platform; print(platform.python_version())'],
      { signal },
    );
    return exitCode === 0 ? output.trim() : undefined;
  } catch (error) {
    if (signal?.aborted) throw error;
    return undefined;
  }
}

async function makeEnvironment(base: BasePython, folder: string, options: PythonOptions): Promise<void> {
  const [program, ...args] = base.command;
  const hasVenv = await run(program!, [...args, '-c', 'import ensurepip, venv'], options);
  if (hasVenv.exitCode !== 0) {
    throw new Error(
      `Python ${base.version} comes without its "venv" module. On Debian and Ubuntu: sudo apt install python3-venv`,
    );
  }
  options.log(`Making a virtual environment in ${options.folder}.`);
  const made = await run(program!, [...args, '-m', 'venv', folder], options);
  if (made.exitCode !== 0) {
    throw new Error(`Python's venv could not make a virtual environment.\n${lastLines(made.output)}`);
  }
}

async function install(python: string, files: readonly string[], options: PythonOptions): Promise<void> {
  options.log('Installing Python packages. The first time takes a minute or two.');
  const installed = await run(
    python,
    [
      '-m',
      'pip',
      'install',
      '--prefer-binary',
      '--disable-pip-version-check',
      ...files.flatMap((file) => ['-r', file]),
    ],
    {
      // A user-wide `pip --user` setting would break any virtual environment.
      env: { ...process.env, PIP_USER: '0' },
      signal: options.signal,
      onLine: (line) => {
        const phase = progressOf(line);
        if (phase) options.log(phase);
      },
    },
  );
  if (installed.exitCode !== 0) {
    throw new Error(
      `pip could not install the packages of ${files.join(' and ')}. ` +
        `Check this machine's connection and pip's index and proxy settings.\n${lastLines(installed.output)}`,
    );
  }
}

/** A line of pip's that tells a person something: a package begun because a requirement file names it, or the last step. */
function progressOf(line: string): string | undefined {
  const collecting = /^Collecting (\S+) \(from -r /.exec(line);
  if (collecting) return `  fetching ${collecting[1]}`;
  return line.startsWith('Installing collected packages') ? '  installing' : undefined;
}

async function readStamp(folder: string): Promise<Stamp | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, STAMP), 'utf8'));
  } catch {
    return undefined;
  }
}

/** The files that exist, each with the SHA-256 of its text. */
async function digestAll(files: readonly string[]): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const file of files) {
    const text = await readFile(file).catch(() => undefined);
    if (text) digests[file] = createHash('sha256').update(text).digest('hex');
  }
  return digests;
}

function interpreterOf(folder: string): string {
  return process.platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python');
}

function lastLines(output: string): string {
  return output.trim().split('\n').slice(-15).join('\n');
}
