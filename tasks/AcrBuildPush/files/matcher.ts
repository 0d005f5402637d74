/** A step of a pattern. */
export type Element =
  /** One character. */
  | { readonly kind: 'one'; readonly fits: Fits }
  /** Any number of characters. */
  | { readonly kind: 'run'; readonly fits: Fits }
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
 * longer than its length times the text's.
 */
export function createMatcher(elements: readonly Element[]): Matcher {
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

  return (text) => {
    const chars = [...text];
    generation++;
    marks[0] = generation;
    let states = [0];
    spread(states, undefined, chars[0]);
    for (let at = 0; at < chars.length && states.length > 0; at++) {
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
