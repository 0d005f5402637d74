import { throwIfCancelled } from '../../common/cancel';
import { TaskError } from '../../common/errors';
import { formatBytes } from '../../common/text';
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

/** Milliseconds over which it is seen how fast a request goes on. */
const PACE_OVER = 2_000;

/** A request trickles when it is so many times as slow as others are. */
const TRICKLE_TIMES = 16;

/** Bytes of a request that tell how fast the link is; smaller ones tell how long it takes to ask. */
const TELLING = 64 * 1024;

/** Bytes that a try must have brought for it to count as progress. Bounds the tries of a range. */
export const WORTHWHILE = 16 * 1024;

/** What the tries of one request have in common. */
export interface Tries {
  /** How often it was given up: each time, the next try may be silent twice as long. Counted by the watch. */
  silences: number;
  /** How often it was given up for being so much slower than others; each time, the next may be twice as slow. */
  trickles: number;
}

/** A request's part of the watch; it stops when it was silent for too long, or when all of the transfer does. */
export interface Watched extends Stop {
  /**
   * Is called at every sign of life.
   *
   * @param count bytes that have come
   */
  touch(count?: number): void;
}

/**
 * Looks after the requests of a transfer, and ends those that fall silent. How long a silence may last depends on the
 * others: where they go on at their pace, a silent connection is broken, and a new one goes on from where it stopped;
 * where all are silent, the network is, and is waited for. A connection that trickles is ended likewise: the last ranges of
 * a transfer do not hold it for long.
 */
export class Watch {
  private readonly requests = new Set<Request>();
  private timer: NodeJS.Timeout | undefined;
  /** When anything last came, from anywhere. */
  private lastSign = 0;
  private lastLook = 0;
  private usualPause = 0;
  private signs = 0;
  /** In bytes a millisecond, of one request. */
  private usualPace = 0;
  private paces = 0;

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
    const own = new Request(tries, (pause) => this.learn(pause));
    this.requests.add(own);
    if (!this.timer) {
      this.lastLook = performance.now();
      this.timer = setInterval(() => this.look(), LOOK_EVERY);
    }
    try {
      return await request(own);
    } catch (error) {
      // Signing in has a patience of its own, and says itself what failed.
      if (error instanceof TaskError) throw error;
      if (own.pace !== undefined) {
        tries.trickles += 1;
        throw new SilenceError(`only ${formatBytes(own.pace * 1000)}/s came`, true);
      }
      if (own.silence === undefined) throw error;
      tries.silences += 1;
      throw new SilenceError(`nothing came for ${Math.round(own.silence / 100) / 10} s`, own.isAnswered);
    } finally {
      if (own.received >= TELLING) this.learnPace(own.received / (performance.now() - own.begun));
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
      else if (this.isInVain(request, now)) request.trickle(request.received / (now - request.begun));
      else if (now - request.paceSince >= PACE_OVER) this.lookAtPace(request, now);
    }
  }

  /** Whether it has brought next to nothing in twice the time that a silent registry is waited for. */
  private isInVain({ begun, received }: Request, now: number): boolean {
    return received < WORTHWHILE && now - begun >= 2 * this.connection.patience.retry.forMilliseconds;
  }

  private lookAtPace(request: Request, now: number): void {
    const pace = request.measure(now);
    // It is silent, which is another matter.
    if (pace === 0) return;
    const isKnown = this.paces >= ENOUGH_TO_JUDGE;
    if (isKnown && pace * TRICKLE_TIMES * 2 ** request.tries.trickles < this.usualPace) request.trickle(pace);
    else this.learnPace(pace);
  }

  private learnPace(pace: number): void {
    this.paces += 1;
    this.usualPace += (pace - this.usualPace) / Math.min(this.paces, REMEMBERED);
  }

  private longestSilence({ lastSign, tries: { silences } }: Request): number {
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
  /** Whether there was a sign of life. */
  isAnswered = false;
  readonly begun = performance.now();
  lastSign = this.begun;
  /** In bytes. */
  received = 0;
  /** Since when its pace is measured. */
  paceSince = this.begun;
  /** How long it had been silent when it was given up, in milliseconds. */
  silence: number | undefined;
  /** How slow it was when it was given up, in bytes a millisecond. */
  pace: number | undefined;
  private receivedBefore = 0;

  constructor(
    readonly tries: Readonly<Tries>,
    private readonly learn: (pause: number) => void,
  ) {}

  touch(count = 0): void {
    const now = performance.now();
    this.isAnswered = true;
    this.received += count;
    this.learn(now - this.lastSign);
    this.lastSign = now;
  }

  /** Its pace since something was last measured, in bytes a millisecond. */
  measure(now: number): number {
    const pace = (this.received - this.receivedBefore) / (now - this.paceSince);
    if (pace === 0) return 0;
    this.paceSince = now;
    this.receivedBefore = this.received;
    return pace;
  }

  giveUp(silence: number): void {
    this.silence = silence;
    this.stop();
  }

  trickle(pace: number): void {
    this.pace = pace;
    this.stop();
  }

  stop(): void {
    this.stopped = true;
    this.onStop?.();
  }
}
