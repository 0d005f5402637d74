/*
 * Stands in for an agent's Node on Linux: runs a task under Node for Windows, by Wine. What the agent sees is what it would
 * see of a process of its own: output as it comes, paths that it can open, SIGINT answered, an exit code. set-up.ts puts a copy beside what it
 * needs, with the Node that starts it in its first line.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const home = import.meta.dirname;
const args = process.argv.slice(2);
if (args[0] === '-v') {
  console.log('v20.20.2');
  process.exit();
}

/** Of some 150 starts, two hung in Wine before Node wrote a byte: such a start is ended, noted and tried once more. */
const SILENCE_LIMIT = 60_000;

const cancelFile = join(tmpdir(), `cancel-${randomUUID()}`);
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => writeFileSync(cancelFile, ''));

let exitCode = await start();
if (exitCode === undefined) {
  appendFileSync(join(home, 'hangs'), `${args.join(' ')}\n`);
  exitCode = await start();
}
rmSync(cancelFile, { force: true });
process.exitCode = exitCode ?? 124;

/** @returns the exit code; undefined when the process was silent for too long, and was ended */
function start() {
  const program = [
    join(home, 'agent-host.exe'),
    windows(cancelFile),
    join(home, 'node.exe'),
    ...args.map(windows),
  ];
  const child = spawn('/usr/lib/wine/wine64', program, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, WINEPREFIX: join(home, 'prefix'), WINEDEBUG: '-all' },
    detached: true,
  });
  let isHung = false;
  const timer = setTimeout(() => {
    isHung = true;
    process.kill(-child.pid, 'SIGKILL');
  }, SILENCE_LIMIT);
  createInterface(child.stdout).on('line', (line) => {
    clearTimeout(timer);
    console.log(translate(line));
  });
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(isHung ? undefined : (code ?? 1));
    });
  });
}

/** A path of Linux as a program in Wine names it. */
function windows(path) {
  return path.startsWith('/') ? `Z:${path.replaceAll('/', '\\')}` : path;
}

/** The data of an agent's command, where they are a path of Wine's drive Z, as a path of Linux. */
function translate(line) {
  const [, command, path] = /^(##vso\[[^\]]*\])(?:[Zz]:)?(\\[\w.-]+\\.*)$/.exec(line) ?? [];
  return command ? command + path.replaceAll('\\', '/') : line;
}
