import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** A program to measure, with all that it needs to be started. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** One run of a program. */
export interface Run {
  readonly milliseconds: number;
  /** The most memory that it held at once, in bytes; undefined where the system does not tell. */
  readonly peakMemory: number | undefined;
  /** Milliseconds of processors that it took, with what it started; undefined where the system does not tell. */
  readonly processorTime: number | undefined;
  readonly output: string;
}

/** Milliseconds between two looks at a process. What is looked at only grows, so what is missed is small. */
const LOOK_EVERY = 10;

/**
 * Runs a program to its end and takes the time.
 *
 * @param during may kill the process, which is no failure then
 * @param longest milliseconds after which it is killed, and has failed
 * @throws when it fails, with its output
 */
export async function run(
  { file, args, env }: Command,
  during: (child: { kill(): void }) => void = () => {},
  longest = Number.POSITIVE_INFINITY,
): Promise<Run> {
  const start = performance.now();
  // In a group of its own, so that what a script has started can be killed with it.
  const child = spawn(file, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const kill = () => process.kill(-child.pid!, 'SIGKILL');
  let output = '';
  let peakMemory: number | undefined;
  let processorTime: number | undefined;
  child.stdout.on('data', (text) => {
    output += text;
  });
  child.stderr.on('data', (text) => {
    output += text;
  });
  const look = setInterval(() => {
    const use = readUse(child.pid!);
    if (!use) return;
    peakMemory = Math.max(use.peakMemory, peakMemory ?? 0);
    processorTime = Math.max(use.processorTime, processorTime ?? 0);
  }, LOOK_EVERY);
  let hangs = false;
  const limit =
    longest < Number.POSITIVE_INFINITY
      ? setTimeout(() => {
          hangs = kill();
        }, longest)
      : undefined;
  let killed = false;
  during({
    kill() {
      killed = kill();
    },
  });
  const exited = once(child, 'exit').then(() => performance.now() - start);
  await once(child, 'close');
  clearInterval(look);
  clearTimeout(limit);
  if (hangs) throw new Error(`${file} was still running after ${longest / 1000} s.`);
  const failed = child.exitCode !== 0 || /task\.complete result=Failed/.test(output);
  if (failed && !killed) throw new Error(`${file} ${args.join(' ')} failed:\n${output.slice(-4_000)}`);
  return { milliseconds: await exited, peakMemory, processorTime, output };
}

/** Whether a program can be started here. */
export function isInstalled(file: string): boolean {
  return spawnSync(file, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** Milliseconds of the unit that Linux tells processor time in. */
const TICK = 10;

/**
 * The peak of a process, or of one that it started where that is higher, since some programs are started by scripts; and the
 * processor time of all of them.
 */
function readUse(pid: number): { peakMemory: number; processorTime: number } | undefined {
  try {
    const kilobytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    if (kilobytes === undefined) return undefined;
    // In parentheses stands the program's name, which may hold anything. Of what has ended, its parent has the times.
    const numbers = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const ticks = numbers.slice(11, 15).reduce((sum, number) => sum + Number(number), 0);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean);
    const uses = children.flatMap((child) => readUse(Number(child)) ?? []);
    return {
      peakMemory: Math.max(Number(kilobytes) * 1024, ...uses.map((use) => use.peakMemory)),
      processorTime: uses.reduce((sum, use) => sum + use.processorTime, ticks * TICK),
    };
  } catch {
    return undefined;
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Prints rows under each other; the first column to the left, the others to the right. */
export function printTable(
  title: string,
  header: readonly string[],
  rows: readonly (readonly string[])[],
): void {
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd();
  console.log(`\n${title}\n${line(header)}\n${widths.map((width) => '-'.repeat(width)).join('  ')}`);
  for (const row of rows) console.log(line(row));
}
