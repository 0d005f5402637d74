import { throwIfCancelled } from './cancel';

/** More at once do not fill a line any better, and each holds memory. */
const DEFAULT_LANES = 4;

/** Work that is done side by side, so much of it at once. The first failure ends all of it. */
export class Lanes {
  /** Aborted by a failure, too. */
  readonly signal: AbortSignal;
  private readonly failed = new AbortController();
  private readonly running: Promise<unknown>[] = [];
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly cancel: AbortSignal,
    private free = DEFAULT_LANES,
  ) {
    this.signal = AbortSignal.any([cancel, this.failed.signal]);
  }

  /** Begins some work, as soon as there is a lane for it. */
  run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const run = this.inLane(work);
    run.catch((error) => this.failed.abort(error));
    this.running.push(run);
    return run;
  }

  /** Ends what is left after a failure, and tells what failed first. */
  async firstError(error: unknown): Promise<unknown> {
    this.failed.abort(error);
    await Promise.allSettled(this.running);
    return this.cancel.aborted ? error : this.failed.signal.reason;
  }

  private async inLane<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.free === 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.free -= 1;
    try {
      throwIfCancelled(this.signal);
      return await work(this.signal);
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free += 1;
    }
  }
}
