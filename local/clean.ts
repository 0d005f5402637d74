import { rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { root } from '../scripts/paths';
import { claim } from './claim';
import { LOCAL_LABEL } from './engine/base-image';
import { findEngine } from './engine/engine';
import { run } from './processes';

/*
 * `npm run clean`: removes what the demo, the stack and the tests have left behind in the checkout, and in the Docker
 * engine what was built on a base image made here.
 */

const home = join(root, '.local');

try {
  claim(join(home, 'in-use'))();
  if (!('missing' in (await findEngine()))) await cleanEngine();
  for (const folder of [home, join(root, 'build')]) {
    await rm(folder, { recursive: true, force: true });
    console.log(`Removed ${relative(root, folder)}.`);
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

async function cleanEngine(): Promise<void> {
  const containers = await list(['ps', '--all']);
  if (containers.length > 0) await docker(['rm', '--force', ...containers]);
  const images = await list(['images', '--all']);
  if (images.length > 0) await docker(['rmi', '--force', ...images]);
  console.log(`Removed ${containers.length} containers and ${images.length} images from the Docker engine.`);
}

/** The ids of what has the label of this project. */
async function list(command: string[]): Promise<string[]> {
  const output = await docker([...command, '--quiet', '--no-trunc', '--filter', `label=${LOCAL_LABEL}`]);
  return [...new Set(output.split('\n').filter(Boolean))];
}

async function docker(args: string[]): Promise<string> {
  const { exitCode, output } = await run('docker', args);
  if (exitCode !== 0) throw new Error(`docker ${args[0]} failed: ${output.trim()}`);
  return output.trim();
}
