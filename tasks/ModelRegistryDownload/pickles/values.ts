/** What stands for an object that loading a pickle would make, as far as the inspection has to know it. */
export type Value =
  | string
  | number
  | Sequence
  | Dictionary
  | Global
  | Call
  | typeof NONE
  | typeof OTHER
  | typeof CONTAINER;

/** Python's None. */
export const NONE = Symbol('none');

/** Something that does nothing: a number, bytes, a flag. Also a text that can be no name. */
export const OTHER = Symbol('other');

/** A list or a set, whose items do not matter. */
export const CONTAINER = Symbol('container');

/** A tuple. */
export class Sequence {
  constructor(readonly items: readonly Value[]) {}
}

/** Entries that are kept of a dictionary. */
const MOST_ENTRIES = 64;

export class Dictionary {
  /** Made with the first entry, since a pickle may hold millions of dictionaries. */
  private map: Map<string, Value> | undefined;
  /** Whether all keys are texts, and their values are kept. */
  isPlain = true;

  /** Those with a text for a key, as far as they are few. */
  get entries(): ReadonlyMap<string, Value> {
    return this.map ?? NO_ENTRIES;
  }

  /** @param isWanted keeps it also where there are many */
  set(key: string, value: Value, isWanted: boolean): void {
    this.map ??= new Map();
    if (isWanted || this.map.size < MOST_ENTRIES || this.map.has(key)) this.map.set(key, value);
    else this.isPlain = false;
  }
}

const NO_ENTRIES: ReadonlyMap<string, Value> = new Map();

/** An imported name. */
export class Global {
  /** The full name, as it is shown. */
  readonly name: string;

  constructor(
    readonly module: string,
    readonly attribute: string,
  ) {
    this.name = `${module}.${attribute}`;
  }
}

/** What a call would return. */
export class Call {
  /** What it is given after the call, in turn. */
  readonly states: Value[] = [];

  constructor(
    /** Undefined where something else than an imported name is called. */
    readonly callee: Global | undefined,
    readonly args: readonly Value[],
  ) {}
}
