/**
 * Values of Azure Pipelines expressions and their conversions, as the "Type casting" section of the
 * product's documentation on expressions has them.
 */
export type Value = null | boolean | number | string | readonly Value[] | ValueMap;
export interface ValueMap {
  readonly [name: string]: Value;
}

export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isMap(value: Value): value is ValueMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Booleans become `True` and `False`, null becomes empty. */
export function toText(value: Value): string {
  if (value === null) return '';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'object') {
    throw new ExpressionError(`${isList(value) ? 'A list' : 'An object'} cannot be used as text.`);
  }
  return String(value);
}

/** Empty text, zero and null are false; every other text is true, `'false'` included. */
export function toBoolean(value: Value): boolean {
  if (typeof value === 'object') return value !== null;
  return Boolean(value);
}

/** NaN when there is no number in the value. */
export function toNumber(value: Value): number {
  if (typeof value === 'object') return value === null ? 0 : Number.NaN;
  if (typeof value !== 'string') return Number(value);
  const text = value.trim();
  if (text === '') return 0;
  return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
}

/** Equality as `eq` has it: the right side is converted to the left side's type; text ignores case. */
export function equals(left: Value, right: Value): boolean {
  if (typeof left === 'boolean') return left === toBoolean(right);
  if (typeof left === 'number') return left === toNumber(right);
  if (left === null) return right === null || right === '';
  if (typeof left === 'object' || (typeof right === 'object' && right !== null)) return left === right;
  return fold(left) === fold(toText(right));
}

/** Negative, zero or positive as left is less than, equal to or greater than right. */
export function compare(left: Value, right: Value): number {
  if (typeof left === 'number' || typeof left === 'boolean') {
    const difference =
      Number(left) - (typeof left === 'boolean' ? Number(toBoolean(right)) : toNumber(right));
    if (Number.isNaN(difference))
      throw new ExpressionError(`'${toText(right)}' cannot be compared with a number.`);
    return difference;
  }
  const [a, b] = [fold(toText(left)), fold(toText(right))];
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A form in which two texts that differ in case only are the same. */
export function fold(text: string): string {
  return text.toUpperCase();
}

/** A property or an item; null when there is none. Names ignore case. */
export function lookUp(target: Value, key: Value): Value {
  if (isList(target)) return target[toNumber(key)] ?? null;
  if (!isMap(target)) return null;
  const name = toText(key);
  if (Object.hasOwn(target, name)) return target[name] ?? null;
  const folded = fold(name);
  const found = Object.keys(target).find((candidate) => fold(candidate) === folded);
  return found === undefined ? null : (target[found] ?? null);
}

/** True for `5` and `0.5`, but not for `1.10` or `007`, which would not read the same again. */
export function isNumberText(text: string): boolean {
  return text !== '' && String(toNumber(text)) === text;
}
