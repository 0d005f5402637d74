import { isObject, parseJsonVerbatim } from '../common/databricks/json';

type Row = readonly [name: string, value: string];

/** What a notebook returned, as rows of a table: numbers first, which are its metrics, as they were written. */
export interface ExitTable {
  readonly metrics: readonly Row[];
  readonly others: readonly Row[];
}

/** More members than this are for a program, not for a reader. */
const MOST_ROWS = 50;
const LONGEST_VALUE = 200;

/** Undefined for what is no JSON object, or too much of one. */
export function exitTable(exitValue: string): ExitTable | undefined {
  if (!/^\s*\{/.test(exitValue)) return undefined;
  try {
    const typed = JSON.parse(exitValue) as Record<string, unknown>;
    const written = parseJsonVerbatim(exitValue) as Record<string, unknown>;
    const names = Object.keys(written);
    if (names.length === 0 || names.length > MOST_ROWS) return undefined;
    const metrics = names.flatMap((name) => metricsIn(name, typed[name], written[name]));
    const isMetric = (name: string) => metricsIn(name, typed[name], written[name]).length > 0;
    const others = names.filter((name) => !isMetric(name)).map((name): Row => [name, textOf(written[name])]);
    return metrics.length > MOST_ROWS ? undefined : { metrics, others };
  } catch {
    return undefined;
  }
}

/**
 * Rows of a name, its value now, and its value before: metrics with both, also those that are gone; of the rest, what was
 * otherwise.
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
function metricsIn(name: string, typed: unknown, written: unknown): Row[] {
  if (typeof typed === 'number') return [[name, String(written)]];
  if (!isObject(typed) || !isObject(written)) return [];
  const isAllNumbers = Object.values(typed).every((value) => typeof value === 'number');
  return isAllNumbers ? Object.entries(written).map(([key, value]) => [`${name}.${key}`, String(value)]) : [];
}

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}
