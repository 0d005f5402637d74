import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../local/processes';
import { preparePython } from '../local/python';
import { root } from './paths';

/*
 * `npm run templates`: writes deploy/azure/main.json from main.bicep.
 */

const folder = join(root, 'deploy/azure');

try {
  writeFileSync(join(folder, 'main.json'), await templateOf(join(folder, 'main.bicep')));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

async function templateOf(bicep: string): Promise<string> {
  const { python } = await preparePython({
    folder: join(root, '.local/bicep'),
    requirements: [join(root, 'test/requirements-bicep.txt')],
    log: console.log,
  });
  const { exitCode, output } = await run(python, [join(root, 'scripts/bicep_to_arm.py'), bicep]);
  if (exitCode !== 0) throw new Error(output.trim());
  return output;
}
