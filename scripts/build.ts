import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';
import { bundle } from './bundle';
import { thirdPartyNotices } from './notices';
import { buildFolder, root, taskNames } from './paths';

/** What an agent may have to download for a task, in bytes of its bundles. */
const BUDGETS = { DatabricksRunJob: 250_000, ModelRegistryDownload: 900_000, AcrBuildPush: 550_000 };

/** What Node starts: a task's work, what some do at the end of the job, and a thread. */
const ENTRIES = ['index.ts', 'cleanup.ts', 'digest-thread.ts'];

/** task-lib's store of secret values, in memory. */
const PLAIN_VAULT = `
exports.Vault = class {
  constructor() { this.values = new Map(); }
  initialize() {}
  storeSecret(name, value) {
    const key = (name || '').toLowerCase();
    if (key && value) this.values.set(key, value);
    else this.values.delete(key);
    return Boolean(key && value);
  }
  retrieveSecret(name) { return this.values.get((name || '').toLowerCase()); }
};`;

/** What task-lib compares Node's version with. */
const NEW_ENOUGH = 'exports.lt = () => false;';

/**
 * Leaves out of libraries what no task uses: task-lib's messages in other languages than its first, which it takes only
 * with a task's own file of messages, its patterns of files, the comparison by which it refuses a Node older than 4.2, and
 * the WebAssembly by which the storage library would check uploads. task-lib would
 * also keep secrets encrypted by a key that it writes into a file of the agent's, and reads there for each of them: that
 * file outlives the step, and guards nothing from a process which has to know the same values to mask them.
 */
const leftOut: Plugin = {
  name: 'left-out',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(minimatch|semver)$/ }, ({ path, importer }) => {
      if (!/azure-pipelines-task-lib[\\/](internal|task)\.js$/.test(importer)) return undefined;
      return path === 'minimatch' || importer.endsWith('internal.js')
        ? { path, namespace: 'left-out' }
        : undefined;
    });
    onLoad({ filter: /.*/, namespace: 'left-out' }, ({ path }) => ({
      contents: path === 'semver' ? NEW_ENOUGH : '',
    }));
    onLoad({ filter: /azure-pipelines-task-lib[\\/]lib-resource\.js$/ }, async ({ path }) => {
      const { messages } = createRequire(import.meta.url)(path) as { messages: unknown };
      return { contents: `module.exports = ${JSON.stringify({ messages, localizedMessages: {} })};` };
    });
    onLoad({ filter: /azure-pipelines-task-lib[\\/]vault\.js$/ }, () => ({ contents: PLAIN_VAULT }));
    onLoad({ filter: /storage-common[\\/]dist[\\/]esm[\\/]crc64\.js$/ }, () => ({
      contents: 'export default () => Promise.reject(new Error("This library checks no CRC64 here."));',
    }));
  },
};

/** Parts of Node that take milliseconds to load, and of which a step needs nothing before it has read its inputs. */
const LAZY_PARTS = [
  'child_process',
  'crypto',
  'dns/promises',
  'fs/promises',
  'http',
  'http2',
  'https',
  'net',
  'readline',
  'stream/promises',
  'timers/promises',
  'tls',
  'worker_threads',
  'zlib',
];

/** Packages that take as long, and of which nobody calls anything but what they export by name. */
const LAZY_PACKAGES = ['semver'];

/**
 * Loads these parts of Node, and packages, when something of them is first used. A bundle loads all its modules at its
 * start, so that a step would wait for all that it may come to need.
 */
const lazyParts: Plugin = {
  name: 'lazy-parts',
  setup({ onResolve, onLoad }) {
    const filter = new RegExp(`^(node:)?(${[...LAZY_PARTS, ...LAZY_PACKAGES].join('|')})$`);
    onResolve({ filter }, ({ path, namespace }) => {
      if (namespace !== 'lazy') return { path: path.replace(/^node:/, ''), namespace: 'lazy' };
      return LAZY_PACKAGES.includes(path) ? undefined : { path, external: true };
    });
    onLoad({ filter: /.*/, namespace: 'lazy' }, ({ path }) => {
      const loaded: unknown = createRequire(import.meta.url)(path);
      if (typeof loaded === 'function' && !LAZY_PACKAGES.includes(path)) {
        throw new Error(`${path} can be called or inherited from itself, so it can't be loaded later.`);
      }
      const names = Object.keys(loaded as object);
      const module = LAZY_PACKAGES.includes(path) ? path : `node:${path}`;
      const contents = `
        let part;
        for (const name of ${JSON.stringify(names)}) {
          Object.defineProperty(exports, name, { enumerable: true, get: () => (part ??= require('${module}'))[name] });
        }`;
      return { contents, resolveDir: root };
    });
  },
};

const SETTINGS = {
  absWorkingDir: root,
  // The oldest Node that may run it: agents run the Node24 handler on Node 20 unless told otherwise.
  target: 'node20',
  plugins: [leftOut, lazyParts],
  // @azure/core-rest-pipeline looks whether a body is FormData, for which Node loads all of undici, in 15 ms.
  define: { FormData: 'undefined' },
  alias: {
    // fetch-blob brings web streams for Node versions that had none; 59 KB that no agent needs.
    'web-streams-polyfill/dist/ponyfill.es2018.js': 'node:stream/web',
    // typed-rest-client makes queries of objects with it, which azure-pipelines-tool-lib never asks for; 45 KB.
    qs: 'node:querystring',
  },
};

/**
 * Bundles every task into one file for each part of it and lays out the extension as it will be packed.
 *
 * @param folder what is in it goes
 * @throws when a bundle is over its budget
 */
export async function buildExtension(folder = buildFolder): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const part of ['overview.md', 'LICENSE', 'images']) {
    cpSync(join(root, part), join(folder, part), {
      recursive: true,
      // The drawings that the icons were made from stay at home.
      filter: (file) => !file.endsWith('.svg'),
    });
  }
  // In the repository it names the bundles where they are built, so that tfx can pack there too.
  const manifest = readFileSync(join(root, 'vss-extension.json'), 'utf8');
  writeFileSync(join(folder, 'vss-extension.json'), manifest.replaceAll('"build/tasks/', '"tasks/'));
  for (const task of taskNames) await buildTask(task, join(folder, 'tasks', task));
}

async function buildTask(task: (typeof taskNames)[number], target: string): Promise<void> {
  const source = join(root, 'tasks', task);
  mkdirSync(target, { recursive: true });
  const entries = ENTRIES.map((entry) => join(source, entry)).filter(existsSync);
  const bundles = await Promise.all(
    entries.map((entry) => bundle({ ...SETTINGS, entryPoints: [entry], outdir: target })),
  );
  for (const part of ['task.json', 'icon.png']) cpSync(join(source, part), join(target, part));
  // Node reads the nearest package.json above a file: one in a folder above the agent's must not make it a module.
  writeFileSync(join(target, 'package.json'), '{ "type": "commonjs" }\n');
  writeFileSync(
    join(target, 'ThirdPartyNotices.txt'),
    thirdPartyNotices(bundles.flatMap(({ inputs }) => inputs)),
  );

  const bytes = bundles.reduce((sum, bundle) => sum + bundle.bytes, 0);
  console.log(`${task}: ${Math.round(bytes / 1000)} KB of ${BUDGETS[task] / 1000} KB`);
  if (bytes > BUDGETS[task]) {
    throw new Error(`${task} is over its budget. See what it bundles with: npx esbuild --bundle --analyze`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildExtension();
