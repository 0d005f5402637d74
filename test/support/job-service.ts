import { Headers } from 'node-fetch';
import type { Transport } from '../../tasks/common/databricks/client';
import { CancelledError } from '../../tasks/common/errors';
import { ConnectionError, type HttpAnswer, type HttpRequest } from '../../tasks/common/http';
import { isRetryableStatus, Patience } from '../../tasks/common/retry';

/** What happens to one request on its way. */
export type Fate =
  | 'answered'
  /** It does not arrive. */
  | 'unsent'
  /** What it asks for is done, but nobody hears of it. */
  | 'unheard'
  | 'busy'
  | 'refused'
  /** The agent dies while it waits; what was asked for is done, or not. */
  | 'killedBefore'
  | 'killedAfter'
  /** The step is cancelled while it waits. */
  | 'cancelled';

const TASKS = [{ task_key: 'main', notebook_task: { notebook_path: '/live/train' } }];

/** A run as the service knows it. */
export interface ServiceRun {
  readonly id: number;
  readonly token: string;
  readonly startedAt: number;
  endsAt: number;
  outcome: 'SUCCESS' | 'FAILED' | 'CANCELED';
  isDeleted: boolean;
}

export interface ServiceOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** How the clock of runs differs from that of the gateway, in milliseconds. */
  readonly skew: number;
  /** Milliseconds for which a new run is not known when it is looked at. */
  readonly birth: number;
  /** Where it shows that the run of a token was deleted. */
  readonly showsDeleted: 'at the start' | 'at a look';
  /** How the next run goes. */
  readonly next: () => { lasts: number; outcome: 'SUCCESS' | 'FAILED' };
}

/**
 * The Jobs API as far as one job's runs are concerned, as a model: what Databricks documents of tokens, cancelling and
 * deleting. It notes whoever pays twice.
 */
export class JobService {
  readonly runs: ServiceRun[] = [];
  readonly violations: string[] = [];
  /** What was imported to the workspace, and not removed since. */
  readonly imported = new Set<string>();

  constructor(private readonly options: ServiceOptions) {}

  isOver(run: ServiceRun): boolean {
    return this.options.now() >= run.endsAt;
  }

  /** Only runs that are over can be deleted. */
  deleteEnded(): void {
    for (const run of this.runs) if (this.isOver(run)) run.isDeleted = true;
  }

  cancelAll(): void {
    for (const run of this.runs) this.cancel(run);
  }

  handle({ method, url, body }: HttpRequest): HttpAnswer {
    const { pathname, searchParams } = new URL(url);
    const route = `${method} ${pathname.split('/').slice(-2).join('/')}`;
    const fields = typeof body === 'string' ? JSON.parse(body) : {};
    const run = this.runs.find(({ id }) => id === Number(searchParams.get('run_id') ?? fields.run_id));
    switch (route) {
      case 'GET jobs/list':
        return this.answer(200, { jobs: [{ job_id: 5, settings: { name: 'train' } }] });
      case 'GET jobs/get':
        return this.answer(200, { job_id: 5, settings: { name: 'train', tasks: TASKS } });
      case 'GET workspace/export':
        return this.unknown('RESOURCE_DOES_NOT_EXIST', 'There is nothing there.');
      case 'GET workspace/get-status':
        return this.imported.has(searchParams.get('path')!)
          ? this.answer(200, { object_type: 'NOTEBOOK' })
          : this.unknown('RESOURCE_DOES_NOT_EXIST', 'There is nothing there.');
      case 'POST workspace/import':
        this.imported.add(fields.path);
        return this.answer(200, {});
      case 'POST workspace/delete':
        return this.remove(fields.path);
      case 'POST runs/submit':
        if (!this.imported.has(fields.tasks[0].notebook_task.notebook_path)) {
          this.violations.push('a run without its notebook');
        }
        return this.start(fields.idempotency_token);
      case 'POST jobs/run-now':
        return this.start(fields.idempotency_token);
      case 'GET runs/get':
        return this.look(run);
      case 'GET runs/get-output':
        return this.answer(200, {});
      case 'GET runs/list':
        return this.answer(200, {});
      case 'POST runs/cancel':
        if (run) this.cancel(run);
        return this.answer(200, {});
      default:
        return this.answer(404, { error_code: 'ENDPOINT_NOT_FOUND' });
    }
  }

  answer(status: number, body: object): HttpAnswer {
    const headers = new Headers({ date: new Date(this.options.now()).toUTCString() });
    return { status, headers, body: Buffer.from(JSON.stringify(body)) };
  }

  private start(token: string): HttpAnswer {
    const { now, skew, next, showsDeleted } = this.options;
    const earlier = this.runs.find((run) => run.token === token);
    if (earlier?.isDeleted && showsDeleted === 'at the start') {
      return this.unknown('INVALID_PARAMETER_VALUE', `Run ${earlier.id} has been deleted.`);
    }
    if (earlier) return this.answer(200, { run_id: earlier.id });
    for (const run of this.runs.filter(({ isDeleted }) => !isDeleted)) {
      const isWanted = !this.isOver(run) || run.outcome === 'SUCCESS';
      if (isWanted)
        this.violations.push(`a run beside ${run.id}, which ${this.isOver(run) ? 'succeeded' : 'goes on'}`);
    }
    const { lasts, outcome } = next();
    const id = 100 + this.runs.length;
    this.runs.push({ id, token, startedAt: now() + skew, endsAt: now() + lasts, outcome, isDeleted: false });
    return this.answer(200, { run_id: id });
  }

  private remove(path: string): HttpAnswer {
    for (const run of this.runs) {
      if (!this.isOver(run) && run.outcome !== 'CANCELED') {
        this.violations.push(`the notebook of run ${run.id} was removed, which goes on`);
      }
    }
    return this.imported.delete(path)
      ? this.answer(200, {})
      : this.unknown('RESOURCE_DOES_NOT_EXIST', 'There is nothing there.');
  }

  private look(run: ServiceRun | undefined): HttpAnswer {
    const { now, skew, birth } = this.options;
    const isUnborn = run && now() + skew < run.startedAt + birth;
    if (!run || run.isDeleted || isUnborn) {
      return this.unknown('INVALID_PARAMETER_VALUE', `Run ${run?.id} does not exist.`);
    }
    const state = this.isOver(run)
      ? { life_cycle_state: 'TERMINATED', result_state: run.outcome }
      : { life_cycle_state: run.outcome === 'CANCELED' ? 'TERMINATING' : 'RUNNING' };
    const times = { start_time: run.startedAt, end_time: this.isOver(run) ? run.endsAt + skew : 0 };
    return this.answer(200, { run_id: run.id, state, ...times });
  }

  /** It takes a while. */
  private cancel(run: ServiceRun): void {
    if (this.isOver(run)) return;
    run.outcome = 'CANCELED';
    run.endsAt = Math.min(run.endsAt, this.options.now() + 4_000);
  }

  private unknown(code: string, message: string): HttpAnswer {
    return this.answer(400, { error_code: code, message });
  }
}

/** What a step's requests go through: a way to the service on which each has its fate. */
export function connect(
  service: JobService,
  way: {
    readonly fate: () => Fate;
    readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
    readonly cancel: AbortController;
    /** Called when the agent dies. */
    readonly die: () => void;
  },
): Transport {
  const tryOnce = async (request: HttpRequest): Promise<HttpAnswer | ConnectionError> => {
    const fate = way.fate();
    if (fate === 'killedBefore' || fate === 'killedAfter') {
      if (fate === 'killedAfter') service.handle(request);
      way.die();
      return new Promise(() => {});
    }
    if (fate === 'unsent') return new ConnectionError('No connection.');
    if (fate === 'busy') return service.answer(503, { error_code: 'TEMPORARILY_UNAVAILABLE' });
    if (fate === 'refused') return service.answer(403, { error_code: 'PERMISSION_DENIED', message: 'No' });
    const answer = service.handle(request);
    if (fate === 'cancelled') way.cancel.abort();
    return fate === 'unheard' ? new ConnectionError('The connection broke.') : answer;
  };
  return {
    async send(request) {
      const patience = new Patience(request.retry);
      const signal = request.signal ?? way.cancel.signal;
      for (let isRepeat = false; ; isRepeat = true) {
        if (signal.aborted) throw new CancelledError();
        const outcome = await tryOnce(request);
        if (signal.aborted) throw new CancelledError();
        const isFailure = outcome instanceof ConnectionError || isRetryableStatus(outcome.status);
        const mayRepeat = request.method === 'GET' || request.repeatable;
        const wait = isFailure && mayRepeat ? patience.next(0) : undefined;
        if (wait === undefined) {
          if (outcome instanceof ConnectionError) throw outcome;
          return { ...outcome, isRepeat };
        }
        await way.sleep(wait, signal);
      }
    },
  };
}
