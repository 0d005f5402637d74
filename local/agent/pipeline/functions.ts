import {
  compare,
  ExpressionError,
  equals,
  fold,
  isList,
  isMap,
  toBoolean,
  toText,
  type Value,
} from './values';

/** An argument is evaluated only when it is asked for, so that `and`, `or` and `iif` can stop early. */
export type Argument = () => Value;

export interface ExpressionFunction {
  readonly arguments: [least: number, most: number];
  readonly call: (args: Argument[]) => Value;
}

/** Functions by lower-case name. */
export type FunctionTable = Record<string, ExpressionFunction>;

const MANY = Number.POSITIVE_INFINITY;

function eager(least: number, most: number, call: (...values: Value[]) => Value): ExpressionFunction {
  return { arguments: [least, most], call: (args) => call(...args.map((argument) => argument())) };
}

const text =
  (call: (...texts: string[]) => Value) =>
  (...values: Value[]) =>
    call(...values.map(toText));

function contains(haystack: Value, needle: Value): boolean {
  if (isList(haystack)) return haystack.some((item) => equals(item, needle));
  if (isMap(haystack)) return false;
  return fold(toText(haystack)).includes(fold(toText(needle)));
}

function containsValue(haystack: Value, needle: Value): boolean {
  const values = isMap(haystack) ? Object.values(haystack) : isList(haystack) ? haystack : [haystack];
  return values.some((value) => equals(value, needle));
}

/** `{0}` stands for the first argument; `{{` and `}}` are braces. */
function format(pattern: Value, ...values: Value[]): string {
  return toText(pattern).replace(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (match, index: string | undefined) => {
    if (match === '{{' || match === '}}') return match.charAt(0);
    const position = index !== undefined && /^\d+$/.test(index) ? Number(index) : -1;
    const value = values[position];
    if (value === undefined) throw new ExpressionError(`format() cannot make sense of '${match}'.`);
    return toText(value);
  });
}

function length(value: Value): number {
  if (isList(value)) return value.length;
  if (isMap(value)) return Object.keys(value).length;
  return toText(value).length;
}

/** The functions of Azure Pipelines that need nothing but their arguments. */
export const COMMON_FUNCTIONS: FunctionTable = {
  and: { arguments: [2, MANY], call: (args) => args.every((argument) => toBoolean(argument())) },
  or: { arguments: [2, MANY], call: (args) => args.some((argument) => toBoolean(argument())) },
  iif: { arguments: [3, 3], call: ([test, yes, no]) => (toBoolean(test!()) ? yes!() : no!()) },
  not: eager(1, 1, (value = null) => !toBoolean(value)),
  xor: eager(2, 2, (a = null, b = null) => toBoolean(a) !== toBoolean(b)),
  eq: eager(2, 2, (a = null, b = null) => equals(a, b)),
  ne: eager(2, 2, (a = null, b = null) => !equals(a, b)),
  gt: eager(2, 2, (a = null, b = null) => compare(a, b) > 0),
  ge: eager(2, 2, (a = null, b = null) => compare(a, b) >= 0),
  lt: eager(2, 2, (a = null, b = null) => compare(a, b) < 0),
  le: eager(2, 2, (a = null, b = null) => compare(a, b) <= 0),
  in: eager(2, MANY, (value = null, ...others) => others.some((other) => equals(value, other))),
  notin: eager(2, MANY, (value = null, ...others) => !others.some((other) => equals(value, other))),
  coalesce: eager(2, MANY, (...values) => values.find((value) => value !== null && value !== '') ?? null),
  contains: eager(2, 2, (a = null, b = null) => contains(a, b)),
  containsvalue: eager(2, 2, (a = null, b = null) => containsValue(a, b)),
  converttojson: eager(1, 1, (value = null) => JSON.stringify(value, null, 2)),
  startswith: eager(
    2,
    2,
    text((a = '', b = '') => fold(a).startsWith(fold(b))),
  ),
  endswith: eager(
    2,
    2,
    text((a = '', b = '') => fold(a).endsWith(fold(b))),
  ),
  format: eager(1, MANY, (pattern = null, ...values) => format(pattern, ...values)),
  join: eager(2, 2, (separator = null, items = null) =>
    isList(items) ? items.map((item) => toText(item)).join(toText(separator)) : toText(items),
  ),
  length: eager(1, 1, (value = null) => length(value)),
  lower: eager(
    1,
    1,
    text((value = '') => value.toLowerCase()),
  ),
  upper: eager(
    1,
    1,
    text((value = '') => value.toUpperCase()),
  ),
  trim: eager(
    1,
    1,
    text((value = '') => value.trim()),
  ),
  replace: eager(
    3,
    3,
    text((value = '', from = '', to = '') => value.replaceAll(from, () => to)),
  ),
  split: eager(
    2,
    2,
    text((value = '', separator = '') => value.split(separator)),
  ),
};

/** What a job or a step asks with `succeeded()` and its kin. */
export function statusFunctions(status: { failed: boolean; canceled: boolean }): FunctionTable {
  return {
    always: eager(0, 0, () => true),
    canceled: eager(0, 0, () => status.canceled),
    failed: eager(0, 0, () => status.failed && !status.canceled),
    succeeded: eager(0, 0, () => !status.failed && !status.canceled),
    succeededorfailed: eager(0, 0, () => !status.canceled),
  };
}
