import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parseTrustedKeys, type TrustedKeys } from '../tasks/ModelRegistryDownload/signature/trusted-keys';
import { walkChain } from './chain/chain';
import type { Link } from './chain/link';
import { parseReference, Registry } from './chain/registry';

/*
 * Says where an image comes from, and proves what can be proven: from the image over what is attached to it, its model and
 * the run that trained it, to the notebook. It asks the image's registry and nobody else.
 */

const USAGE = `npx tsx scripts/verify-chain.ts <image> [options]

  --key FILE         public key or certificate of who signs what is attached to images; may be given several times
  --model-key FILE   the same, of who signs models
  --sources FOLDER   a folder with the notebooks, to compare with
  --json             prints JSON

REGISTRY_USERNAME and REGISTRY_PASSWORD sign in to the registry. The exit code is 1 where something contradicts.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    key: { type: 'string', multiple: true, default: [] },
    'model-key': { type: 'string', multiple: true, default: [] },
    sources: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const [name] = positionals;
if (values.help || name === undefined || positionals.length > 1) {
  console.error(USAGE);
  process.exit(values.help ? 0 : 2);
}

try {
  const reference = parseReference(name);
  const { REGISTRY_USERNAME: username, REGISTRY_PASSWORD: password } = process.env;
  const registry = new Registry(reference, username && password ? { username, password } : undefined);
  const links = await walkChain(registry, reference.version, {
    imageKeys: keysIn(values.key),
    modelKeys: keysIn(values['model-key']),
    sources: values.sources,
  });
  if (values.json) console.log(JSON.stringify(links, null, 2));
  else print(links);
  process.exitCode = links.some(({ state }) => state === 'wrong') ? 1 : 0;
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}

function keysIn(files: readonly string[]): TrustedKeys {
  const all = files.map((file) => parseTrustedKeys(readFileSync(file, 'utf8')));
  return {
    keys: all.flatMap(({ keys }) => keys),
    certificates: all.flatMap(({ certificates }) => certificates),
  };
}

function print(links: readonly Link[]): void {
  const widest = Math.max(...links.map(({ what }) => what.length));
  // What others have written may hold anything.
  for (const { what, detail, state } of links)
    console.log(`${state.padEnd(9)} ${what.padEnd(widest)}  ${detail.replace(/[^\x20-\uffff]/g, '?')}`);
}
