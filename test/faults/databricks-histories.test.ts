import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { createLogger } from '../../tasks/common/log';
import { runJob } from '../../tasks/DatabricksRunJob/run-job';
import { connect, type Fate, JobService } from '../support/job-service';

/*
 * Histories of one step: tries that lose answers, die, are cancelled, are tried again by their agent or by a rerun of
 * their job, while runs end, are cancelled by people and are deleted. However that goes, nobody pays for a second run
 * beside one that goes on or has succeeded.
 */

const ORIGIN = 'https://adb-1.2.azuredatabricks.net';
/** Where the steps' own copy of the notebook goes. */
const COPY = '/live/train-isolated-0';
const START = Date.UTC(2026, 10, 23, 12);

/** How many; `npm run test:histories` tries a thousand. A failure prints its seed, which `SEED` repeats. */
const HISTORIES = Number(process.env.HISTORIES ?? 150);
const SEED = Number(process.env.SEED ?? 20_261_129);

const trouble = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Fate>('answered') },
  { weight: 3, arbitrary: fc.constantFrom<Fate>('unsent', 'unheard', 'busy') },
  { weight: 1, arbitrary: fc.constant<Fate>('refused') },
);
/** Half of all tries end before their run does. */
const fates = fc.oneof(
  fc.array(trouble, { maxLength: 20 }),
  fc
    .tuple(
      fc.array(trouble, { minLength: 2, maxLength: 8 }),
      fc.constantFrom<Fate>('killedBefore', 'killedAfter', 'cancelled'),
    )
    .map(([before, end]) => [...before, end]),
);
const newRun = fc.record({
  lasts: fc.constantFrom(0, 1_000, 40_000, 3_600_000),
  outcome: fc.constantFrom('SUCCESS' as const, 'FAILED' as const),
});

/** What a history knows of itself. */
interface Real {
  readonly service: JobService;
  readonly clock: { time: number };
  readonly nextRun: { lasts: number; outcome: 'SUCCESS' | 'FAILED' };
  /** Whether each try makes a copy of its notebook, and runs that. */
  readonly isIsolated: boolean;
  readonly notebook: string;
  folder: string;
  attempt: number;
  folders: string[];
}
type Model = object;

abstract class Command implements fc.AsyncCommand<Model, Real> {
  check(): boolean {
    return true;
  }
  abstract run(model: Model, real: Real): Promise<void>;
  abstract toString(): string;
}

class Try extends Command {
  constructor(
    private readonly kind: 'retry' | 'rerun',
    private readonly fates: readonly Fate[],
    private readonly upcoming: { lasts: number; outcome: 'SUCCESS' | 'FAILED' },
    private readonly onCancel: 'cancelRun' | 'leaveRunning',
  ) {
    super();
  }

  async run(_model: Model, real: Real): Promise<void> {
    const { service, clock } = real;
    if (this.kind === 'rerun') {
      real.attempt += 1;
      real.folder = mkdtempSync(join(tmpdir(), 'history-'));
      real.folders.push(real.folder);
    }
    Object.assign(real.nextRun, this.upcoming);
    const before = service.runs.length;
    const fates = [...this.fates];
    const cancel = new AbortController();
    const outputs: Record<string, unknown> = {};
    let die = () => {};
    const death = new Promise<'killed'>((resolve) => {
      die = () => resolve('killed');
    });
    const sleep = async (milliseconds: number) => {
      clock.time += milliseconds;
    };
    const outcome = runJob(
      {
        signIn: {
          workspace: { origin: ORIGIN, workspaceId: undefined },
          credential: { kind: 'token', token: 'dapi' },
          access: { host: 'the host', token: 'the token is one' },
        },
        notebookFile: real.isIsolated ? real.notebook : undefined,
        notebookPath: real.isIsolated ? '/live/train' : undefined,
        copyPath: real.isIsolated ? COPY : undefined,
        copiesPath: real.isIsolated ? COPY : undefined,
        job: 'train',
        jobDefinition: undefined,
        parameters: {},
        waitForCompletion: true,
        timeoutMinutes: 0,
        onCancel: real.isIsolated ? 'cancelRun' : this.onCancel,
        whenBusy: 'queue',
        onPartialSuccess: 'warn',
        repairAttempts: 0,
        exportHtml: false,
        metricsGate: [],
        stepIdentity: ['pipeline', 'step'],
        attempt: real.attempt,
      },
      {
        log: createLogger(() => {}),
        signal: cancel.signal,
        http: connect(service, { fate: () => fates.shift() ?? 'answered', sleep, cancel, die }),
        clock: { now: () => clock.time, sleep },
        tempFolder: real.folder,
        setOutput: (name, value) => {
          outputs[name] = value;
        },
        uploadSummary: () => {},
        attach: () => {},
        oidcToken: async () => '',
        variable: (name) => (name === 'Agent.TempDirectory' ? real.folder : undefined),
      },
    ).then(
      ({ result }) => result,
      (error: Error) => error.name,
    );
    const end = await Promise.race([outcome, death]);
    assert.deepEqual(service.violations, []);
    assert.ok(service.runs.length <= before + 1, 'one run a try at most');
    if (end !== 'Succeeded') return;
    if (this.fates.every((fate) => fate === 'answered')) {
      assert.deepEqual([...service.imported], [], 'a step that succeeds leaves no copy');
    }
    const run = service.runs.find(({ id }) => String(id) === outputs.runId);
    assert.equal(run?.outcome, 'SUCCESS', 'a step succeeds with a run that succeeded');
  }

  toString(): string {
    return `${this.kind}(${this.fates.join(' ')}; ${this.upcoming.outcome} after ${this.upcoming.lasts} ms; ${this.onCancel})`;
  }
}

class Wait extends Command {
  constructor(private readonly milliseconds: number) {
    super();
  }
  async run(_model: Model, { clock }: Real): Promise<void> {
    clock.time += this.milliseconds;
  }
  toString(): string {
    return `wait(${this.milliseconds} ms)`;
  }
}

class DeleteEnded extends Command {
  async run(_model: Model, { service }: Real): Promise<void> {
    service.deleteEnded();
  }
  toString(): string {
    return 'deleteEndedRuns';
  }
}

class CancelByHand extends Command {
  async run(_model: Model, { service }: Real): Promise<void> {
    service.cancelAll();
  }
  toString(): string {
    return 'cancelByHand';
  }
}

const tries = fc
  .tuple(
    fc.constantFrom('retry' as const, 'rerun' as const),
    fates,
    newRun,
    fc.constantFrom('cancelRun' as const, 'leaveRunning' as const),
  )
  .map((given) => new Try(...given));
const history = fc.commands(
  [
    tries,
    tries,
    tries,
    fc.constantFrom(2_000, 60_000, 7_200_000).map((milliseconds) => new Wait(milliseconds)),
    fc.constant(new DeleteEnded()),
    fc.constant(new CancelByHand()),
  ],
  { maxCommands: 12, size: 'max' },
);
const world = fc.record({
  isIsolated: fc.boolean(),
  skew: fc.constantFrom(0, -2_000, 2_000),
  birth: fc.constantFrom(0, 0, 3_000, 7_000),
  showsDeleted: fc.constantFrom('at the start' as const, 'at a look' as const),
});

describe('DatabricksRunJob, through histories of lost answers, kills and reruns', function () {
  this.timeout(900_000);

  it(`pays for no second run (${HISTORIES} histories from seed ${SEED})`, async () => {
    await fc.assert(
      fc.asyncProperty(world, history, async ({ isIsolated, ...options }, commands) => {
        const clock = { time: 0 };
        const nextRun = { lasts: 0, outcome: 'SUCCESS' as 'SUCCESS' | 'FAILED' };
        const service = new JobService({ ...options, now: () => START + clock.time, next: () => nextRun });
        const folder = mkdtempSync(join(tmpdir(), 'history-'));
        const notebook = join(folder, 'train.py');
        writeFileSync(notebook, '# Databricks notebook source\n');
        const more = { isIsolated, notebook };
        const real: Real = { service, clock, nextRun, folder, attempt: 1, folders: [folder], ...more };
        try {
          await fc.asyncModelRun(() => ({ model: {}, real }), commands);
        } finally {
          for (const each of real.folders) rmSync(each, { recursive: true, force: true });
        }
      }),
      { numRuns: HISTORIES, seed: SEED, includeErrorInReport: true },
    );
  });
});
