import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buildSync } from 'esbuild';
import { SEED } from '../support/seeded';
import { nastyInputs } from './slow/inputs';
import { PARSERS } from './slow/parsers';

/**
 * Milliseconds of the processor's time for 50 KB, whatever else the machine does; on a slower machine, more by as much as it
 * is slower. Reading each character some times takes a few; reading all of it again at each character takes seconds, and
 * all ways to divide it, for ever.
 */
const LONGEST = 100;

/** Milliseconds without a word after which a parser hangs. */
const HANGS = 120_000;

describe('50 KB of the nastiest input', function () {
  this.timeout(0);

  let folder: string;
  /** As it is packed: what runs sources as they are keeps every function's name, which takes longer than to read a line. */
  let program: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'slow-'));
    program = join(folder, 'run.cjs');
    buildSync({
      ...{ entryPoints: ['test/faults/slow/run.ts'], outfile: program, logLevel: 'error' },
      ...{ bundle: true, minify: true, platform: 'node', target: 'node20' },
    });
  });

  after(() => rmSync(folder, { recursive: true }));

  it('are read by every parser in time that their length bounds', async () => {
    const child = spawn(process.execPath, [program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, SEED: String(SEED), LIMIT: String(LONGEST) },
    });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const slow: string[] = [];
    let [current, count] = ['the start', 0];
    let slowest = { input: current, took: 0, slowness: 1 };
    const hang = setTimeout(() => {
      slow.push(`${current}: did not end`);
      child.kill('SIGKILL');
    }, HANGS);
    for await (const line of createInterface({ input: child.stdout! })) {
      hang.refresh();
      const { parser, input, took, slowness } = JSON.parse(line);
      if (took === undefined) current = `${parser}: ${input}`;
      else {
        count += 1;
        if (took > slowest.took) slowest = { input: current, took, slowness };
        if (took > LONGEST) slow.push(`${current}: ${Math.round(took)} ms`);
      }
    }
    await ended;
    clearTimeout(hang);
    const all = Object.keys(PARSERS).length * [...nastyInputs()].length;
    console.log(`      ${Object.keys(PARSERS).length} parsers, ${all} inputs, seed ${SEED}`);
    const by = slowest.slowness > 1 ? `, by a machine ${slowest.slowness.toFixed(1)} times slower` : '';
    console.log(`      slowest: ${Math.round(slowest.took)} ms, ${slowest.input}${by}`);
    assert.deepEqual(slow, []);
    assert.equal(count, all);
  });
});
