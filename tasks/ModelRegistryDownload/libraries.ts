import { dirname, join, relative } from 'node:path';
import { readSourceFile } from '../common/files/source-file';

const REQUIREMENTS = 'requirements.txt';

/** Folders above the model's that are looked through, at most. */
const HIGHEST = 4;

/** Bytes of requirements that are read. */
const LARGEST = 256 * 1024;

/**
 * Compares the libraries that made a model's objects with those that the nearest requirements.txt above its folder
 * installs, which is mostly what the API of the model runs on.
 *
 * @param made versions by the library's name, as pip spells it
 * @param sources the folder that is not left on the way up; undefined where there is none
 * @returns a sentence for each library that differs
 */
export function compareLibraries(
  made: ReadonlyMap<string, ReadonlySet<string>>,
  folder: string,
  sources: string | undefined,
): string[] {
  if (made.size === 0 || sources === undefined) return [];
  for (let above = dirname(folder), level = 0; level < HIGHEST && isWithin(above, sources); level++) {
    const text = read(join(above, REQUIREMENTS), sources);
    if (text !== undefined) return compare(made, text, relative(sources, join(above, REQUIREMENTS)));
    above = dirname(above);
  }
  return [];
}

/** Undefined where there is none that a checkout may have: then there is nothing to compare with. */
function read(path: string, sources: string): string | undefined {
  try {
    return readSourceFile(path, LARGEST, [sources]).toString();
  } catch {
    return undefined;
  }
}

function isWithin(folder: string, sources: string): boolean {
  const way = relative(sources, folder);
  return !way.startsWith('..') && way !== folder;
}

function compare(made: ReadonlyMap<string, ReadonlySet<string>>, text: string, file: string): string[] {
  const pins = pinned(text);
  return [...made].flatMap(([library, versions]) => {
    const installed = pins.get(library);
    // Each may stand for another Python: one that fits is enough.
    if (!installed || [...versions].some((version) => hasVersion(installed, version))) return [];
    return `The model was made with ${library} ${[...versions].join(' and ')}, but ${file} installs ${[...installed].join(' or ')}: what it predicts may differ, or it may not load at all. Train and serve with the same version.`;
  });
}

/** @param version one whole version, or its first number, where a pickle tells no more */
function hasVersion(installed: ReadonlySet<string>, version: string): boolean {
  return [...installed].some(
    (one) => one.split('.', 1)[0] === version || withoutZeros(one) === withoutZeros(version),
  );
}

/** To pip, `1.5` and `1.5.0` are one version. */
function withoutZeros(version: string): string {
  return version.replace(/(?:\.0+)+$/, '');
}

/** The versions that requirements pin, by the library's name in lower case. */
export function pinned(requirements: string): Map<string, Set<string>> {
  const pins = new Map<string, Set<string>>();
  for (const line of requirements.split(/\r?\n/)) {
    const [, name, version] =
      /^\s*([\w.-]+)(?:\[[^\]]*\])?\s*===?\s*([\w.+!-]+)\s*(?:[;#\\].*|--.*)?$/.exec(line) ?? [];
    if (name === undefined || version === undefined) continue;
    const key = name.toLowerCase().replace(/[-_.]+/g, '-');
    pins.set(key, (pins.get(key) ?? new Set()).add(version));
  }
  return pins;
}
