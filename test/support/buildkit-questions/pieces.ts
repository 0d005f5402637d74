import type { Choices } from '../random';

/** Pieces put together by chance, without anything between them. */
export function pieces(random: Choices, most: number, list: readonly string[]): string {
  return random.several(1, most, () => random.of(list)).join('');
}
