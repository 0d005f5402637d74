import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/paths';
import { setUpWindows } from './set-up';

/*
 * `npm run test:windows`: the tests of the packed tasks, under Node for Windows by Wine. One at a time and with long limits:
 * Wine starts a process in a second or more.
 */

/** Those that run tasks and nothing else, and need nothing of Linux. */
const SUITES = ['model-registry-download', 'databricks-run-job', 'acr-build-push-direct'];

/** Wine can't run Node 24, has no git, and a process that is killed on Linux leaves its Windows one behind. */
const LEFT_OUT = 'Node 24|is killed|where there is git';

const tier = await setUpWindows();
if ('missing' in tier) {
  console.log(`skipped: the tier of Windows (skipped: ${tier.missing})`);
  console.log('0 passed, 0 failed, 1 skipped');
} else {
  const hangs = join(tier.home, 'hangs');
  rmSync(hangs, { force: true });
  const files = [...SUITES.map((name) => `test/package/${name}.test.ts`), 'test/windows/*.test.ts'];
  const options = ['--no-parallel', '--timeout', '240000', '--grep', LEFT_OUT, '--invert'];
  const { status } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/mocha/bin/mocha.js'), ...options, ...files],
    {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, TEST_NODE_PROGRAM: tier.node },
    },
  );
  const count = existsSync(hangs) ? readFileSync(hangs, 'utf8').trim().split('\n').length : 0;
  console.log(
    `Left out, as Wine can't run them: tests of '${LEFT_OUT}'. Starts that hung in Wine and were tried again: ${count}`,
  );
  process.exitCode = status ?? 1;
}
