/**
 * Values of Azure Pipelines expressions and their conversions, as the "Type casting" section of the
 * product's documentation on expressions has them, and as the service was seen to do where it differs.
 */
export type Value = null | boolean | number | string | Version | readonly Value[] | ValueMap;

/** An object. A Map keeps the order in which names such as `10` and `2` were written; a record does not. */
export type ValueMap = ReadonlyMap<string, Value> | { readonly [name: string]: Value };

export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}

/** An object whose names ignore case, such as `variables`; those of other objects do not. */
export class NameMap extends Map<string, Value> {
  /** A name keeps the case in which it was set first. */
  override set(name: string, value: Value): this {
    const known = [...this.keys()].find((candidate) => fold(candidate) === fold(name));
    return super.set(known ?? name, value);
  }
}

/** What `list.*` gives: what follows it is asked of every item. */
export class FilteredList extends Array<Value> {}

/** Two to four numbers, such as `1.10.0`. */
export class Version {
  private constructor(readonly parts: readonly number[]) {}

  /** @returns undefined when the text is no version */
  static parse(text: string): Version | undefined {
    return /^\d+(\.\d+){1,3}$/.test(text.trim())
      ? new Version(text.trim().split('.').map(Number))
      : undefined;
  }

  /** Part by part; a part that is missing comes before 0. */
  compare(other: Version): number {
    for (let index = 0; index < 4; index++) {
      const difference = (this.parts[index] ?? -1) - (other.parts[index] ?? -1);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  toString(): string {
    return this.parts.join('.');
  }
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isMap(value: Value): value is ValueMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Version);
}

/** The names of an object with their values, in the order in which they were written. */
export function entriesOfMap(map: ValueMap): [string, Value][] {
  return map instanceof Map ? [...map] : Object.entries(map);
}

/** Booleans become `True` and `False`, null becomes empty. */
export function toText(value: Value): string {
  if (value === null) return '';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (value instanceof Version) return value.toString();
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

/** NaN when there is no number in the value. Commas may group the digits of a text. */
export function toNumber(value: Value): number {
  if (typeof value === 'object') return value === null ? 0 : Number.NaN;
  if (typeof value !== 'string') return Number(value);
  const text = value.trim();
  if (text === '') return 0;
  return /^[+-]?(\d[\d,]*(\.\d*)?|\.\d+)$/.test(text) ? Number(text.replaceAll(',', '')) : Number.NaN;
}

/** A number needs decimals to be a version: `1.3`, but not `2`. */
function toVersion(value: Value): Version | undefined {
  if (value instanceof Version) return value;
  return typeof value === 'string' || typeof value === 'number' ? Version.parse(String(value)) : undefined;
}

/** Equality as `eq` has it: the right side is converted to the left side's type; text ignores case. */
export function equals(left: Value, right: Value): boolean {
  if (typeof left === 'boolean') return left === toBoolean(right);
  if (typeof left === 'number') return left === toNumber(right);
  if (left === null) return right === null || right === '';
  if (left instanceof Version) return toVersion(right)?.compare(left) === 0;
  if (isList(left) || isMap(left) || isList(right) || isMap(right)) return left === right;
  return fold(left) === fold(toText(right));
}

/**
 * Negative, zero or positive as left is less than, equal to or greater than right.
 * @throws ExpressionError when the right side cannot be converted to the left side's type
 */
export function compare(left: Value, right: Value): number {
  if (typeof left === 'boolean') return Number(left) - Number(toBoolean(right));
  if (typeof left === 'number') {
    const difference = left - toNumber(right);
    if (Number.isNaN(difference))
      throw new ExpressionError(`${shown(right)} cannot be compared with a number.`);
    return difference;
  }
  if (left instanceof Version) {
    const version = toVersion(right);
    if (!version) throw new ExpressionError(`${shown(right)} cannot be compared with a version.`);
    return left.compare(version);
  }
  if (left === null) {
    if (right === null || right === '') return 0;
    throw new ExpressionError(`${shown(right)} cannot be compared with nothing.`);
  }
  const [a, b] = [fold(toText(left)), fold(toText(right))];
  return a < b ? -1 : a > b ? 1 : 0;
}

function shown(value: Value): string {
  return isList(value) ? 'A list' : isMap(value) ? 'An object' : `'${toText(value)}'`;
}

/** A form in which two texts that differ in case only are the same. */
export function fold(text: string): string {
  return text.toUpperCase();
}

/** A property or an item; null when there is none. */
export function lookUp(target: Value, key: Value): Value {
  return find(target, key) ?? null;
}

/** A member whose name may differ in case; undefined when there is none. */
export function findFolded(map: ValueMap, name: string): Value | undefined {
  const exact = member(map, name);
  if (exact !== undefined) return exact;
  const folded = fold(name);
  return entriesOfMap(map).find(([candidate]) => fold(candidate) === folded)?.[1];
}

/** Every item or member that `*` stands for, one level deep in each item of an earlier `*`. */
export function allOf(target: Value): FilteredList {
  const children = (value: Value): readonly Value[] => {
    if (isList(value)) return value;
    return isMap(value) ? entriesOfMap(value).map(([, item]) => item) : [];
  };
  const found =
    target instanceof FilteredList ? target.flatMap((item) => [...children(item)]) : children(target);
  return FilteredList.from(found) as FilteredList;
}

function find(target: Value, key: Value): Value | undefined {
  if (target instanceof FilteredList) {
    const found = [...target].map((item) => find(item, key)).filter((item) => item !== undefined);
    return FilteredList.from(found) as FilteredList;
  }
  if (isList(target)) {
    const index = Math.floor(toNumber(key));
    return index >= 0 ? target[index] : undefined;
  }
  if (!isMap(target) || isList(key) || isMap(key)) return undefined;
  return target instanceof NameMap ? findFolded(target, toText(key)) : member(target, toText(key));
}

function member(map: ValueMap, name: string): Value | undefined {
  if (map instanceof Map) return map.get(name);
  return Object.hasOwn(map, name) ? (map as { readonly [name: string]: Value })[name] : undefined;
}

/** True for `5` and `0.5`, but not for `1.10` or `007`, which would not read the same again. */
export function isNumberText(text: string): boolean {
  return text !== '' && String(toNumber(text)) === text;
}

/** JSON with two spaces for each level, as `convertToJson` writes it. */
export function toJson(value: Value, indent = ''): string {
  const deeper = `${indent}  `;
  if (isList(value)) {
    const items = [...value].map((item) => `${deeper}${toJson(item, deeper)}`);
    return items.length === 0 ? '[]' : `[\n${items.join(',\n')}\n${indent}]`;
  }
  if (isMap(value)) {
    const members = entriesOfMap(value).map(
      ([name, item]) => `${deeper}${JSON.stringify(name)}: ${toJson(item, deeper)}`,
    );
    return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${indent}}`;
  }
  return JSON.stringify(value instanceof Version ? value.toString() : value);
}
