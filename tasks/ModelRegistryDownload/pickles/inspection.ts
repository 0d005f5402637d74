import { isWayToAnything } from './code-names';
import { isKnown } from './names';
import type { Global } from './values';

/** Something that loading a file would do, or that could not be looked at. */
export interface Finding {
  /** The file, and the way to the part of it: `model.zip: data.pkl`. */
  readonly place: string;
  /** Offset in bytes; undefined where it is about the file as a whole. */
  readonly position: number | undefined;
  /** What is wrong, without a subject: `calls os.system`. */
  readonly what: string;
  /** The name that 'pickleAllow' can allow; undefined where nothing can. */
  readonly name: string | undefined;
}

/** What numpy has called `numpy._core` since version 2, and imports by that name; version 1 has no such module. */
const NUMPY = /^numpy\.(_?)core(?:\.|$)/;

/** How many findings a file is good for; the rest would say nothing new. */
const MOST_FINDINGS = 50;

/** What the inspection of a file, or a model, has found. */
export class Inspection {
  readonly findings: Finding[] = [];
  /** All names that loading would import, known ones too. */
  readonly imports = new Set<string>();
  /** Versions of libraries that objects were made with, by the library's name; of some, the first number alone. */
  readonly versions = new Map<string, Set<string>>();
  /** Files with pickles in them. */
  readonly pickles = new Set<string>();

  constructor(private readonly allowed: ReadonlySet<string>) {}

  refuse(place: string, what: string, position?: number): void {
    this.add({ place, position, what, name: undefined });
  }

  name(place: string, global: Global, verb: 'imports' | 'calls', position: number | undefined): void {
    this.imports.add(global.name);
    const [, generation] = NUMPY.exec(global.module) ?? [];
    if (generation !== undefined) this.madeWith('numpy', generation === '_' ? '2' : '1');
    if (isKnown(global, verb === 'calls', this.allowed)) return;
    const isAllowable = !global.attribute.includes('.') && !isWayToAnything(global.name);
    const name = isAllowable ? global.name : undefined;
    this.add({ place, position, what: `${verb} ${global.name}`, name });
  }

  madeWith(library: string, version: string): void {
    const versions = this.versions.get(library) ?? new Set();
    this.versions.set(library, versions.add(version));
  }

  private add(finding: Finding): void {
    const { place, what } = finding;
    if (this.findings.some((other) => other.place === place && other.what === what)) return;
    if (this.findings.length < MOST_FINDINGS) this.findings.push(finding);
  }
}
