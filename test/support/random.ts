/** Choices that are the same in every run of a seed. */
export class Choices {
  private state: number;

  constructor(seed: number) {
    // Neighbouring seeds must not begin alike.
    this.state = Math.imul(seed, 0x9e3779b1) >>> 0;
  }

  /** A whole number from 0 on. */
  below(limit: number): number {
    this.state = (Math.imul(this.state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * limit);
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** Whether something that happens once in so many times does. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  several<T>(least: number, most: number, make: () => T): T[] {
    return Array.from({ length: least + this.below(most - least + 1) }, make);
  }
}
