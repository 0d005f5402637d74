import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One thing that Azure Pipelines does, and who says so. */
export interface Vector {
  readonly id: string;
  readonly cat: string;
  /** The agent's source or test, the documentation's page, or the recording that it was taken from. */
  readonly src: string;
}

/** Vectors of a file in this folder. */
export function readVectors<T>(file: string): T[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, file), 'utf8'));
}

/** Vectors by what they are about, for one `describe` each. */
export function byCategory<T extends Vector>(vectors: readonly T[]): [category: string, vectors: T[]][] {
  const categories = new Map<string, T[]>();
  for (const vector of vectors) categories.set(vector.cat, [...(categories.get(vector.cat) ?? []), vector]);
  return [...categories];
}

/** The name of a vector's test. */
export function titleOf({ id, src }: Vector): string {
  return `${id}: ${src}`;
}
