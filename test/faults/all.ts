import { spawnSync } from 'node:child_process';

/** Runs all cells of the matrix of faults, a slice in each process, and ends with the number of slices that failed. */
const SLICES = 40;

let failed = 0;
for (let slice = 1; slice <= SLICES; slice++) {
  const { status } = spawnSync(
    process.execPath,
    [
      'node_modules/mocha/bin/mocha.js',
      '--no-config',
      '--node-option',
      'import=tsx',
      'test/faults/matrix.test.ts',
    ],
    { stdio: 'inherit', env: { ...process.env, FAULT_SLICE: `${slice}/${SLICES}` } },
  );
  if (status !== 0) failed += 1;
}
console.log(`${SLICES - failed} of ${SLICES} slices passed`);
process.exitCode = failed === 0 ? 0 : 1;
