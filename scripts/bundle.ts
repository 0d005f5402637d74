import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type BuildOptions, build, type Metafile, transform } from 'esbuild';

/** What was bundled: how many bytes it is, and of which files. */
export interface Bundle {
  readonly bytes: number;
  readonly inputs: readonly string[];
}

type Settings = Pick<BuildOptions, 'absWorkingDir' | 'plugins' | 'define' | 'alias'> & {
  readonly entryPoints: [string];
  readonly outdir: string;
  readonly target: string;
};

/** What a program starts with. Node is given a file that loads it, so that those which come later find it by its own name. */
const START = 'start.js';

/** How files are written: Node's own `import()` would first load its loader for modules. */
const WRITTEN = {
  format: 'cjs',
  platform: 'node',
  minify: true,
  legalComments: 'none',
  supported: { 'dynamic-import': false },
} as const satisfies BuildOptions;

/**
 * Bundles a program into few files: one with all that it starts with, and others with what it imports by `import()`, which
 * are read when they are needed. Node reads and compiles every byte of a file before its first line runs, and to look for a
 * file takes it as long as to compile 20 KB. esbuild divides modules of ECMAScript alone, and more finely than that: so what
 * it makes is put together again as far as a program starts with it, and written as CommonJS.
 *
 * @param settings what is bundled, and how; `outdir` is where the files go
 */
export async function bundle(settings: Settings): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    ...settings,
    ...WRITTEN,
    format: 'esm',
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
  });
  const parts = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  const entry = basename(settings.entryPoints[0]).replace(/\.ts$/, '.js');
  const first = startOf(entry, metafile);
  const files = new Map<string, string>();
  if (first.size === parts.size) {
    files.set(entry, await joined(entry, first, parts, settings));
  } else {
    files.set(entry, `require("./${START}");\n`).set(START, await joined(entry, first, parts, settings));
    for (const [name, text] of parts) {
      if (!first.has(name)) files.set(name, await later(text, first, settings));
    }
  }
  for (const [name, text] of files) writeFileSync(join(settings.outdir, name), text);
  const bytes = [...files.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  return { bytes, inputs: Object.keys(metafile.inputs) };
}

/** The parts that are needed for one of them to run at all. */
function startOf(entry: string, { outputs }: Metafile): ReadonlySet<string> {
  const imports = new Map(Object.entries(outputs).map(([path, output]) => [basename(path), output.imports]));
  const found = new Set([entry]);
  for (const name of found) {
    for (const { path, kind, external } of imports.get(name) ?? []) {
      if (kind === 'import-statement' && !external) found.add(basename(path));
    }
  }
  return found;
}

/** What a program starts with, as one file; each of its parts is an export under its name, for those that come later. */
async function joined(
  entry: string,
  first: ReadonlySet<string>,
  parts: ReadonlyMap<string, string>,
  { target }: Settings,
): Promise<string> {
  const shared = [...first].filter((name) => name !== entry);
  const lines = [`import './${entry}';`, ...shared.map((name) => `export * as '${name}' from './${name}';`)];
  const { outputFiles } = await build({
    ...WRITTEN,
    target,
    stdin: { contents: lines.join('\n') },
    bundle: true,
    write: false,
    plugins: [
      {
        name: 'parts',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^\.\// }, ({ path }) =>
            first.has(basename(path))
              ? { path: basename(path), namespace: 'part' }
              : { path, external: true },
          );
          onLoad({ filter: /.*/, namespace: 'part' }, ({ path }) => ({ contents: parts.get(path)! }));
        },
      },
    ],
  });
  return outputFiles[0]!.text;
}

/** A part that is loaded when it is needed, after all that the program starts with. */
async function later(text: string, first: ReadonlySet<string>, { target }: Settings): Promise<string> {
  const { code } = await transform(text, { ...WRITTEN, target });
  return code.replace(/require\("\.\/([\w-]+\.js)"\)/g, (whole, name: string) =>
    first.has(name) ? `require("./${START}")["${name}"]` : whole,
  );
}
