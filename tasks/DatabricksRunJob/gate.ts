import type { InputReader } from '../common/inputs';
import { fieldsOf } from './exit-value';

/*
 * Input `metricsGate`: conditions on the metrics that the notebook returns, one a line, such as `accuracy >= 0.8` or
 * `rocAuc >= previous - 0.01`.
 */

/** One line of the gate: `metric operator limit`, where the limit may go by the previous run. */
export interface Condition {
  /** As it was written. */
  readonly text: string;
  /** A member of what the notebook returned; dots lead into objects. */
  readonly metric: string;
  readonly operator: Operator;
  readonly limit: Limit;
}

/** A number, or the metric of the previous run with something done to it. */
type Limit =
  | { readonly kind: 'number'; readonly number: number }
  | { readonly kind: 'previous'; readonly sign: '+' | '-' | '*'; readonly number: number };

type Operator = '>=' | '<=' | '==' | '!=' | '>' | '<';

/** What a condition came to. */
export interface Check {
  readonly condition: Condition;
  readonly isMet: boolean;
  /** As the notebook wrote them; undefined where there is no such metric. */
  readonly value: string | undefined;
  readonly previous: string | undefined;
  /** Why it is not met, or why it could not be held against the previous run. */
  readonly remark: string | undefined;
}

const LINE = /^([^<>=!]+)(>=|<=|==|!=|>|<)([^<>=!]+)$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const PREVIOUS = /^previous(?:\s*([-+*])\s*(\S+))?$/;

/** Numbers that differ by less are the same: `0.7 + 0.1` is not quite `0.8` to a machine. */
const PRECISION = 1e-12;

/** Reads input `metricsGate`. */
export function readConditions(inputs: InputReader): Condition[] {
  return inputs.lines('metricsGate').flatMap((line) => {
    const condition = parse(line);
    if (condition) return [condition];
    inputs.reject(
      'metricsGate',
      `has the line '${line}', which is no condition. Write a metric, one of >=, >, <=, <, == and !=, and a number or ` +
        "'previous' with something added, such as 'accuracy >= 0.8' or 'rocAuc >= previous - 0.01'.",
    );
    return [];
  });
}

function parse(text: string): Condition | undefined {
  const [, metric = '', operator, right = ''] = LINE.exec(text) ?? [];
  const limit = parseLimit(right.trim());
  return metric.trim() && limit
    ? { text, metric: metric.trim(), operator: operator as Operator, limit }
    : undefined;
}

function parseLimit(text: string): Limit | undefined {
  if (NUMBER.test(text)) return { kind: 'number', number: Number(text) };
  const [isPrevious, sign = '+', number = '0'] = PREVIOUS.exec(text) ?? [];
  if (!isPrevious || !NUMBER.test(number)) return undefined;
  return { kind: 'previous', sign: sign as '+' | '-' | '*', number: Number(number) };
}

/** Whether the previous run has to be known. */
export function needsPrevious(conditions: readonly Condition[]): boolean {
  return conditions.some(({ limit }) => limit.kind === 'previous');
}

/**
 * Holds what the notebook returned against the gate.
 *
 * @param previous what the notebook of the previous run returned; undefined when there was no such run
 */
export function checkGate(
  conditions: readonly Condition[],
  exitValue: string | undefined,
  previous: string | undefined,
): Check[] {
  return conditions.map((condition) => {
    const { metric, operator, limit } = condition;
    const value = metricOf(exitValue, metric);
    const before = metricOf(previous, metric);
    const check = (isMet: boolean, remark?: string): Check => ({
      condition,
      isMet,
      value,
      previous: before,
      remark,
    });
    if (value === undefined) return check(false, missing(exitValue, metric));
    if (!NUMBER.test(value)) return check(false, `${metric} is '${value}', which is no number`);
    if (limit.kind === 'number') {
      const isMet = holds(Number(value), operator, limit.number);
      return check(
        isMet,
        isMet ? undefined : `${metric} is ${value}, but must be ${operator} ${limit.number}`,
      );
    }
    if (before === undefined || !NUMBER.test(before)) {
      const why =
        previous === undefined ? 'there is no previous run' : `the previous run returned no ${metric}`;
      return check(true, `${why}, so '${condition.text}' holds`);
    }
    const bound = boundOf(limit, Number(before));
    const isMet = holds(Number(value), operator, bound);
    const wanted = `${metric} is ${value}, but must be ${operator} ${round(bound)}, by '${condition.text}' and ${before} before`;
    return check(isMet, isMet ? undefined : wanted);
  });
}

/** What a condition came to, as a line of the log. */
export function describeCheck({ condition, isMet, value, previous, remark }: Check): string {
  const { metric, text } = condition;
  const before = previous === undefined ? '' : ` (${previous} before)`;
  const end = remark ?? (isMet ? `'${text}' holds` : `'${text}' does not hold`);
  return `Gate: ${metric} is ${value ?? 'missing'}${before}; ${end}.`;
}

function boundOf({ sign, number }: Extract<Limit, { kind: 'previous' }>, previous: number): number {
  if (sign === '*') return previous * number;
  return sign === '+' ? previous + number : previous - number;
}

function holds(value: number, operator: Operator, bound: number): boolean {
  const isSame = Math.abs(value - bound) <= PRECISION * Math.max(Math.abs(value), Math.abs(bound));
  switch (operator) {
    case '==':
      return isSame;
    case '!=':
      return !isSame;
    case '>=':
      return isSame || value > bound;
    case '<=':
      return isSame || value < bound;
    case '>':
      return !isSame && value > bound;
    case '<':
      return !isSame && value < bound;
  }
}

/** A member of what a notebook returned, by its name or by a path of names with dots. */
function metricOf(exitValue: string | undefined, path: string): string | undefined {
  if (exitValue === undefined) return undefined;
  const fields = new Map(fieldsOf(exitValue));
  const whole = fields.get(path);
  if (whole !== undefined) return whole;
  for (let dot = path.indexOf('.'); dot > 0; dot = path.indexOf('.', dot + 1)) {
    const inner = fields.get(path.slice(0, dot));
    const found = inner === undefined ? undefined : metricOf(inner, path.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Names that a message lists. */
const MOST_NAMES = 10;

function missing(exitValue: string | undefined, metric: string): string {
  if (exitValue === undefined) {
    return `the notebook returned nothing, so there is no ${metric}: end it with dbutils.notebook.exit(json.dumps({"${metric}": ...}))`;
  }
  const names = fieldsOf(exitValue).map(([name]) => name);
  if (names.length === 0) return `what the notebook returned is no JSON object, so there is no ${metric}`;
  const shown = names.slice(0, MOST_NAMES).join(', ');
  return `the notebook returned no ${metric}, but ${shown}${names.length > MOST_NAMES ? ' and more' : ''}`;
}

function round(number: number): number {
  return Number(number.toPrecision(12));
}
