/*
 * Stands in for an agent's Node on Linux: runs a task under Node for Windows, by Wine. What the agent sees is what it would
 * see of a process of its own: output as it comes, paths that it can open, SIGINT answered, an exit code. set-up.ts puts a copy beside what it
 * needs, with the Node that starts it in its first line.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const home = import.meta.dirname;
const args = process.argv.slice(2);
if (args[0] === '-v') {
  console.log('v20.20.2');
  process.exit();
}

/**
 * Now and then Wine hangs: before Node writes a byte, or when it ends. What is silent for so long is ended and noted, and
 * tried once more unless the task had said its last word.
 */
const SILENCE_LIMIT = 60_000;

const id = randomUUID();
const cancelFile = join(tmpdir(), `cancel-${id}`);
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => writeFileSync(cancelFile, ''));

process.exitCode = (await start()) ?? (await start()) ?? 124;
rmSync(cancelFile, { force: true });

/** @returns the exit code; undefined when the process was silent for too long before it was done, and was ended */
function start() {
  const program = [
    join(home, 'agent-host.exe'),
    windows(cancelFile),
    join(home, 'node.exe'),
    `--title=${id}`,
    ...args.map(windows),
  ];
  const child = spawn('/usr/lib/wine/wine64', program, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, WINEPREFIX: join(home, 'prefix'), WINEDEBUG: '-all' },
    detached: true,
  });
  let [isHung, isDone] = [false, false];
  const timer = setTimeout(() => {
    isHung = true;
    endAll();
  }, SILENCE_LIMIT);
  createInterface(child.stdout).on('line', (line) => {
    timer.refresh();
    isDone ||= line.startsWith('##vso[task.complete ');
    console.log(translate(line));
  });
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearTimeout(timer);
      if (isHung)
        appendFileSync(join(home, 'hangs'), `${isDone ? 'at its end' : 'on its way'}: ${args.join(' ')}\n`);
      if (!isHung) resolve(code ?? 1);
      else resolve(isDone ? 0 : undefined);
    });
  });
}

/** Kills the processes of this start, each of which is in a group of its own, also those that have lost their first thread. */
function endAll() {
  for (const number of readdirSync('/proc')) {
    if (!/^\d+$/.test(number) || Number(number) === process.pid) continue;
    try {
      const threads = readdirSync(`/proc/${number}/task`);
      const words = threads.map((thread) => readFileSync(`/proc/${number}/task/${thread}/cmdline`, 'utf8'));
      if (words.join().includes(id)) process.kill(Number(number), 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
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
