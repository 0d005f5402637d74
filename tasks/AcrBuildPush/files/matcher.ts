/** A step of a pattern. */
export type Element =
  /** One character. */
  | { readonly kind: 'one'; readonly fits: Fits }
  /** Any number of characters. `except` is told where all fit but this one: it is found sooner than all are asked. */
  | { readonly kind: 'run'; readonly fits: Fits; readonly except?: string }
  /** The elements behind it, so many, may be left out together. */
  | { readonly kind: 'option'; readonly over: number }
  /** No character, but a place between two; undefined stands for the ends of the text. */
  | {
      readonly kind: 'place';
      readonly fits: (before: string | undefined, after: string | undefined) => boolean;
    };

export type Fits = (char: string) => boolean;

export type Matcher = (text: string) => boolean;

/**
 * Makes a test for whole texts. All ways to match are followed at once, a character at a time, so that no pattern takes
 * longer than its length times the text's. What stands at the ends of a pattern and has one way to match is looked at
 * first: of many patterns that are tried on a path, most end there.
 */
export function createMatcher(elements: readonly Element[]): Matcher {
  const head = elements.findIndex(({ kind }) => kind !== 'one');
  if (head < 0) {
    return (text) => {
      const chars = charsOf(text);
      return fits(elements, chars, 0, chars.length);
    };
  }
  const tail = startOfTail(elements);
  const first = elements.slice(0, head);
  const last = elements.slice(tail);
  const middle = elements.slice(head, tail);
  const [only] = middle;
  const matchesMiddle = only?.kind === 'run' && middle.length === 1 ? fitsAll(only) : follow(middle);
  return (text) => {
    const chars = charsOf(text);
    const end = chars.length - last.length;
    return (
      end >= head &&
      fits(first, chars, 0, head) &&
      fits(last, chars, end, chars.length) &&
      matchesMiddle(chars, head, end)
    );
  };
}

/** Tests a part of a text. */
type PartMatcher = (chars: readonly string[], start: number, end: number) => boolean;

/** The text that was looked at last: many patterns are tried on one. */
let known: { readonly text: string; readonly chars: readonly string[] } = { text: '', chars: [] };

function charsOf(text: string): readonly string[] {
  if (text !== known.text) known = { text, chars: [...text] };
  return known.chars;
}

/** Where the elements begin that nothing leaves out, and that have one way to match. */
function startOfTail(elements: readonly Element[]): number {
  let start = 0;
  for (const [index, element] of elements.entries()) {
    const over = element.kind === 'option' ? element.over : 0;
    if (element.kind !== 'one') start = Math.max(start, index + over + 1);
  }
  return start;
}

/** Whether elements that are one character each are those of a part of a text. */
function fits(elements: readonly Element[], chars: readonly string[], start: number, end: number): boolean {
  if (end - start !== elements.length) return false;
  return elements.every((element, index) => element.kind === 'one' && element.fits(chars[start + index]!));
}

function fitsAll({ fits: one, except }: Extract<Element, { kind: 'run' }>): PartMatcher {
  return (chars, start, end) => {
    if (except !== undefined) {
      const at = chars.indexOf(except, start);
      return at < 0 || at >= end;
    }
    for (let at = start; at < end; at++) if (!one(chars[at]!)) return false;
    return true;
  };
}

function follow(elements: readonly Element[]): PartMatcher {
  const end = elements.length;
  const marks = new Uint32Array(end + 1);
  let generation = 0;

  /** Adds what can be reached without a character. */
  const spread = (states: number[], before: string | undefined, after: string | undefined) => {
    const add = (state: number) => {
      if (marks[state] === generation) return;
      marks[state] = generation;
      states.push(state);
    };
    for (let index = 0; index < states.length; index++) {
      const state = states[index]!;
      const element = elements[state];
      if (element?.kind === 'run') add(state + 1);
      else if (element?.kind === 'option') {
        add(state + 1);
        add(state + 1 + element.over);
      } else if (element?.kind === 'place' && element.fits(before, after)) add(state + 1);
    }
  };

  return (chars, start, until) => {
    generation++;
    marks[0] = generation;
    let states = [0];
    spread(states, chars[start - 1], chars[start]);
    for (let at = start; at < until && states.length > 0; at++) {
      const char = chars[at]!;
      generation++;
      const next: number[] = [];
      for (const state of states) {
        const element = elements[state];
        const target = element?.kind === 'one' ? state + 1 : element?.kind === 'run' ? state : undefined;
        if (target === undefined || marks[target] === generation) continue;
        if (!(element as { fits: Fits }).fits(char)) continue;
        marks[target] = generation;
        next.push(target);
      }
      spread(next, char, chars[at + 1]);
      states = next;
    }
    return states.includes(end);
  };
}
