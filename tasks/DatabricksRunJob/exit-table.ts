import { parseJsonVerbatim } from '../common/databricks/json';

/** What a notebook returned, as rows of a table: numbers first, which are its metrics, as they were written. */
export interface ExitTable {
  readonly metrics: readonly (readonly [name: string, value: string])[];
  readonly others: readonly (readonly [name: string, value: string])[];
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
    const row = (name: string) => [name, textOf(written[name])] as const;
    const isMetric = (name: string) => typeof typed[name] === 'number';
    return {
      metrics: names.filter(isMetric).map(row),
      others: names.filter((name) => !isMetric(name)).map(row),
    };
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}
