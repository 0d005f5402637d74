import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';

/** Runs all cells of the matrix of faults, a slice in each process, and ends with the number of slices that failed. */
const SLICES = 20;

/** `FAULT_SLICES` names those to run, such as `3 7 12`, in place of all. */
const wanted =
  process.env.FAULT_SLICES?.split(' ').map(Number) ?? Array.from({ length: SLICES }, (_, at) => at + 1);
const queue = [...wanted];
const failed: number[] = [];

/** What a slice says of the failure that took longest to be told. */
const SLOWEST = /slowest failure: (\d+) s .*/;
let slowest = { seconds: -1, line: 'no slice told its slowest failure' };

async function work(): Promise<void> {
  for (let slice = queue.shift(); slice !== undefined; slice = queue.shift()) {
    const mocha = ['node_modules/mocha/bin/mocha.js', '--no-config', '--node-option', 'import=tsx'];
    const child = spawn(process.execPath, [...mocha, 'test/faults/matrix.test.ts'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, FAULT_SLICE: `${slice}/${SLICES}` },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const [status] = await once(child, 'close');
    console.log(`slice ${slice} of ${SLICES}:\n${output}`);
    const [line, seconds] = SLOWEST.exec(output) ?? [];
    if (line && Number(seconds) > slowest.seconds) slowest = { seconds: Number(seconds), line };
    if (status !== 0) failed.push(slice);
  }
}

await Promise.all(Array.from({ length: availableParallelism() }, work));
console.log(`${wanted.length - failed.length} of ${wanted.length} slices passed`);
console.log(slowest.line);
if (failed.length > 0) {
  console.log(`failed: ${failed.join(' ')}`);
  process.exitCode = 1;
}
