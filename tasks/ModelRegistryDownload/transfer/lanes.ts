/**
 * Lets a number of requests run at a time. The number halves when the account asks for fewer, and grows back by one
 * with every full round that went well.
 */
export class Lanes {
  private open: number;
  private used = 0;
  private goneWell = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly most: number) {
    this.open = most;
  }

  /**
   * Runs some work as soon as a lane is free.
   *
   * @param isCongestion whether an error of the work means that too many run at once
   */
  async use<T>(work: () => Promise<T>, isCongestion: (error: Error) => boolean): Promise<T> {
    await this.enter();
    const width = this.open;
    try {
      const result = await work();
      this.widen();
      return result;
    } catch (error) {
      // Requests that failed together count once: they all ran under the same width.
      if (isCongestion(error as Error)) this.open = Math.min(this.open, Math.max(1, Math.floor(width / 2)));
      throw error;
    } finally {
      this.leave();
    }
  }

  private async enter(): Promise<void> {
    if (this.used < this.open) this.used += 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private leave(): void {
    this.used -= 1;
    while (this.used < this.open && this.waiting.length > 0) {
      this.used += 1;
      this.waiting.shift()!();
    }
  }

  private widen(): void {
    this.goneWell += 1;
    if (this.goneWell < this.open) return;
    this.goneWell = 0;
    this.open = Math.min(this.most, this.open + 1);
  }
}
