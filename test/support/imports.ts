import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';

/** What each source file imports: other source files by their paths from the root, and packages by their names. */
export type Imports = ReadonlyMap<string, readonly string[]>;

/** `import … from`, `export … from`, `import '…'` and `import('…')`, those of types alone too. */
const IMPORT = /^(?:import|export)\b[^'";]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gms;

/**
 * The imports of every TypeScript file below some folders.
 *
 * @param root the folder that all paths start from
 */
export function readImports(root: string, folders: readonly string[]): Imports {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
      .map((name) => posix.join(folder, name.replaceAll(sep, '/'))),
  );
  return new Map(
    files.map((file) => {
      const source = readFileSync(join(root, file), 'utf8');
      return [file, specifiers(source).map((specifier) => resolve(file, specifier))];
    }),
  );
}

function specifiers(source: string): string[] {
  return [...source.matchAll(IMPORT)].map(([, from, bare, dynamic]) => (from ?? bare ?? dynamic)!);
}

function resolve(file: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  const path = posix.join(posix.dirname(file), specifier);
  return /\.[cm]?[jt]s(on)?$/.test(path) ? path : `${path}.ts`;
}

/**
 * The circles among files that import each other, each as the files on it, from any of them on.
 * Every file that is part of a circle is on one of those returned.
 */
export function findCircles(imports: Imports): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) circles.push(path.slice(at));
    if (at >= 0 || done.has(file)) return;
    for (const next of imports.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) walk(file, []);
  return circles;
}
