import type { Clock } from '../clock';
import { ApiError, invalid } from '../errors';
import { newId } from '../ids';
import type { Job } from '../jobs/jobs';
import type { JsonObject } from '../json';
import { canceled, isSuccess, notReached, notStarted, type Outcome, timedOut, tooManyRuns } from './outcome';
import { mayRun, outcomeOfTasks } from './rules';
import {
  addAttempt,
  isOver,
  latestAttempt,
  latestAttempts,
  type Run,
  type RunParameters,
  type TaskRun,
  type Work,
} from './run';

/** Milliseconds that things take which on Databricks take a cluster's time. */
export interface Timing {
  /** PENDING: compute is found for a task. */
  readonly pending: number;
  /** TERMINATING: a run is tidied up after its last task. */
  readonly terminating: number;
  /** From a request to cancel until it shows. */
  readonly cancel: number;
}

export interface EngineOptions {
  readonly clock: Clock;
  readonly timing: Timing;
  /** Decides what a run whose task failed looks like: on serverless compute its state is INTERNAL_ERROR. */
  readonly compute: 'serverless' | 'classic';
  /** Whether a repair counts the attempts at its tasks from the beginning. */
  readonly repairsCountAnew: boolean;
  readonly work: Work;
  /** Asked when a run is started. */
  readonly workspace: () => Run['workspace'];
}

export interface RunRequest {
  readonly job: Job;
  readonly type: Run['type'];
  readonly creator: string;
  /** The keys of the tasks to run; without it, all of them. */
  readonly only?: ReadonlySet<string> | undefined;
  readonly parameters: RunParameters;
  readonly overriding: JsonObject;
  /** Waits for its turn when the job has all the runs it may have; otherwise such a run is skipped. */
  readonly queue: boolean;
}

/** Moves runs from state to state. Nothing else changes a run. */
export class RunEngine {
  private readonly runs = new Map<bigint, Run>();
  /** What starts a queued run. */
  private readonly turns = new Map<Run, () => void>();
  private readonly underWay = new Set<Promise<void>>();
  private readonly stopped = new AbortController();

  constructor(private readonly options: EngineOptions) {}

  /** Every run, the latest first. */
  list(): Run[] {
    return [...this.runs.values()].reverse();
  }

  start({ job, queue, only, ...request }: RunRequest): Run {
    const limit = job.settings.maxConcurrentRuns;
    const hasTurn = this.activeRuns(job) < limit;
    const now = this.options.clock.now();
    const run: Run = {
      ...request,
      workspace: this.options.workspace(),
      id: newId(),
      job,
      settings: job.settings,
      startTime: now,
      tasks: [],
      repairs: [],
      stop: new AbortController(),
      state: hasTurn ? 'PENDING' : 'QUEUED',
    };
    this.runs.set(run.id, run);
    if (!hasTurn && !queue) {
      this.end(run, tooManyRuns(limit));
      return run;
    }
    if (!hasTurn) run.queueReason = `Queued because the job's limit of ${limit} concurrent runs was reached.`;
    const tasks = run.settings.tasks.filter((task) => only?.has(task.key) ?? true);
    for (const task of tasks) addAttempt(run, task, task.dependsOn.length > 0 ? 'BLOCKED' : 'PENDING', now);
    this.follow(run, new Set(tasks.map((task) => task.key)));
    return run;
  }

  /** Forgets a run that is over. */
  delete(run: Run): void {
    if (!isOver(run)) {
      throw new ApiError(
        400,
        'INVALID_STATE',
        `Run ${run.id} is still active. Cancel it before it is deleted.`,
      );
    }
    this.runs.delete(run.id);
  }

  has(run: Run): boolean {
    return this.runs.has(run.id);
  }

  /** Cancels a run or, given the run of a task, that task alone. Answers before it has happened. */
  cancel(run: Run, task?: TaskRun): void {
    this.keep(this.pause(this.options.timing.cancel).then(() => stop(task ?? run, canceled())));
  }

  /** Runs tasks of a finished run again, by the job's settings as they are now. */
  repair(run: Run, keys: ReadonlySet<string>): bigint {
    if (!isOver(run)) throw new ApiError(400, 'INVALID_STATE', `Run ${run.id} is still in progress.`);
    run.settings = run.job.settings;
    const tasks = run.settings.tasks.filter((task) => keys.has(task.key));
    if (tasks.length === 0) throw invalid(`Run ${run.id} has no such tasks to run again.`);
    const now = this.options.clock.now();
    const taskRuns = tasks.map((task) =>
      addAttempt(run, task, 'PENDING', now, this.options.repairsCountAnew),
    );
    const repair = { id: newId(), startTime: now, taskRuns };
    run.repairs.push(repair);
    run.stop = new AbortController();
    run.state = 'PENDING';
    delete run.outcome;
    delete run.endTime;
    this.follow(run, keys);
    return repair.id;
  }

  /** Ends every run, and resolves when nothing of any of them is left. */
  async stop(): Promise<void> {
    this.stopped.abort();
    for (const run of this.runs.values()) stop(run, canceled());
    while (this.underWay.size > 0) await Promise.all(this.underWay);
  }

  private follow(run: Run, keys: ReadonlySet<string>): void {
    const story = async () => {
      if (run.state === 'QUEUED') await this.turn(run);
      if (!run.stop.signal.aborted) await this.execute(run, keys);
      for (const task of run.tasks.filter((one) => !one.outcome)) this.end(task, canceled());
      this.end(run, outcomeOf(run, this.options.compute));
      this.startNext(run.job);
    };
    this.keep(story());
  }

  /** Resolves when the run may start, or is stopped. */
  private turn(run: Run): Promise<void> {
    return new Promise((resolve) => {
      const begin = () => {
        this.turns.delete(run);
        run.stop.signal.removeEventListener('abort', begin);
        delete run.queueReason;
        run.state = 'PENDING';
        resolve();
      };
      this.turns.set(run, begin);
      run.stop.signal.addEventListener('abort', begin);
    });
  }

  private startNext(job: Job): void {
    if (this.activeRuns(job) >= job.settings.maxConcurrentRuns) return;
    const next = [...this.turns.keys()].find((run) => run.job === job);
    if (next) this.turns.get(next)!();
  }

  private activeRuns(job: Job): number {
    return this.list().filter((run) => run.job === job && !isOver(run) && run.state !== 'QUEUED').length;
  }

  private async execute(run: Run, keys: ReadonlySet<string>): Promise<void> {
    const over = this.limit(run, run.settings.timeoutSeconds);
    for (const detour of run.job.scenario?.detours ?? []) {
      run.state = detour.state;
      await this.pause(detour.milliseconds, run.stop.signal);
    }

    const finished = new Map<string, Promise<void>>();
    for (const settings of run.settings.tasks.filter((task) => keys.has(task.key))) {
      const upstream = Promise.all(settings.dependsOn.map((key) => finished.get(key)));
      finished.set(
        settings.key,
        upstream.then(() => this.runTask(run, latestAttempt(run, settings.key)!)),
      );
    }
    await Promise.all(finished.values());

    run.state = 'TERMINATING';
    await this.pause(this.options.timing.terminating);
    over();
  }

  /** Runs a task until it succeeds or has no attempts left. */
  private async runTask(run: Run, first: TaskRun): Promise<void> {
    // Tasks that this run leaves out are no hindrance.
    const upstream = first.settings.dependsOn
      .map((key) => latestAttempt(run, key))
      .filter((task) => task !== undefined)
      .map((task) => task.outcome);
    if (!first.stop.signal.aborted && !mayRun(first.settings.runIf, upstream)) {
      const isCanceled = upstream.some((outcome) => outcome?.resultState?.includes('CANCELED'));
      this.end(first, notReached(isCanceled));
      return;
    }
    let task = first;
    for (let retriesLeft = first.settings.maxRetries; ; retriesLeft--) {
      this.end(task, await this.attempt(run, task));
      if (isSuccess(task.outcome) || task.stop.signal.aborted || retriesLeft === 0) return;
      task = addAttempt(run, task.settings, 'WAITING_FOR_RETRY', this.options.clock.now());
      await this.pause(task.settings.retryAfterMilliseconds, task.stop.signal);
    }
  }

  private async attempt(run: Run, task: TaskRun): Promise<Outcome> {
    const { clock, timing, work } = this.options;
    const { signal } = task.stop;
    if (!signal.aborted) task.state = 'PENDING';
    await this.pause(timing.pending, signal);
    if (signal.aborted) return signal.reason;

    task.state = run.state = 'RUNNING';
    task.workTime = clock.now();
    const over = this.limit(task, task.settings.timeoutSeconds);
    const outcome = await work(task, run, signal).catch((error: Error) =>
      notStarted('INTERNAL_ERROR', error.message),
    );
    over();
    return signal.aborted ? signal.reason : outcome;
  }

  /** Stops what takes longer than it may. Returns what to call when it is over in time. */
  private limit(item: Run | TaskRun, seconds: number): () => void {
    const over = new AbortController();
    if (seconds > 0) {
      this.keep(
        this.pause(seconds * 1000, over.signal).then(() => {
          if (!over.signal.aborted) stop(item, timedOut(seconds));
        }),
      );
    }
    return () => over.abort();
  }

  private end(item: Run | TaskRun, outcome: Outcome): void {
    item.outcome = outcome;
    item.state = outcome.lifeCycleState;
    item.endTime = this.options.clock.now();
  }

  /** Lets time pass, until the signal; without one, until the workspace stops. */
  private pause(milliseconds: number, signal = this.stopped.signal): Promise<void> {
    return this.options.clock.sleep(milliseconds, signal);
  }

  private keep(work: Promise<void>): void {
    this.underWay.add(work);
    work.finally(() => this.underWay.delete(work));
  }
}

function outcomeOf(run: Run, compute: EngineOptions['compute']): Outcome {
  const { signal } = run.stop;
  if (signal.aborted) return signal.reason;
  return run.job.scenario?.outcome ?? outcomeOfTasks(latestAttempts(run), compute);
}

/** Has a run with all its tasks, or one task, end soon, and with this outcome. */
function stop(item: Run | TaskRun, outcome: Outcome): void {
  const unfinished = [item, ...('tasks' in item ? item.tasks : [])].filter((one) => !one.outcome);
  for (const one of unfinished) {
    if (one.state !== 'QUEUED') one.state = 'TERMINATING';
    one.stop.abort(outcome);
  }
}
