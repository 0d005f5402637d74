import { isObject, type Json, parseJson, parseJsonVerbatim, writeJson } from '../common/databricks/json';
import { bound } from '../common/foreign-text';

type Row = readonly [name: string, value: string];

/** What a notebook returned, as rows of a table: numbers first, which are its metrics, as they were written. */
export interface ExitTable {
  readonly metrics: readonly Row[];
  readonly others: readonly Row[];
}

/** More members than this are for a program, not for a reader. */
const MOST_ROWS = 50;

/** Characters of a value that a row shows. */
const LONGEST_VALUE = 200;

/** Undefined for what is no JSON object, or too much of one. */
export function exitTable(exitValue: string): ExitTable | undefined {
  if (!/^\s*\{/.test(exitValue)) return undefined;
  try {
    const exact = parseJson(exitValue);
    const written = parseJsonVerbatim(exitValue);
    if (!isObject(exact) || !isObject(written)) return undefined;
    const names = Object.keys(written);
    if (names.length === 0 || names.length > MOST_ROWS) return undefined;
    const metrics: Row[] = [];
    const others: Row[] = [];
    for (const name of names) {
      const found = metricsIn(name, exact[name], written[name]);
      if (found.length > 0) metrics.push(...found);
      else others.push([name, textOf(exact[name], written[name])]);
    }
    return metrics.length > MOST_ROWS ? undefined : { metrics, others };
  } catch {
    return undefined;
  }
}

/**
 * Rows of a name, its value now, and its value before. Metrics have both, also those that are gone; other values have the one
 * before only where it was another.
 */
export function compareTables(now: ExitTable, before: ExitTable): (readonly [string, string, string])[] {
  const old = new Map([...before.metrics, ...before.others]);
  const names = new Set([...now.metrics, ...now.others].map(([name]) => name));
  return [
    ...now.metrics.map(([name, value]) => [name, value, old.get(name) ?? ''] as const),
    ...before.metrics.filter(([name]) => !names.has(name)).map(([name, value]) => [name, '', value] as const),
    ...now.others.map(
      ([name, value]) => [name, value, old.get(name) === value ? '' : (old.get(name) ?? '')] as const,
    ),
  ];
}

/** A number, or an object of nothing but numbers, whose members are named as `metricsGate` names them. */
function metricsIn(name: string, exact: Json | undefined, written: Json | undefined): Row[] {
  if (isNumber(exact)) return [[name, String(written)]];
  if (!isObject(exact) || !isObject(written) || !Object.values(exact).every(isNumber)) return [];
  return Object.entries(written).map(([key, value]) => [`${name}.${key}`, String(value)]);
}

function isNumber(value: Json | undefined): boolean {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** A plain value as it was written, another as JSON. */
function textOf(exact: Json | undefined, written: Json | undefined): string {
  return bound(typeof written === 'object' ? writeJson(exact) : String(written), LONGEST_VALUE);
}
