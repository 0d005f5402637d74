import type { Logger } from '../common/log';
import { formatBytes, formatDuration } from '../common/text';

/** Milliseconds between two lines. */
const INTERVAL = 5_000;

/** Counts the bytes of a download and says now and then how far it is. */
export class Progress {
  private readonly start: number;
  private said: number;
  private received = 0;

  constructor(
    private readonly total: number,
    private readonly log: Logger,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.start = now();
    this.said = this.start;
  }

  add(bytes: number): void {
    this.received += bytes;
    if (this.now() - this.said < INTERVAL) return;
    this.said = this.now();
    const percent = Math.min(100, (this.received / this.total) * 100);
    const rate = this.received / (this.said - this.start);
    const left = Math.max(0, this.total - this.received) / rate;
    const state = `${formatBytes(this.received)} of ${formatBytes(this.total)} (${Math.floor(percent)} %)`;
    this.log.info(`${state}, ${formatBytes(rate * 1000)}/s, ${formatDuration(left)} left`);
    this.log.progress(percent, 'Downloading the model');
  }
}
