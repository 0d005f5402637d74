import { throwIfCancelled } from '../../common/cancel';
import type { ByteReader } from './byte-reader';
import { ARRAY_WRAPPER, madeOf, misuse, renamed } from './names';
import { Op } from './opcodes';
import { Call, CONTAINER, Dictionary, Global, NONE, OTHER, Sequence, type Value } from './values';

/** Is told what a pickle would do. Positions are those of the opcodes. */
export interface Witness {
  imports(name: Global, position: number): void;
  calls(name: Global, position: number): void;
  /** Something that no honest pickle does. */
  objects(what: string, position: number): void;
  /** An object's state says which version of a library it was made with. */
  madeWith(library: string, version: string): void;
  /** An array of joblib begins, whose content follows between the opcodes. */
  beginsArray(position: number): void;
}

export interface PickleKind {
  /** Whether it passes over what joblib writes between opcodes: joblib.load does, pickle.load does not. */
  readonly withArrays: boolean;
  /** Whether it may name storages of torch. */
  readonly withStorages: boolean;
}

/** The stream is none that can be loaded, from here on. */
export class BrokenPickleError extends Error {
  constructor(
    what: string,
    readonly position: number,
  ) {
    super(what);
  }
}

/** Texts that are kept: as long as a name may be. */
const LONGEST_TEXT = 512;

/** What is kept at a time. */
const MOST_OBJECTS = 10_000_000;

/** Items of a tuple that are looked at. */
const MOST_ITEMS = 64;

/** Opcodes after which other work gets its turn. */
const TURN = 500_000;

/** The longest argument that is no payload. */
const LONGEST_ARGUMENT = 9;

const LATEST_PROTOCOL = 5;

/** The attribute in which an estimator of scikit-learn keeps the version that made it. */
const VERSION_KEY = '_sklearn_version';

/**
 * Reads one pickle as loading it would, and makes nothing of it: texts that can be names, imported names, calls. All else
 * is passed over, so that the memory it takes does not depend on the arrays.
 */
export class PickleMachine {
  private stack: Value[] = [];
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, Value>();
  private protocol: number | undefined;
  private start = 0;
  /** Where the frame ends that Python has read as a whole: it reads an array, or another pickle, from behind it. */
  private frameEnd = 0;
  /** Of the opcode. */
  private position = 0;

  constructor(
    private readonly reader: ByteReader,
    private readonly kind: PickleKind,
    private readonly witness: Witness,
    private readonly signal: AbortSignal,
    /** Passes over the array that a wrapper describes. */
    private readonly passArray: (wrapper: Call, position: number) => Promise<void>,
  ) {}

  /**
   * @returns the object that is loaded
   * @throws BrokenPickleError where loading ends with an error, too
   */
  async run(): Promise<Value> {
    const { reader } = this;
    this.start = reader.position;
    for (let steps = 1; ; steps++) {
      if (
        reader.left <= LONGEST_ARGUMENT &&
        !(await reader.need(LONGEST_ARGUMENT + 1)) &&
        reader.left === 0
      ) {
        throw this.broken('it ends before its end');
      }
      if (steps % TURN === 0) {
        throwIfCancelled(this.signal);
        await new Promise((resolve) => setImmediate(resolve));
      }
      this.position = reader.position;
      const op = reader.byte();
      if (op === Op.STOP) {
        if (reader.position < this.frameEnd) this.object('ends before its frame does (FRAME)');
        return this.pop();
      }
      const wait = this.step(op);
      if (wait) await wait;
    }
  }

  /** Does what needs no more than the bytes at hand; the rest, in its promise. */
  private step(op: Op): Promise<void> | undefined {
    switch (op) {
      case Op.MARK:
        if (this.marks.length >= MOST_OBJECTS) throw this.broken('it holds more objects than are looked at');
        this.marks.push(this.stack.length);
        return undefined;
      case Op.NONE:
        return this.push(NONE);
      case Op.NEWTRUE:
      case Op.NEWFALSE:
        return this.push(OTHER);
      case Op.BINFLOAT:
        this.bytes(8);
        return this.push(OTHER);
      case Op.BININT:
        this.atHand(4);
        return this.push(this.reader.int32());
      case Op.BININT1:
        return this.push(this.uint(1));
      case Op.BININT2:
        return this.push(this.uint(2));
      case Op.LONG1:
        return this.long(this.uint(1));
      case Op.LONG4:
        return this.payload(this.uint(4));
      case Op.BINBYTES:
      case Op.BYTEARRAY8:
      case Op.BINBYTES8:
      case Op.SHORT_BINBYTES:
        return this.payload(this.length(op));
      case Op.BINUNICODE:
      case Op.BINUNICODE8:
      case Op.SHORT_BINUNICODE:
      case Op.BINSTRING:
      case Op.SHORT_BINSTRING:
        return this.text(this.length(op));
      case Op.EMPTY_LIST:
      case Op.EMPTY_SET:
        return this.push(CONTAINER);
      case Op.EMPTY_DICT:
        return this.push(new Dictionary());
      case Op.EMPTY_TUPLE:
        return this.push(new Sequence([]));
      case Op.TUPLE1:
      case Op.TUPLE2:
      case Op.TUPLE3:
        return this.tuple(this.popMany(op - Op.TUPLE1 + 1));
      case Op.TUPLE:
        return this.tuple(this.popToMark());
      case Op.LIST:
      case Op.FROZENSET:
        this.popToMark();
        return this.push(op === Op.LIST ? CONTAINER : OTHER);
      case Op.DICT: {
        const dictionary = new Dictionary();
        this.fill(dictionary, this.popToMark());
        return this.push(dictionary);
      }
      case Op.APPEND:
        this.pop();
        this.changesItems();
        return undefined;
      case Op.APPENDS:
      case Op.ADDITEMS:
        this.popToMark();
        this.changesItems();
        return undefined;
      case Op.SETITEM:
      case Op.SETITEMS: {
        const items = op === Op.SETITEM ? this.popMany(2) : this.popToMark();
        const target = this.changesItems();
        if (target instanceof Dictionary) this.fill(target, items);
        return undefined;
      }
      case Op.MEMOIZE:
        return this.remember(this.memo.size);
      case Op.BINPUT:
        return this.remember(this.uint(1));
      case Op.LONG_BINPUT:
        return this.remember(this.uint(4));
      case Op.BINGET:
        return this.recall(this.uint(1));
      case Op.LONG_BINGET:
        return this.recall(this.uint(4));
      case Op.REDUCE: {
        const args = this.pop();
        return this.call(this.pop(), args);
      }
      case Op.NEWOBJ: {
        const args = this.pop();
        return this.call(this.pop(), args);
      }
      case Op.NEWOBJ_EX: {
        this.pop();
        const args = this.pop();
        return this.call(this.pop(), args);
      }
      case Op.BUILD:
        return this.build();
      case Op.STACK_GLOBAL: {
        const attribute = this.pop();
        const module = this.pop();
        if (typeof module !== 'string' || typeof attribute !== 'string') {
          this.object('imports a name that it works out while it is loaded');
          return this.push(new Call(undefined, []));
        }
        return this.global(module, attribute);
      }
      case Op.FRAME: {
        const length = Number(this.bytes(8).readBigUInt64LE());
        this.frameEnd = this.reader.position + length;
        return undefined;
      }
      case Op.PROTO: {
        const protocol = this.uint(1);
        if (protocol > LATEST_PROTOCOL)
          throw this.broken(`it is of protocol ${protocol}, which no Python knows`);
        if (this.protocol !== undefined || this.position !== this.start)
          this.object('changes its protocol on the way');
        this.protocol = protocol;
        return undefined;
      }
      default:
        return this.rare(op);
    }
  }

  /** Lines of protocol 0, and what honest pickles do not have. */
  private async rare(op: Op): Promise<void> {
    switch (op) {
      case Op.INT:
      case Op.LONG:
      case Op.FLOAT: {
        const text = await this.line();
        const number = op === Op.FLOAT || /^0[01]$/.test(text) ? Number.NaN : Number(text.replace(/L$/, ''));
        return this.push(Number.isSafeInteger(number) ? number : OTHER);
      }
      case Op.STRING: {
        const text = await this.line();
        const quoted = /^(['"])([^\\]*)\1$/.exec(text.trim());
        return this.push(quoted && isName(quoted[2]!) ? quoted[2]! : OTHER);
      }
      case Op.UNICODE: {
        const text = await this.line();
        return this.push(isName(text) ? text : OTHER);
      }
      case Op.PUT:
        return this.remember(this.index(await this.line()));
      case Op.GET:
        return this.recall(this.index(await this.line()));
      case Op.GLOBAL: {
        const module = await this.line();
        return this.global(module, await this.line());
      }
      case Op.INST: {
        const module = await this.line();
        const attribute = await this.line();
        const args = this.popToMark();
        this.object('makes an object by an opcode that no Python writes any more (INST)');
        this.global(module, attribute);
        return this.call(this.pop(), new Sequence(args));
      }
      case Op.OBJ: {
        const [callee = OTHER, ...args] = this.popToMark();
        this.object('makes an object by an opcode that no Python writes any more (OBJ)');
        return this.call(callee, new Sequence(args));
      }
      case Op.PERSID:
      case Op.BINPERSID:
        if (op === Op.PERSID) await this.line();
        else this.pop();
        if (!this.kind.withStorages) this.object('names an object outside of it (PERSID)');
        return this.push(new Call(undefined, []));
      case Op.POP:
        if (this.marks.at(-1) === this.stack.length) this.marks.pop();
        else this.pop();
        return this.object('throws away what it has made (POP)');
      case Op.POP_MARK:
        this.popToMark();
        return this.object('throws away what it has made (POP_MARK)');
      case Op.DUP:
        this.object('uses an object twice without a name (DUP)');
        return this.push(this.top());
      case Op.EXT1:
      case Op.EXT2:
      case Op.EXT4:
        this.uint(op === Op.EXT1 ? 1 : op === Op.EXT2 ? 2 : 4);
        this.object('imports a name by a number that only the loading Python knows (EXT)');
        return this.push(new Call(undefined, []));
      case Op.NEXT_BUFFER:
        this.object('takes bytes from outside of it (NEXT_BUFFER)');
        return this.push(OTHER);
      case Op.READONLY_BUFFER:
        return undefined;
      default:
        throw this.broken(`there is no opcode 0x${(op as number).toString(16).padStart(2, '0')}`);
    }
  }

  private global(module: string, attribute: string): undefined {
    if (attribute === '' || module === '') throw this.broken('it imports a name that is empty');
    const old = (this.protocol ?? 0) < 3 ? renamed(module, attribute) : undefined;
    const global = new Global(old?.module ?? module, old?.attribute ?? attribute);
    this.witness.imports(global, this.position);
    return this.push(global);
  }

  private call(callee: Value, args: Value): undefined {
    const items = args instanceof Sequence ? args.items : [];
    if (callee instanceof Global) this.witness.calls(callee, this.position);
    else this.object('calls something that is no imported name');
    const global = callee instanceof Global ? callee : undefined;
    const fault = global && misuse(global.name, items);
    if (fault) this.object(fault);
    return this.push(global?.name === 'builtins.getattr' ? OTHER : new Call(global, items));
  }

  private build(): Promise<void> | undefined {
    const state = this.pop();
    const target = this.top();
    if (!(target instanceof Call)) {
      this.object('changes something that it has not made (BUILD)');
      return undefined;
    }
    target.states.push(state);
    const version = state instanceof Dictionary ? state.entries.get(VERSION_KEY) : undefined;
    if (typeof version === 'string') this.witness.madeWith('scikit-learn', version);
    if (madeOf(target)?.name !== ARRAY_WRAPPER) return undefined;
    this.witness.beginsArray(this.position);
    if (!this.kind.withArrays) return undefined;
    if (this.reader.position < this.frameEnd) this.object('has an array within a frame (FRAME)');
    this.stack[this.stack.length - 1] = new Call(new Global('numpy', 'ndarray'), []);
    return this.passArray(target, this.position);
  }

  /** Of list-like things Python calls `append`, of others `__setitem__`: they must be what they look like. */
  private changesItems(): Value {
    const target = this.top();
    const isOwn = target === CONTAINER || target instanceof Dictionary || target instanceof Call;
    if (!isOwn) this.object('puts items into something that it has not made');
    return target;
  }

  private fill(dictionary: Dictionary, items: readonly Value[]): void {
    for (let index = 0; index + 1 < items.length; index += 2) {
      const key = items[index]!;
      if (typeof key === 'string') dictionary.set(key, items[index + 1]!, key === VERSION_KEY);
      else dictionary.isPlain = false;
    }
  }

  private tuple(items: readonly Value[]): undefined {
    return this.push(items.length > MOST_ITEMS ? OTHER : new Sequence(items));
  }

  private long(length: number): Promise<void> | undefined {
    if (length > 6 || this.reader.left < length) return this.payload(length);
    const bytes = this.reader.take(length);
    return this.push(length === 0 ? 0 : bytes.readIntLE(0, length));
  }

  private text(length: number): Promise<void> | undefined {
    if (length > LONGEST_TEXT) return this.payload(length);
    if (this.reader.left >= length) return this.pushText(length);
    return this.reader.need(length).then((isThere) => {
      if (!isThere) throw this.broken('it ends before its end');
      this.pushText(length);
    });
  }

  private pushText(length: number): undefined {
    const text = this.reader.take(length).toString('utf8');
    return this.push(isName(text) ? text : OTHER);
  }

  private payload(length: number): Promise<void> | undefined {
    if (this.reader.left >= length) {
      this.reader.take(length);
      return this.push(OTHER);
    }
    return this.reader.skip(length).then((isThere) => {
      if (!isThere) throw this.broken('it ends before its end');
      this.push(OTHER);
    });
  }

  private length(op: Op): number {
    if (op === Op.SHORT_BINBYTES || op === Op.SHORT_BINUNICODE || op === Op.SHORT_BINSTRING)
      return this.uint(1);
    if (op === Op.BINBYTES || op === Op.BINUNICODE || op === Op.BINSTRING) return this.uint(4);
    const length = Number(this.bytes(8).readBigUInt64LE());
    if (!Number.isSafeInteger(length)) throw this.broken('it holds something longer than any file');
    return length;
  }

  private uint(bytes: 1 | 2 | 4): number {
    this.atHand(bytes);
    return this.reader.uint(bytes);
  }

  private bytes(count: number): Buffer {
    this.atHand(count);
    return this.reader.take(count);
  }

  private atHand(count: number): void {
    if (this.reader.left < count) throw this.broken('it ends before its end');
  }

  private async line(): Promise<string> {
    const line = await this.reader.line(LONGEST_TEXT);
    if (line === undefined) throw this.broken('it ends before its end');
    return line.toString('utf8');
  }

  private index(text: string): number {
    const index = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(index))
      throw this.broken('it numbers an object wrongly');
    return index;
  }

  private remember(index: number): undefined {
    if (this.memo.size >= MOST_OBJECTS) throw this.broken('it holds more objects than are looked at');
    this.memo.set(index, this.top());
    return undefined;
  }

  private recall(index: number): undefined {
    const value = this.memo.get(index);
    if (value === undefined) throw this.broken('it names an object that it has not made');
    return this.push(value);
  }

  private push(value: Value): undefined {
    if (this.stack.length >= MOST_OBJECTS) throw this.broken('it holds more objects than are looked at');
    this.stack.push(value);
    return undefined;
  }

  private top(): Value {
    if (this.stack.length <= (this.marks.at(-1) ?? 0))
      throw this.broken('it uses an object that it has not made');
    return this.stack.at(-1)!;
  }

  private pop(): Value {
    const value = this.top();
    this.stack.pop();
    return value;
  }

  private popMany(count: number): Value[] {
    if (this.stack.length - (this.marks.at(-1) ?? 0) < count)
      throw this.broken('it uses an object that it has not made');
    return this.stack.splice(-count);
  }

  private popToMark(): Value[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw this.broken('it uses an object that it has not made');
    const items = this.stack.slice(mark);
    this.stack.length = mark;
    return items;
  }

  private object(what: string): undefined {
    this.witness.objects(what, this.position);
    return undefined;
  }

  private broken(what: string): BrokenPickleError {
    return new BrokenPickleError(what, this.position);
  }
}

/** Only what looks like a name may become one. */
function isName(text: string): boolean {
  return text.length <= LONGEST_TEXT && /^[\w.<>+!-]+$/.test(text);
}
