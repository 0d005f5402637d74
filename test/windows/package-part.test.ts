import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { portion, SEED } from '../support/seeded';
import { skip } from '../support/skip';
import { mochaOnWindows, titlesOfTests } from './package-tests';
import { setUpWindows } from './set-up';

/** Each takes some seconds; `npm run test:windows` runs them all. */
const MOST = 3;

describe('the packed tasks on Windows', function () {
  this.timeout(900_000);

  it(`pass the tests that they pass on Linux: ${MOST} of them, which a seed chooses (SEED=${SEED})`, async function () {
    const tier = await setUpWindows();
    if ('missing' in tier) skip(this, tier.missing);
    const chosen = portion(await titlesOfTests(), MOST);
    const exactly = chosen.map((title) => title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
    const { program, args, options } = mochaOnWindows(tier, [
      '--reporter',
      'spec',
      '--grep',
      `^(?:${exactly})$`,
    ]);
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.once('close', resolve));
    const output = await text(child.stdout);
    assert.equal(await ended, 0, output);
    assert.match(output, new RegExp(`${chosen.length} passing`));
  });
});
