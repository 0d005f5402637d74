import { arrayContent, passNumbers } from './arrays';
import { ByteReader } from './byte-reader';
import type { Inspection } from './inspection';
import type { Item } from './item';
import { BrokenPickleError, PickleMachine, type Witness } from './machine';
import type { Call, Global } from './values';

/** How a file is known to be a pickle, or not. */
export type Expectation =
  /** By its first bytes: whatever can't be read is a finding. */
  | 'pickle'
  /** By its name alone: where it breaks before it imports anything, it is none, and loading it does nothing. */
  | 'named'
  /** Of torch, which keeps its arrays apart. */
  | 'torch'
  /** Not at all: text that happens to begin like a pickle is none. */
  | 'unknown';

/** Pickles in a row before the arrays, in torch's old format. */
const LEGACY_PICKLES = 5;

/** What those begin with: the number that torch knows them by. */
const LEGACY_MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');

/** What is kept of a walk: models import a few dozen names. */
const MOST_NAMES = 10_000;
const MOST_FAULTS = 50;

/** What a walk over a pickle has seen. */
class Sight implements Witness {
  readonly imported = new Map<string, { global: Global; position: number; isCalled: boolean }>();
  readonly faults: { what: string; position: number }[] = [];
  readonly versions: [string, string][] = [];
  /** What is imported at a position, without its module. */
  readonly attributes = new Map<number, string>();
  firstArray: number | undefined;
  /** Where the first bytes are that were passed over as numbers. */
  firstNumbers: number | undefined;
  /** Of an imported name. */
  lastCall: number | undefined;

  imports(global: Global, position: number): void {
    const { name, attribute } = global;
    if (this.attributes.size < MOST_NAMES) this.attributes.set(position, attribute);
    if (this.imported.size >= MOST_NAMES) this.objects('imports more names than any model', position);
    else if (!this.imported.has(name)) this.imported.set(name, { global, position, isCalled: false });
  }

  calls({ name }: Global, position: number): void {
    this.lastCall = position;
    const known = this.imported.get(name);
    if (known) known.isCalled = true;
  }

  objects(what: string, position: number): void {
    if (this.faults.length < MOST_FAULTS && !this.faults.some((fault) => fault.what === what))
      this.faults.push({ what, position });
  }

  madeWith(library: string, version: string): void {
    this.versions.push([library, version]);
  }

  beginsArray(position: number): void {
    this.firstArray ??= position;
  }
}

/** Inspects what is, or may be, one pickle or several in a row. */
export async function inspectPickles(
  item: Item,
  expectation: Expectation,
  inspection: Inspection,
  signal: AbortSignal,
): Promise<void> {
  const sight = new Sight();
  const broken = await walk(item, sight, { withArrays: true, withStorages: expectation === 'torch' }, signal);
  const { imported, faults, lastCall } = sight;
  const isPickle = imported.size > 0 && (lastCall !== undefined || !broken);
  if (expectation === 'unknown' && !isPickle) return;
  if (expectation === 'named' && broken && imported.size === 0 && faults.length === 0) return;
  inspection.pickles.add(item.name);
  const { name } = item;
  for (const { global, position, isCalled } of imported.values())
    inspection.name(name, global, isCalled ? 'calls' : 'imports', position);
  for (const { what, position } of faults) inspection.refuse(name, what, position);
  for (const [library, version] of sight.versions) inspection.madeWith(library, version);
  if (broken) inspection.refuse(name, `cannot be read: ${broken.message}`, broken.position);

  if (sight.firstArray === undefined) return;
  const other = new Sight();
  await walk(item, other, { withArrays: false, withStorages: false }, signal);
  reportOpcodes(name, sight, other, inspection);
}

/**
 * Reports what pickle.load would do with an array, whose content it takes for opcodes, and joblib.load does not.
 *
 * @param sight what joblib.load does
 * @param other what pickle.load does
 */
function reportOpcodes(name: string, sight: Sight, other: Sight, inspection: Inspection): void {
  const { firstArray = Number.POSITIVE_INFINITY, firstNumbers = Number.POSITIVE_INFINITY } = sight;
  for (const { global, position, isCalled } of other.imported.values()) {
    // An array of objects is a pickle in the pickle. pickle.load mixes the numbers of its objects up with those outside of it,
    // and so takes `labels.dtype` for `numpy.dtype`. No function that does harm is called like one that models hold.
    const isMistaken = sight.attributes.get(position) === global.attribute;
    const isNew = position > firstArray && /^[\w.]+$/.test(global.name) && !isMistaken;
    const before = sight.imported.get(global.name);
    const isNowCalled = isCalled && before?.isCalled === false;
    if (isNew || isNowCalled) inspection.name(name, global, isCalled ? 'calls' : 'imports', position);
  }
  // Numbers may look like a fault by chance, but not like the call of an imported name.
  if ((other.lastCall ?? 0) < firstNumbers) return;
  for (const { what, position } of other.faults)
    if (position > firstNumbers) inspection.refuse(name, what, position);
}

/** @returns why it can't be read to its end; undefined where it can */
async function walk(
  item: Item,
  sight: Sight,
  kind: { readonly withArrays: boolean; readonly withStorages: boolean },
  signal: AbortSignal,
): Promise<BrokenPickleError | undefined> {
  const source = item.open();
  const reader = new ByteReader(source);
  const passArray = async (wrapper: Call, position: number) => {
    let isWhole: boolean;
    try {
      const content = arrayContent(wrapper);
      if (content.kind === 'objects') {
        await new PickleMachine(
          reader,
          { withArrays: false, withStorages: false },
          sight,
          signal,
          passArray,
        ).run();
        return;
      }
      const start = reader.position;
      isWhole = await passNumbers(reader, content);
      if (reader.position > start) sight.firstNumbers ??= start;
    } catch (error) {
      if (error instanceof BrokenPickleError) throw error;
      throw new BrokenPickleError((error as Error).message, position);
    }
    if (!isWhole) throw new BrokenPickleError('an array ends before its end', position);
  };
  try {
    await reader.need(LEGACY_MAGIC.length);
    const isLegacy = reader.peek(LEGACY_MAGIC.length).equals(LEGACY_MAGIC);
    for (let pickles = 1; ; pickles++) {
      const now = isLegacy ? { withArrays: false, withStorages: true } : kind;
      await new PickleMachine(reader, now, sight, signal, passArray).run();
      // What follows are torch's arrays.
      if (isLegacy && pickles === LEGACY_PICKLES) return undefined;
      if (!(await reader.need(1))) return undefined;
    }
  } catch (error) {
    if (error instanceof BrokenPickleError) return error;
    // What the unpacking of a compressed file, or the disk, has to say.
    if (signal.aborted) throw error;
    return new BrokenPickleError((error as Error).message, reader.position);
  } finally {
    await source.close();
  }
}
