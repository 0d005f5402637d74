import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { evaluate } from '../../pipeline/expression';
import { statusFunctions } from '../../pipeline/functions';
import type { JobPlan } from '../../pipeline/plan';
import { fold, toBoolean } from '../../pipeline/values';
import { mergeResults } from '../../results';
import type { AgentOptions, JobRecord, StepRecord, TaskResult } from '../../types';
import { createJobContext, type JobContext, type Run } from '../context/job-context';
import type { JobVariable } from '../context/job-variables';
import { fileName, folderOfJob } from '../context/log';
import { StepContext } from '../context/step-context';
import { runStep } from '../steps/run-step';
import { type JobStep, listSteps } from '../steps/steps';
import { versionText } from '../tasks/task-definition';
import { finalizeJob, initializeJob } from './job-frame';
import { newJobRecord } from './not-run';
import { isStepChosen } from './only';
import type { JobOutcome } from './outcomes';

const MINUTE = 60_000;

/** Runs one job, from preparing the agent's folders to cleaning up behind its steps. */
export async function runJob(plan: JobPlan, start: JobVariable[], run: Run): Promise<JobOutcome> {
  const record: JobRecord = { ...newJobRecord(plan, 'Succeeded'), finishTime: 0 };
  run.record.jobs.push(record);

  const timeout = new AbortController();
  const limit = plan.timeoutInMinutes * MINUTE;
  const timer = limit > 0 ? setTimeout(() => timeout.abort(), limit) : undefined;
  // A job that starts after the run was canceled, because its condition says so, runs to its end.
  const canceled = run.canceled.aborted ? timeout.signal : AbortSignal.any([run.canceled, timeout.signal]);
  const job = createJobContext(start, run, record, canceled);
  try {
    await new JobRunner(job, plan, run.options).run();
  } finally {
    clearTimeout(timer);
    record.finishTime = Date.now();
  }
  if (timeout.signal.aborted) {
    const message = `The job ran longer than the maximum time of ${plan.timeoutInMinutes} minutes.`;
    record.finalize?.issues.push({ type: 'error', message });
  }
  const outputs = [...job.outputs];
  return {
    name: plan.name,
    result: record.result,
    outputs: new Map(outputs.map(([name, { value }]) => [name, value])),
    secrets: outputs.flatMap(([, { value, secret }]) => (secret ? [value] : [])),
  };
}

class JobRunner {
  private status: TaskResult | undefined;
  private stepCount = 0;

  constructor(
    private readonly job: JobContext,
    private readonly plan: JobPlan,
    private readonly options: AgentOptions,
  ) {}

  async run(): Promise<void> {
    const { record, folders, variables, masker } = this.job;
    this.setStatus(undefined);
    record.initialize = this.runOwnStep('Initialize job', (context) =>
      initializeJob(context, this.plan.clean),
    );
    try {
      for (const step of listSteps(this.plan, this.job)) await this.perform(step);
    } finally {
      record.finalize = this.runOwnStep('Finalize Job', finalizeJob);
      rmSync(folders.temp, { recursive: true, force: true });
    }
    record.result = this.status ?? 'Succeeded';
    for (const { name, value, secret } of variables.all()) {
      if (!secret) this.job.run.variables[name] = masker.mask(value);
    }
  }

  private async perform(step: JobStep): Promise<void> {
    const { job } = this;
    const record = this.newRecord(step.displayName, step.plan.name);
    if (step.kind === 'task') {
      record.task = `${step.definition.name}@${versionText(step.definition)}`;
    }
    job.record.steps.push(record);
    const context = new StepContext(job, record, step.kind === 'task' ? step.taskVariables : undefined);
    for (const warning of job.variables.expandEachOther()) context.warning(warning);

    const stop = new AbortController();
    const onCancel = () => {
      this.setStatus('Canceled');
      if (this.holds(step, context)) return;
      context.error('The Operation will be canceled. The next steps may not contain expected logs.');
      stop.abort();
    };
    // Steps that begin after the run was canceled, because their condition says so, run to their end.
    if (job.canceled.aborted) this.setStatus('Canceled');
    else job.canceled.addEventListener('abort', onCancel, { once: true });
    try {
      await this.runOrSkip(step, context, stop.signal);
    } finally {
      job.canceled.removeEventListener('abort', onCancel);
      record.finishTime = Date.now();
      context.close();
    }
    if (record.result === 'SucceededWithIssues' || record.result === 'Failed') {
      this.setStatus(mergeResults(this.status, record.result));
    }
  }

  private async runOrSkip(step: JobStep, context: StepContext, canceled: AbortSignal): Promise<void> {
    const holds = this.holds(step, context);
    if (holds === undefined) {
      context.record.result = 'Failed';
    } else if (!holds) {
      skip(context, `Skipped, because its condition does not hold: ${step.condition}`);
    } else if (this.reasonToLeaveOut(step)) {
      skip(context, this.reasonToLeaveOut(step)!);
    } else {
      await runStep(step, context, canceled);
    }
  }

  /** Whether a step's condition holds; undefined when it cannot be evaluated, which fails the step. */
  private holds(step: JobStep, context: StepContext): boolean | undefined {
    const status = { failed: this.status === 'Failed', canceled: this.status === 'Canceled' };
    const values = { variables: this.job.variables.asValues() };
    try {
      return toBoolean(evaluate(step.condition, { values, functions: statusFunctions(status) }));
    } catch (error) {
      context.error((error as Error).message);
      return undefined;
    }
  }

  private reasonToLeaveOut(step: JobStep): string | undefined {
    const { only, leaveOut = [] } = this.options;
    if (only && step.kind !== 'checkout' && !isStepChosen(step.plan, this.plan, only)) {
      return 'This step was left out: it is not among what was asked for.';
    }
    if (step.kind === 'unknown') {
      return `This step was left out on request: the task ${step.plan.task} is not here. On a real agent it would run.`;
    }
    if (step.kind !== 'task') return undefined;
    return leaveOut.some((name) => fold(name) === fold(step.definition.name))
      ? 'This step was left out on request. On a real agent it would run.'
      : undefined;
  }

  /** Runs a step of the agent's own, which no pipeline names. */
  private runOwnStep(displayName: string, action: (context: StepContext) => void): StepRecord {
    const record = this.newRecord(displayName);
    const context = new StepContext(this.job, record);
    context.write('##[section]', `Starting: ${displayName}`);
    try {
      action(context);
    } finally {
      context.write('##[section]', `Finishing: ${displayName}`);
      record.finishTime = Date.now();
      context.close();
    }
    return record;
  }

  private newRecord(displayName: string, name?: string): StepRecord {
    const { folders, masker, record } = this.job;
    const shown = masker.mask(displayName);
    const file = `${++this.stepCount}_${fileName(shown)}.log`;
    return {
      ...(name && { name }),
      displayName: shown,
      result: 'Succeeded',
      startTime: Date.now(),
      finishTime: 0,
      log: [],
      logFile: join(folders.run, 'logs', folderOfJob(record), file),
      issues: [],
      outputVariables: {},
      summaries: [],
      attachments: [],
    };
  }

  private setStatus(status: TaskResult | undefined): void {
    this.status = status;
    this.job.variables.set('agent.jobstatus', status ?? 'Succeeded');
  }
}

function skip(context: StepContext, reason: string): void {
  context.record.result = 'Skipped';
  context.output(reason);
}
