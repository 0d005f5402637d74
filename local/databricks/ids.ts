import { randomBytes } from 'node:crypto';
import { invalid } from './errors';
import type { Json } from './json';

const LEAST = 2n ** 60n;

/** A new id as Databricks gives them to jobs, runs and workspace objects: 64 bits, too many for a JavaScript number. */
export function newId(): bigint {
  return LEAST + (randomBytes(8).readBigUInt64BE() >> 3n);
}

/** The id in a request: an integer, or the digits of one. */
export function readId(value: Json | undefined, field: string): bigint {
  if (value === undefined || value === null) throw invalid(`Missing required field: ${field}`);
  if (typeof value === 'bigint') return value;
  if (/^\d+$/.test(String(value))) return BigInt(value as string | number);
  throw invalid(`Invalid value for field '${field}': expected a number.`);
}
