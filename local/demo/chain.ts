import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../../scripts/paths';
import { run } from '../processes';
import type { Stack } from '../stack';
import { detail } from './console';

/** A part of the way from the image back to the notebook, as scripts/verify-chain.ts prints it. */
interface Link {
  readonly what: string;
  readonly detail: string;
  readonly state: string;
}

/**
 * Walks from an image back to its notebook, with the script that anybody may use.
 *
 * @param home where the public keys are put that the script takes
 * @returns rows for the table at the end
 * @throws when something contradicts
 */
export async function verifyChain(
  image: string,
  { registry, variableGroups, imageKey }: Stack,
  home: string,
  signal: AbortSignal,
): Promise<[what: string, outcome: string][]> {
  const modelKey = join(home, 'model-signing-key.pub');
  await writeFile(modelKey, variableGroups['shared-variables']!['model-signing-key'] as string);
  const key = join(home, 'image-signing-key.pub');
  await writeFile(key, imageKey);
  const script = join(root, 'scripts/verify-chain.ts');
  const options = ['--key', key, '--model-key', modelKey, '--sources', join(root, 'notebooks'), '--json'];
  const { exitCode, output } = await run(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), script, image, ...options],
    {
      env: { ...process.env, REGISTRY_USERNAME: registry.username, REGISTRY_PASSWORD: registry.password },
      signal,
    },
  );
  if (exitCode !== 0) throw new Error(`The chain from ${image} to its notebook is broken.\n${output}`);
  const links: Link[] = JSON.parse(output);
  for (const link of links) detail(`${link.state.padEnd(9)} ${link.what}: ${link.detail}`);
  return links
    .filter(({ what }) => what !== 'image')
    .map((link) => [
      link.what,
      `${link.state}: ${link.detail.replace(/(sha256:.{12})[0-9a-f]{52}/g, '$1…')}`,
    ]);
}
