import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LEFT_OUT, mochaOnWindows, PACKAGE_TESTS } from './package-tests';
import { setUpWindows } from './set-up';

/*
 * `npm run test:windows`: the tests of the packed tasks, under Node for Windows by Wine. One at a time and with long limits:
 * Wine starts a process in a second or more.
 */

const tier = await setUpWindows();
if ('missing' in tier) {
  console.log(`skipped: the tier of Windows (skipped: ${tier.missing})`);
  console.log('0 passed, 0 failed, 1 skipped');
} else {
  const hangs = join(tier.home, 'hangs');
  rmSync(hangs, { force: true });
  const choice = ['--reporter', 'test/reporter.cjs', '--grep', LEFT_OUT, '--invert'];
  const files = [...PACKAGE_TESTS, 'test/windows/windows.test.ts'];
  const { program, args, options } = mochaOnWindows(tier, choice, files);
  const { status } = spawnSync(program, args, { ...options, stdio: 'inherit' });
  const count = existsSync(hangs) ? readFileSync(hangs, 'utf8').trim().split('\n').length : 0;
  console.log(
    `Left out, as Wine can't run them: tests of '${LEFT_OUT}'. Steps that hung in Wine and were ended: ${count}`,
  );
  process.exitCode = status ?? 1;
}
