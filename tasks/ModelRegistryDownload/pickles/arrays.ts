import type { ByteReader } from './byte-reader';
import { Call, Dictionary, NONE, Sequence, type Value } from './values';

/** What joblib writes between the opcodes, behind an array's wrapper. */
export type ArrayContent =
  /** Another pickle, of its own. */
  | { readonly kind: 'objects' }
  | { readonly kind: 'numbers'; readonly bytes: number; readonly isAligned: boolean };

/** Whether items of a type refer to objects, in numpy's own flags. */
const HOLDS_OBJECTS = 1;

/** Places in the state of a type. */
const SIZE = 5;
const FLAGS = 7;

/**
 * What follows the wrapper of an array.
 *
 * @throws Error where the wrapper does not say it as joblib's do
 */
export function arrayContent(wrapper: Call): ArrayContent {
  const entries = new Map<string, Value>();
  for (const state of wrapper.states) {
    if (!(state instanceof Dictionary) || !state.isPlain)
      throw new Error('an array is described in an odd way');
    for (const [key, value] of state.entries) entries.set(key, value);
  }
  const shape = entries.get('shape');
  const type = entries.get('dtype');
  if (!(shape instanceof Sequence) || !(type instanceof Call))
    throw new Error('an array has no shape or type');
  const { size, holdsObjects } = itemOf(type);
  if (holdsObjects) return { kind: 'objects' };
  let bytes = size;
  for (const length of shape.items) {
    if (typeof length !== 'number' || length < 0) throw new Error('an array has an odd shape');
    bytes *= length;
  }
  if (!Number.isSafeInteger(bytes)) throw new Error('an array is larger than any file');
  const alignment = entries.get('numpy_array_alignment_bytes') ?? NONE;
  if (alignment !== NONE && typeof alignment !== 'number')
    throw new Error('an array is aligned in an odd way');
  return { kind: 'numbers', bytes, isAligned: alignment !== NONE };
}

function itemOf(type: Call): { size: number; holdsObjects: boolean } {
  const [name] = type.args;
  const [state] = type.states;
  const parsed = typeof name === 'string' ? /^([?bBhHiIlLqQfdgeFDGSUVOmMcu])(\d*)$/.exec(name) : null;
  if (type.callee?.name !== 'numpy.dtype' || type.states.length > 1 || !parsed) throw odd();
  const items = state instanceof Sequence ? state.items : undefined;
  const flags = items?.[FLAGS];
  const flagged = typeof flags === 'number' && (flags & HOLDS_OBJECTS) !== 0;
  const [, kind, digits] = parsed;
  if (kind === 'O' && !flagged) throw odd();
  if (!'OV'.includes(kind!) && flagged) throw odd();
  const stated = items?.[SIZE];
  const isFlexible = 'SUV'.includes(kind!);
  const size = isFlexible && typeof stated === 'number' ? stated : Number(digits) * (kind === 'U' ? 4 : 1);
  if (!(size > 0) && !(isFlexible && size === 0)) throw odd();
  return { size, holdsObjects: kind === 'O' || flagged };
}

function odd(): Error {
  return new Error('an array has a type that joblib does not write');
}

/** @returns whether all of the array was there */
export async function passNumbers(
  reader: ByteReader,
  content: ArrayContent & { kind: 'numbers' },
): Promise<boolean> {
  if (content.isAligned) {
    if (!(await reader.need(1))) return false;
    if (!(await reader.skip(reader.byte()))) return false;
  }
  return reader.skip(content.bytes);
}
