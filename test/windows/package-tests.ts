import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../../scripts/paths';
import type { WindowsTier } from './set-up';

/** Tests of the packed tasks that run tasks and nothing else, and need nothing of Linux. */
export const PACKAGE_TESTS = ['model-registry-download', 'databricks-run-job', 'acr-build-push-direct'].map(
  (name) => `test/package/${name}.test.ts`,
);

/** Wine can't run Node 24, has no git, and a process that is killed on Linux leaves its Windows one behind. */
export const LEFT_OUT = 'Node 24|is killed|where there is git';

const MOCHA = join(root, 'node_modules/mocha/bin/mocha.js');
const OPTIONS = ['--no-config', '--node-option', 'import=tsx', '--timeout', '240000'];

/** The full titles of those tests that can run under Wine. */
export async function titlesOfTests(): Promise<string[]> {
  const choice = ['--dry-run', '--reporter', 'json', '--grep', LEFT_OUT, '--invert'];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [MOCHA, ...OPTIONS, ...choice, ...PACKAGE_TESTS],
    { cwd: root, maxBuffer: 10 ** 7 },
  );
  const { tests } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as { tests: { fullTitle: string }[] };
  return tests.map(({ fullTitle }) => fullTitle);
}

/** What runs tests under Node for Windows: the program, its arguments, and its environment. */
export function mochaOnWindows(tier: WindowsTier, args: readonly string[], files = PACKAGE_TESTS) {
  return {
    program: process.execPath,
    args: [MOCHA, ...OPTIONS, ...args, ...files],
    options: { cwd: root, env: { ...process.env, TEST_NODE_PROGRAM: tier.node } },
  };
}
