import type { TaskResult } from '../types';
import { formatDate } from './dates';
import {
  compare,
  ExpressionError,
  entriesOfMap,
  equals,
  fold,
  isList,
  isMap,
  toBoolean,
  toJson,
  toText,
  type Value,
} from './values';

/** An argument is evaluated only when it is asked for, so that `and`, `or`, `in` and `coalesce` can stop early. */
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

/** The text of a list is asked for, and fails: a list is searched by `containsValue`. */
function contains(haystack: Value, needle: Value): boolean {
  return fold(toText(haystack)).includes(fold(toText(needle)));
}

function containsValue(haystack: Value, needle: Value): boolean {
  const items = isList(haystack) ? haystack : isMap(haystack) ? entriesOfMap(haystack).map(([, v]) => v) : [];
  return items.some((item) => equals(needle, item));
}

/** Whether a value is among those that follow it; what stands behind the first match is not evaluated. */
function isAmong([value, ...others]: Argument[]): boolean {
  const wanted = value!();
  return others.some((other) => equals(wanted, other()));
}

/** Items that have no text count as empty. */
function join(separator: Value, items: Value): string {
  if (!isList(items)) return isMap(items) ? '' : toText(items);
  return [...items].map((item) => (isList(item) || isMap(item) ? '' : toText(item))).join(toText(separator));
}

/** `{0}` stands for the first argument, `{0:yyyyMMdd}` for a date in that format; `{{` and `}}` are braces. */
function format(pattern: Value, ...values: Value[]): string {
  return toText(pattern).replace(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (match, place: string | undefined) => {
    if (match === '{{' || match === '}}') return match.charAt(0);
    const [, index, dateFormat] = /^(\d+)(?::(.+))?$/.exec(place ?? '') ?? [];
    const value = index === undefined ? undefined : values[Number(index)];
    if (value === undefined) throw new ExpressionError(`format() cannot make sense of '${match}'.`);
    if (dateFormat === undefined) return toText(value);
    const date = new Date(toText(value));
    if (Number.isNaN(date.getTime())) throw new ExpressionError(`format() needs a date for '${match}'.`);
    return formatDate(dateFormat, date);
  });
}

function length(value: Value): number {
  if (isList(value)) return value.length;
  if (isMap(value)) return entriesOfMap(value).length;
  return toText(value).length;
}

function coalesce(args: Argument[]): Value {
  for (const argument of args) {
    const value = argument();
    if (value !== null && value !== '') return value;
  }
  return null;
}

/** The functions of Azure Pipelines that need nothing but their arguments. */
export const COMMON_FUNCTIONS: FunctionTable = {
  and: { arguments: [2, MANY], call: (args) => args.every((argument) => toBoolean(argument())) },
  or: { arguments: [2, MANY], call: (args) => args.some((argument) => toBoolean(argument())) },
  // Unlike what its documentation lets one hope, the service computes both.
  iif: eager(3, 3, (test = null, yes = null, no = null) => (toBoolean(test) ? yes : no)),
  not: eager(1, 1, (value = null) => !toBoolean(value)),
  xor: eager(2, 2, (a = null, b = null) => toBoolean(a) !== toBoolean(b)),
  eq: eager(2, 2, (a = null, b = null) => equals(a, b)),
  ne: eager(2, 2, (a = null, b = null) => !equals(a, b)),
  gt: eager(2, 2, (a = null, b = null) => compare(a, b) > 0),
  ge: eager(2, 2, (a = null, b = null) => compare(a, b) >= 0),
  lt: eager(2, 2, (a = null, b = null) => compare(a, b) < 0),
  le: eager(2, 2, (a = null, b = null) => compare(a, b) <= 0),
  in: { arguments: [2, MANY], call: isAmong },
  notin: { arguments: [2, MANY], call: (args) => !isAmong(args) },
  coalesce: { arguments: [2, MANY], call: coalesce },
  contains: eager(2, 2, (a = null, b = null) => contains(a, b)),
  containsvalue: eager(2, 2, (a = null, b = null) => containsValue(a, b)),
  converttojson: eager(1, 1, (value = null) => toJson(value)),
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
  join: eager(2, 2, (separator = null, items = null) => join(separator, items)),
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
    text((value = '', from = '', to = '') => (from === '' ? value : value.replaceAll(from, () => to))),
  ),
  split: eager(
    2,
    2,
    text((value = '', separator = '') => (separator === '' ? [value] : value.split(separator))),
  ),
};

/** What a step asks of its job with `succeeded()` and its kin; there they take no arguments. */
export function statusFunctions(status: { failed: boolean; canceled: boolean }): FunctionTable {
  return {
    always: eager(0, 0, () => true),
    canceled: eager(0, 0, () => status.canceled),
    failed: eager(0, 0, () => status.failed && !status.canceled),
    succeeded: eager(0, 0, () => !status.failed && !status.canceled),
    succeededorfailed: eager(0, 0, () => !status.canceled),
  };
}

/** How a job or a stage ended, as far as conditions of others ask for it. */
export interface Outcome {
  readonly name: string;
  readonly result: TaskResult;
}

const WELL: readonly TaskResult[] = ['Succeeded', 'SucceededWithIssues'];

/**
 * What a job or a stage asks with `succeeded()` and its kin, of everything that it needs, directly or not, or of those
 * that it names. What was skipped has neither succeeded nor failed; a name that is not needed is not known.
 */
export function dependencyFunctions(needed: readonly Outcome[], canceled: boolean): FunctionTable {
  const asked = (args: Argument[]): (TaskResult | undefined)[] =>
    args.length === 0
      ? needed.map(({ result }) => result)
      : args.map((argument) => {
          const name = fold(toText(argument()));
          return needed.find((other) => fold(other.name) === name)?.result;
        });
  const about = (call: (results: (TaskResult | undefined)[]) => boolean): ExpressionFunction => ({
    arguments: [0, MANY],
    call: (args) => call(asked(args)),
  });
  const wentWell = (result: TaskResult | undefined) => result !== undefined && WELL.includes(result);
  return {
    always: eager(0, 0, () => true),
    canceled: eager(0, 0, () => canceled),
    failed: about((results) => !canceled && results.includes('Failed')),
    succeeded: about((results) => !canceled && results.every(wentWell)),
    succeededorfailed: about(
      (results) =>
        !canceled &&
        (results.length === 0 || results.some((result) => wentWell(result) || result === 'Failed')),
    ),
  };
}
