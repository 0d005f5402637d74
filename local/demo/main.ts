import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../../scripts/paths';
import { claim } from '../claim';
import type { RunningApi } from '../model-api';
import type { Stack } from '../stack';
import { demo } from './demo';
import { EXAMPLE_MODELS, type ExampleModel } from './models';

const NAMES = EXAMPLE_MODELS.map(({ name }) => name).join(' | ');

const USAGE = `Takes an example model from its notebook to a prediction of its API, all on this machine.

  npm run demo [-- ${NAMES}] [-- --keep]

  --keep   keeps services and API running at the end, until Ctrl-C`;

const EXIT_CODE = { failed: 1, misused: 2 };

const home = join(root, '.local');
const cancel = new AbortController();

process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
process.exitCode = await main();

async function main(): Promise<number> {
  let model: ExampleModel | undefined;
  let keep: boolean | undefined;
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { keep: { type: 'boolean' } },
    });
    const [name = 'titanic', ...rest] = positionals;
    model = rest.length === 0 ? EXAMPLE_MODELS.find((one) => one.name === name) : undefined;
    keep = values.keep;
  } catch (error) {
    console.error(`${(error as Error).message}\n`);
  }
  if (!model) {
    console.error(USAGE);
    return EXIT_CODE.misused;
  }

  try {
    const release = claim(join(home, 'in-use'));
    try {
      const options = { model, home, signal: cancel.signal, ...(keep && { onReady: untilInterrupted }) };
      return (await demo(options)) ? 0 : EXIT_CODE.failed;
    } finally {
      release();
    }
  } catch (error) {
    if (!cancel.signal.aborted) console.error(`\nThe demo failed: ${(error as Error).message}`);
    return EXIT_CODE.failed;
  }
}

async function untilInterrupted(stack: Stack, api: RunningApi | undefined): Promise<void> {
  console.log('\nStill running, until Ctrl-C:');
  if (api) console.log(`  the model's API  ${api.url}/api/docs`);
  console.log(`  Databricks       ${stack.workspace.url}`);
  console.log(`  Blob storage     ${stack.blobStorage.blobEndpoint}`);
  console.log(`  registry         ${stack.registry.loginServer}`);
  if (!cancel.signal.aborted) await once(cancel.signal, 'abort');
}

function interrupt(): void {
  if (cancel.signal.aborted) return;
  console.log('\nStopping.');
  cancel.abort();
}
