import type { Clock } from '../common/clock';
import type { DatabricksClient } from '../common/databricks/client';
import { isDeleted, isNotFound, isOutage, NonsenseError, retryAfterOf } from '../common/databricks/errors';
import { TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import { retryDelay } from '../common/retry';
import { formatDuration, plural } from '../common/text';
import { getRun, type Run, type TaskRun } from './databricks/runs';
import { NO_STATE, type RunState } from './databricks/states';
import { LostRunError, type StartedRun } from './start';

/** With a look and a sign-off, a step ends within fifteen seconds of its run. */
const LONGEST_INTERVAL = 14_000;

/** Milliseconds after which a log without news says that the run is still being followed. */
const HEARTBEAT = 3 * 60_000;

/** Milliseconds for which Databricks may be out of reach while a run goes on. */
const LONGEST_OUTAGE = 15 * 60_000;

/** Milliseconds for which Databricks may refuse to show a run that it has shown before. */
const LONGEST_REFUSAL = 5 * 60_000;

/** Milliseconds for which a run that has just been started may not be known yet. */
const LONGEST_BIRTH = 10_000;

/** Milliseconds for which a run may be in a state that is not known here: until a warning, and until the step gives up. */
const NONSENSE_WARNING = 10 * 60_000;
const LONGEST_NONSENSE = 30 * 60_000;

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

/** There is no such run: it was deleted. */
export class RunGoneError extends TaskError {
  constructor(
    message: string,
    /** Whether that happened while it was followed. */
    readonly wasSeen: boolean,
    cause: TaskError,
  ) {
    super(message, { cause });
  }
}

/** Looks at a run until it is over, and logs each change of it or of one of its tasks. */
export class RunFollower {
  private readonly startedAt: number;
  private readonly shown = new Map<string, string>();
  private lastLineAt: number;
  private latest: Run | undefined;
  private outage: { readonly since: number; failures: number; limit: number } | undefined;
  private nonsense: { readonly since: number; isSaid: boolean } | undefined;

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
   * Looks until the run was seen once, or until a time of the clock.
   *
   * @throws as {@link until}
   */
  async untilSeen(deadline: number): Promise<Run | undefined> {
    await this.lookUntil(deadline, () => true);
    return this.latest;
  }

  /**
   * Follows the run until it is over, or until a time of the clock.
   *
   * @param repaired the run at an end that a repair has undone, which may go on showing for a moment
   * @returns the run as it was seen last; undefined when no look succeeded,
   * or none showed the repair
   * @throws RunGoneError when there is no such run
   * @throws LostRunError when the run can't be seen any more
   */
  async until(deadline: number, repaired?: Run): Promise<Run | undefined> {
    if (repaired) this.latest = undefined;
    let oldSince: number | undefined;
    const isOver = await this.lookUntil(deadline, (run, now) => {
      oldSince = repaired !== undefined && run.endedAt === repaired.endedAt ? (oldSince ?? now) : undefined;
      return run.state.isOver && (oldSince === undefined || now - oldSince >= LONGEST_DELAY_OF_REPAIR);
    });
    // An end that does not count by now is the one before the repair.
    return isOver || !this.latest?.state.isOver ? this.latest : undefined;
  }

  /** Looks again and again, at the pace of {@link pollInterval}. Returns whether a look had the end that is wanted. */
  private async lookUntil(deadline: number, isEnd: (run: Run, now: number) => boolean): Promise<boolean> {
    for (;;) {
      const look = await this.look();
      const now = this.clock.now();
      if ('run' in look && isEnd(look.run, now)) return true;
      if (now >= deadline) return false;
      if (now - this.lastLineAt >= HEARTBEAT) this.beat(now);
      const interval = Math.max(pollInterval(now - this.startedAt), 'run' in look ? 0 : look.retryAfter);
      await this.clock.sleep(Math.min(interval, deadline - now), this.signal);
    }
  }

  /** Looks once; `retryAfter` are the milliseconds that the service asks to be left alone. */
  private async look(): Promise<{ run: Run } | { retryAfter: number }> {
    let run: Run;
    try {
      run = await getRun(this.client, this.run.id);
    } catch (error) {
      if (!(error instanceof TaskError)) throw error;
      if (error instanceof NonsenseError) this.noteSense(`${error.fault}.`);
      else this.noteFailure(error);
      const header = retryAfterOf(error);
      return { retryAfter: header === null ? 0 : retryDelay(1, header) };
    }
    if (this.outage) {
      const { since, failures } = this.outage;
      this.say(
        `Databricks answers again, after ${plural(failures, 'failed look')} in ${this.durationSince(since)}.`,
      );
      this.outage = undefined;
    }
    this.latest = run;
    this.noteSense(faultIn(run.state));
    const isFirstLook = this.shown.size === 0;
    this.show('Run', run.state);
    if (isFirstLook && run.tasks.length > MAX_FIRST_LINES) this.sayStates(run.tasks);
    for (const task of run.tasks) this.show(nameOf(task), task.state);
    return { run };
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
    const hasBeenSeen = this.latest !== undefined;
    if (isNotFound(error) || isDeleted(error)) {
      // A run that has just been started may not be known everywhere yet.
      if (!hasBeenSeen && this.clock.now() - this.startedAt < LONGEST_BIRTH) return;
      throw new RunGoneError(
        hasBeenSeen
          ? `Run ${this.run.id} was deleted in Databricks while the step followed it.`
          : `Databricks started run ${this.run.id}, but does not know it any more: it was deleted.`,
        hasBeenSeen,
        error,
      );
    }
    // Who was let see the run before may be so again in a while: permissions, firewalls and gateways have their moments.
    const isRefusal = !isOutage(error);
    if (isRefusal && !hasBeenSeen) throw new LostRunError(`${error.message} ${stillGoing}`, { cause: error });
    const limit = isRefusal ? LONGEST_REFUSAL : LONGEST_OUTAGE;
    if (!this.outage) {
      this.outage = { since: this.clock.now(), failures: 0, limit };
      this.say(
        `${error.message} The run goes on meanwhile; looking again for up to ${formatDuration(limit)}.`,
      );
    }
    this.outage.failures += 1;
    this.outage.limit = Math.max(this.outage.limit, limit);
    if (this.clock.now() - this.outage.since < this.outage.limit) return;
    const what = isRefusal ? 'has not shown it' : 'has not answered';
    throw new LostRunError(
      `Lost sight of the run: Databricks ${what} for ${this.durationSince(this.outage.since)}. ` +
        `${stillGoing} The last failure: ${error.message}`,
      { cause: error },
    );
  }

  /** A state that is not known here may be new in the service, or the answers are not about a run. */
  private noteSense(fault: string | undefined): void {
    if (fault === undefined) {
      this.nonsense = undefined;
      return;
    }
    this.nonsense ??= { since: this.clock.now(), isSaid: false };
    const { since, isSaid } = this.nonsense;
    const elapsed = this.clock.now() - since;
    if (elapsed < NONSENSE_WARNING) return;
    const sense = `For ${this.durationSince(since)} Databricks has said nothing of run ${this.run.id} that makes sense: ${fault}`;
    if (elapsed >= LONGEST_NONSENSE) {
      throw new LostRunError(`${sense} The run may be going on: ${this.run.page}`);
    }
    if (isSaid) return;
    this.nonsense.isSaid = true;
    this.log.warning(
      `${sense} The step looks on until that has lasted for ${formatDuration(LONGEST_NONSENSE)}. See ${this.run.page}`,
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
      ? `Databricks has not shown the run for ${this.durationSince(this.outage.since)}; still looking.`
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

/** What makes no sense in a state, as a sentence; undefined where it does make sense. */
function faultIn({ isKnown, name }: RunState): string | undefined {
  if (isKnown) return undefined;
  return name === NO_STATE
    ? 'its answers tell no state.'
    : `it shows the state '${name}', which is not known here.`;
}

function nameOf({ key, attempt }: TaskRun): string {
  return `Task ${key}${attempt > 1 ? ` (attempt ${attempt})` : ''}`;
}

function lineOf({ name, messages }: RunState): string {
  return [name, ...messages.slice(0, 1)].join(': ');
}
