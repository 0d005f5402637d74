import { isRecord, readJson } from './json';

/**
 * What a part of an answer is to be. `id` is a whole number, as digits or as text, and `key` may be any text too. A list
 * has one element, the shape of all of its elements. The members of an object may each be absent or null, and there may be
 * others; a member of the name {@link EACH} stands for all of them.
 */
export type Shape =
  | 'text'
  | 'number'
  | 'flag'
  | 'id'
  | 'key'
  | 'object'
  | readonly [Shape]
  | { readonly [name: string]: Shape };

/** In place of a name: every member of the object. */
export const EACH = '*';

/** What has a shape. */
export type Shaped<S> = S extends 'text'
  ? string
  : S extends 'number'
    ? number
    : S extends 'flag'
      ? boolean
      : S extends 'id' | 'key'
        ? number | bigint | string
        : S extends 'object'
          ? Readonly<Record<string, unknown>>
          : S extends readonly [infer E]
            ? readonly Shaped<E>[]
            : S extends { readonly [EACH]: infer E }
              ? Readonly<Record<string, Shaped<E>>>
              : { readonly [N in keyof S]?: Shaped<S[N]> | null };

const WORDS = {
  text: 'a text',
  number: 'a number',
  flag: 'true or false',
  id: 'an id',
  key: 'an id',
  object: 'an object',
};

/**
 * Where something is not what it is to be, and what stands there: `'jobs[0].name' is a list, where a text should be`.
 * Undefined where all is right. It repeats nothing but the names of members.
 */
export function faultIn(value: unknown, shape: Shape, place = ''): string | undefined {
  if (typeof shape === 'string') return isPlain(value, shape) ? undefined : fault(value, WORDS[shape], place);
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return fault(value, 'a list', place);
    return first(value, (element, index) => faultIn(element, shape[0], `${place}[${index}]`));
  }
  if (!isRecord(value)) return fault(value, WORDS.object, place);
  const within = (name: string) => (place ? `${place}.${name}` : name);
  return first(Object.entries(shape as { readonly [name: string]: Shape }), ([name, member]) => {
    const members = name === EACH ? Object.values(value) : Object.hasOwn(value, name) ? [value[name]] : [];
    const given = members.filter((one) => one !== undefined && one !== null);
    return first(given, (one) => faultIn(one, member, within(name === EACH ? '…' : name)));
  });
}

/** A value of a shape without those members that are null: many a service writes null for what is not there. */
export function withoutNulls(value: unknown, shape: Shape): unknown {
  if (Array.isArray(shape)) {
    return Array.isArray(value) ? value.map((element) => withoutNulls(element, shape[0])) : value;
  }
  if (typeof shape === 'string' || !isRecord(value)) return value;
  const shapes = new Map(Object.entries(shape));
  const members = Object.entries(value).flatMap(([name, member]): [string, unknown][] => {
    const own = shapes.get(name) ?? shapes.get(EACH);
    if (own === undefined) return [[name, member]];
    return member === null ? [] : [[name, withoutNulls(member, own)]];
  });
  return Object.fromEntries(members);
}

/** What is wrong with an answer that should tell a text, such as a token, and does not. */
export function faultWithout(member: string, body: Buffer): string {
  return faultIn(readJson(body), { [member]: 'text' }) ?? `it has no '${member}' that can be used`;
}

function first<T>(items: readonly T[], look: (item: T, index: number) => string | undefined) {
  for (const [index, item] of items.entries()) {
    const found = look(item, index);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isPlain(value: unknown, kind: keyof typeof WORDS): boolean {
  switch (kind) {
    case 'text':
      return typeof value === 'string';
    case 'number':
      return Number.isFinite(value);
    case 'flag':
      return typeof value === 'boolean';
    case 'object':
      return isRecord(value);
    case 'key':
      return typeof value === 'string' || isPlain(value, 'id');
    default:
      return isWhole(value) && /^-?\d{1,20}$/.test(String(value));
  }
}

function isWhole(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'bigint' || Number.isSafeInteger(value);
}

function fault(value: unknown, wanted: string, place: string): string {
  return `${place ? `'${place}'` : 'it'} is ${describe(value)}, where ${wanted} should be`;
}

/** What a JSON value is, without anything of it that could be secret. */
function describe(value: unknown): string {
  if (value === undefined) return 'no JSON';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'a text';
  if (typeof value === 'boolean') return 'true or false';
  return isRecord(value) ? 'an object' : 'a number';
}
