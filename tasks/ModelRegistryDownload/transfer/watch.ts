import { throwIfCancelled } from '../../common/cancel';
import type { Stop } from '../registry/http/answer';
import { type Connection, SilenceError } from '../registry/persist';

/** Milliseconds between two looks at all connections. */
const LOOK_EVERY = 250;

/** Signs of life after which the usual pace is known. */
const ENOUGH_TO_JUDGE = 16;

/** The mean of the pauses between signs of life follows the latest of these. */
const REMEMBERED = 64;

/** A silence is suspicious when it is so many times as long as a usual pause, and at least so many milliseconds. */
const SUSPICIOUS_TIMES = 16;
const SUSPICIOUS = 1_000;

/** When nothing else has come either, the network may be at fault rather than the connection. */
const ALL_SILENT_TIMES = 4;

/** What the tries of one request have in common. */
export interface Tries {
  /** How often it was given up: each time, the next try may be silent twice as long. Counted by the watch. */
  silences: number;
}

/** A request's part of the watch; it stops when it was silent for too long, or when all of the transfer does. */
export interface Watched extends Stop {
  /** Is called at every sign of life. */
  touch(): void;
}

/**
 * Looks after the requests of a transfer, and ends those that fall silent. How long a silence may last depends on the
 * others: where they go on at their pace, a silent connection is broken, and a new one goes on from where it stopped;
 * where all are silent, the network is, and is waited for.
 */
export class Watch {
  private readonly requests = new Set<Request>();
  private timer: NodeJS.Timeout | undefined;
  /** When anything last came, from anywhere. */
  private lastSign = 0;
  private lastLook = 0;
  private usualPause = 0;
  private signs = 0;

  constructor(private readonly connection: Connection) {
    const stopAll = () => {
      for (const request of this.requests) request.stop();
    };
    connection.signal.addEventListener('abort', stopAll, { once: true });
  }

  /**
   * Makes one try of a request and gives it up after too long a silence.
   *
   * @throws SilenceError
   */
  async over<T>(tries: Tries, request: (watched: Watched) => Promise<T>): Promise<T> {
    throwIfCancelled(this.connection.signal);
    const own = new Request(tries.silences, (pause) => this.learn(pause));
    this.requests.add(own);
    if (!this.timer) {
      this.lastLook = performance.now();
      this.timer = setInterval(() => this.look(), LOOK_EVERY);
    }
    try {
      return await request(own);
    } catch (error) {
      if (own.silence === undefined) throw error;
      tries.silences += 1;
      throw new SilenceError(`nothing came for ${Math.round(own.silence / 100) / 10} s`);
    } finally {
      this.requests.delete(own);
      if (this.requests.size === 0) {
        clearInterval(this.timer);
        this.timer = undefined;
      }
    }
  }

  private learn(pause: number): void {
    this.lastSign = performance.now();
    this.signs += 1;
    this.usualPause += (pause - this.usualPause) / Math.min(this.signs, REMEMBERED);
  }

  private look(): void {
    const now = performance.now();
    const isLate = now - this.lastLook > 2 * LOOK_EVERY;
    this.lastLook = now;
    // This process was held up, or the machine: what came meanwhile has yet to be seen.
    if (isLate) return;
    for (const request of this.requests) {
      const silence = now - request.lastSign;
      if (silence >= this.longestSilence(request)) request.giveUp(silence);
    }
  }

  private longestSilence({ lastSign, silences }: Request): number {
    const { idle } = this.connection.patience;
    if (this.signs < ENOUGH_TO_JUDGE) return idle;
    const suspicious = Math.max(SUSPICIOUS, SUSPICIOUS_TIMES * this.usualPause);
    const othersWentOn = this.lastSign - lastSign > SUSPICIOUS_TIMES * this.usualPause;
    return Math.min(idle, suspicious * 2 ** silences * (othersWentOn ? 1 : ALL_SILENT_TIMES));
  }
}

class Request implements Watched {
  stopped = false;
  onStop: (() => void) | undefined;
  lastSign = performance.now();
  /** How long it had been silent when it was given up, in milliseconds. */
  silence: number | undefined;

  constructor(
    readonly silences: number,
    private readonly learn: (pause: number) => void,
  ) {}

  touch(): void {
    const now = performance.now();
    this.learn(now - this.lastSign);
    this.lastSign = now;
  }

  giveUp(silence: number): void {
    this.silence = silence;
    this.stop();
  }

  stop(): void {
    this.stopped = true;
    this.onStop?.();
  }
}
