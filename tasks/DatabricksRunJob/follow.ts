import { TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import { retryDelay } from '../common/retry';
import { formatDuration, plural } from '../common/text';
import type { Clock } from './clock';
import type { DatabricksClient } from './databricks/client';
import { isOutage, retryAfterOf } from './databricks/errors';
import { getRun, type Run, type TaskRun } from './databricks/runs';
import type { RunState } from './databricks/states';
import type { StartedRun } from './start';

/** With a look and a sign-off, a step ends within fifteen seconds of its run. */
const LONGEST_INTERVAL = 14_000;

/** Milliseconds after which a log without news says that the run is still being followed. */
const HEARTBEAT = 3 * 60_000;

/** Milliseconds for which Databricks may be out of reach while a run goes on. */
const LONGEST_OUTAGE = 15 * 60_000;

/** Milliseconds for which a run that was repaired may still look as it did before. */
const LONGEST_DELAY_OF_REPAIR = 60_000;

/** More tasks than these are counted at first, not listed. */
const MAX_FIRST_LINES = 10;

/**
 * Milliseconds from one look at a run to the next: little at first, since many a run fails at once; then as much as keeps
 * the step to a request every other second on average, for a minute; ever more for runs that take long.
 */
export function pollInterval(elapsed: number): number {
  return Math.min(1_900 + elapsed / 10, 2_650 + Math.max(0, elapsed - 60_000) / 30, LONGEST_INTERVAL);
}

/** Looks at a run until it is over, and logs each change of it or of one of its tasks. */
export class RunFollower {
  private readonly startedAt: number;
  private readonly shown = new Map<string, string>();
  private lastLineAt: number;
  private latest: Run | undefined;
  private outage: { readonly since: number; failures: number } | undefined;

  constructor(
    private readonly run: StartedRun,
    private readonly client: DatabricksClient,
    private readonly log: Logger,
    private readonly signal: AbortSignal,
    private readonly clock: Clock,
  ) {
    this.startedAt = clock.now();
    this.lastLineAt = this.startedAt;
  }

  /**
   * Follows the run until it is over, or until a time of the clock.
   *
   * @param repaired the run at an end that a repair has undone, which may go on showing for a moment
   * @returns the run as it was seen last; undefined when no look succeeded,
   * or none showed the repair
   * @throws TaskError when the run can't be seen any more; it goes on nevertheless
   */
  async until(deadline: number, repaired?: Run): Promise<Run | undefined> {
    if (repaired) this.latest = undefined;
    let oldSince: number | undefined;
    for (;;) {
      const { isSeen, retryAfter } = await this.look();
      const now = this.clock.now();
      const showsOldEnd = isSeen && repaired !== undefined && this.latest?.endedAt === repaired.endedAt;
      oldSince = showsOldEnd ? (oldSince ?? now) : undefined;
      const isOld = oldSince !== undefined && now - oldSince < LONGEST_DELAY_OF_REPAIR;
      if (isSeen && this.latest?.state.isOver && !isOld) return this.latest;
      // An end that was not returned by now is the one before the repair.
      if (now >= deadline) return this.latest?.state.isOver ? undefined : this.latest;
      if (now - this.lastLineAt >= HEARTBEAT) this.beat(now);
      const interval = Math.max(pollInterval(now - this.startedAt), retryAfter);
      await this.clock.sleep(Math.min(interval, deadline - now), this.signal);
    }
  }

  /** Looks once; `retryAfter` are the milliseconds that the service asks to be left alone. */
  private async look(): Promise<{ isSeen: boolean; retryAfter: number }> {
    try {
      this.latest = await getRun(this.client, this.run.id);
    } catch (error) {
      if (!(error instanceof TaskError)) throw error;
      this.noteFailure(error);
      const header = retryAfterOf(error);
      return { isSeen: false, retryAfter: header === null ? 0 : retryDelay(1, header) };
    }
    if (this.outage) {
      const { since, failures } = this.outage;
      this.say(
        `Databricks answers again, after ${plural(failures, 'failed look')} in ${this.durationSince(since)}.`,
      );
      this.outage = undefined;
    }
    const isFirstLook = this.shown.size === 0;
    this.show('Run', this.latest.state);
    if (isFirstLook && this.latest.tasks.length > MAX_FIRST_LINES) this.sayStates(this.latest.tasks);
    for (const task of this.latest.tasks) this.show(nameOf(task), task.state);
    return { isSeen: true, retryAfter: 0 };
  }

  /** The states of many tasks in one line, which then count as shown. */
  private sayStates(tasks: readonly TaskRun[]): void {
    const counts = new Map<string, number>();
    for (const task of tasks) {
      this.shown.set(nameOf(task), lineOf(task.state));
      counts.set(task.state.name, (counts.get(task.state.name) ?? 0) + 1);
    }
    this.say(
      `${plural(tasks.length, 'task')}: ${[...counts].map(([name, count]) => `${count} ${name}`).join(', ')}`,
    );
  }

  private noteFailure(error: TaskError): void {
    const stillGoing = `Run ${this.run.id} may be going on: ${this.run.page}`;
    if (!isOutage(error)) throw new TaskError(`${error.message} ${stillGoing}`, { cause: error });
    if (!this.outage) {
      this.outage = { since: this.clock.now(), failures: 0 };
      this.say(`${error.message} The run goes on meanwhile; looking again.`);
    }
    this.outage.failures += 1;
    if (this.clock.now() - this.outage.since < LONGEST_OUTAGE) return;
    throw new TaskError(
      `Lost sight of the run: Databricks has not answered for ${this.durationSince(this.outage.since)}. ` +
        `${stillGoing} The last failure: ${error.message}`,
      { cause: error },
    );
  }

  /** One line for each change; the service's message counts, since `PENDING` alone may last long. */
  private show(what: string, state: RunState): void {
    const line = lineOf(state);
    const before = this.shown.get(what);
    if (before === line) return;
    this.shown.set(what, line);
    this.say(`${what}: ${before === undefined ? '' : `${before.split(': ')[0]} → `}${line}`);
  }

  private beat(now: number): void {
    const text = this.outage
      ? `Databricks has not answered for ${this.durationSince(this.outage.since)}; still looking.`
      : `Run ${this.run.id} is still ${this.latest?.state.name ?? 'to be seen'}, after ${formatDuration(now - this.startedAt)}.`;
    this.say(text);
  }

  private say(text: string): void {
    this.log.info(text);
    this.lastLineAt = this.clock.now();
  }

  private durationSince(time: number): string {
    return formatDuration(this.clock.now() - time);
  }
}

function nameOf({ key, attempt }: TaskRun): string {
  return `Task ${key}${attempt > 1 ? ` (attempt ${attempt})` : ''}`;
}

function lineOf({ name, messages }: RunState): string {
  return [name, ...messages.slice(0, 1)].join(': ');
}
