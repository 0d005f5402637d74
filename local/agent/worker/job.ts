import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { evaluate } from '../pipeline/expression';
import { statusFunctions } from '../pipeline/functions';
import type { JobPlan } from '../pipeline/plan';
import { toBoolean } from '../pipeline/values';
import { mergeResults } from '../results';
import type { AgentOptions, JobRecord, PipelineRecord, StepRecord, TaskResult } from '../types';
import { isSecretParameter } from './environment';
import type { Folders } from './folders';
import { isOn, type JobContext, setting } from './job-context';
import type { JobVariable } from './job-variables';
import { fileName } from './log';
import { SecretMasker } from './masking';
import { layOutNodes, nodeBinary, nodeVersion } from './nodes';
import { agentVersion } from './predefined';
import { killByEnvironment } from './processes';
import { runStep } from './run-step';
import { StepContext } from './step-context';
import type { JobStep } from './steps';
import type { TaskStore } from './tasks';
import { Variables } from './variables';

/** What a job needs of the run that it is part of. */
export interface Run {
  options: AgentOptions;
  record: PipelineRecord;
  folders: Folders;
  tasks: TaskStore;
  environment: NodeJS.ProcessEnv;
  /** Aborted when the user cancels the run. */
  canceled: AbortSignal;
}

const minute = 60_000;
const processMark = 'VSTS_PROCESS_LOOKUP_ID';

/** Runs one job from preparing the agent's folders to cleaning up behind its steps. */
export async function runJob(plan: JobPlan, start: JobVariable[], run: Run): Promise<JobRecord> {
  const record: JobRecord = {
    name: plan.name,
    displayName: plan.displayName,
    result: 'Succeeded',
    startTime: Date.now(),
    finishTime: 0,
    steps: [],
    outputVariables: {},
  };
  run.record.jobs.push(record);

  const timeout = new AbortController();
  const limit = plan.timeoutInMinutes * minute;
  const timer = limit > 0 ? setTimeout(() => timeout.abort(), limit) : undefined;
  try {
    await new JobRunner(plan, start, run, record, AbortSignal.any([run.canceled, timeout.signal])).run();
  } finally {
    clearTimeout(timer);
    record.finishTime = Date.now();
  }
  if (timeout.signal.aborted) {
    const message = `The job ran longer than the maximum time of ${plan.timeoutInMinutes} minutes.`;
    record.finalize?.issues.push({ type: 'error', message });
  }
  return record;
}

class JobRunner {
  private readonly job: JobContext;
  private readonly processId = `vsts_${randomUUID()}`;
  private status: TaskResult | undefined;
  private readonly leaveOut: string[];
  private stepCount = 0;

  constructor(
    private readonly plan: JobPlan,
    start: JobVariable[],
    run: Run,
    record: JobRecord,
    canceled: AbortSignal,
  ) {
    const masker = new SecretMasker();
    this.leaveOut = run.options.leaveOut ?? [];
    this.job = {
      variables: new Variables(masker),
      masker,
      connections: structuredClone(run.options.serviceConnections ?? []),
      prependedPaths: [],
      environment: run.environment,
      folders: run.folders,
      tasks: run.tasks,
      sources: run.options.sources,
      run: run.record,
      record,
      onLine: run.options.onLine ?? (() => {}),
      canceled,
    };
    this.setUpVariables(start);
  }

  async run(): Promise<void> {
    const { record } = this.job;
    record.initialize = await this.agentStep('Initialize job', (context) => this.initialize(context));
    try {
      for (const step of this.listSteps()) await this.perform(step);
    } finally {
      record.finalize = await this.agentStep('Finalize Job', (context) => this.finalize(context));
      rmSync(this.job.folders.temp, { recursive: true, force: true });
    }
    record.result = this.status ?? 'Succeeded';
    for (const { name, value, secret } of this.job.variables.all()) {
      if (!secret) this.job.run.variables[name] = this.job.masker.mask(value);
    }
  }

  private setUpVariables(start: JobVariable[]): void {
    const { variables, masker, connections } = this.job;
    const minimum = start.find(({ name }) => name.toUpperCase() === 'AZP_IGNORE_SECRETS_SHORTER_THAN')?.value;
    masker.minimumLength = Number(minimum ?? this.job.environment.AZP_IGNORE_SECRETS_SHORTER_THAN ?? 0);
    for (const { secret, value } of start) if (secret) masker.addVariable(value);
    for (const { name, value, secret, readOnly } of start) variables.set(name, value, { secret, readOnly });
    for (const connection of connections) {
      for (const [name, value] of Object.entries(connection.parameters)) {
        if (value !== '' && isSecretParameter(name)) masker.add(value);
      }
    }
    variables.set(processMark, this.processId);
    this.setStatus(undefined);
  }

  private initialize(context: StepContext): void {
    const { variables, folders, connections } = this.job;
    for (const warning of variables.expandEachOther()) context.warning(warning);
    for (const connection of connections) {
      for (const [name, value] of Object.entries(connection.data ?? {})) {
        connection.data![name] = variables.expand(value);
      }
    }
    context.output(`Agent name: 'local', behaving as azure-pipelines-agent ${agentVersion}`);
    context.output(`Agent machine name: '${hostname()}', user: '${userInfo().username}'`);
    context.output('Prepare build directory.');
    rmSync(folders.temp, { recursive: true, force: true });
    const { temp, tools, sources, binaries, staging, testResults } = folders;
    for (const folder of [temp, tools, sources, binaries, staging, testResults])
      mkdirSync(folder, { recursive: true });
    layOutNodes(folders.externals);
    for (const folder of ['node20_1', 'node24']) {
      const binary = nodeBinary(folders.externals, folder);
      context.output(
        `Node of the handlers for ${folder}: ${nodeVersion(binary) ?? 'does not run here'} (${binary})`,
      );
    }
    for (const name of ['AGENT_USE_NODE24', 'AGENT_USE_NODE20_1', 'AGENT_USE_NODE24_WITH_HANDLER_DATA']) {
      if (isOn(this.job, name)) context.output(`   Knob: ${name} = ${setting(this.job, name)}`);
    }
    context.output('Start tracking orphan processes.');
  }

  /** All pre-job parts come first; post-job parts come last, in reverse order and whatever has happened. */
  private listSteps(): JobStep[] {
    const before: JobStep[] = [];
    const main: JobStep[] = [];
    const after: JobStep[] = [];
    for (const plan of this.plan.steps) {
      const displayName = this.job.variables.expand(plan.displayName);
      const condition = plan.condition ?? 'succeeded()';
      if (plan.kind !== 'task') {
        main.push({ kind: plan.kind, plan, displayName, condition } as JobStep);
        continue;
      }
      const { definition } = this.job.tasks.find(plan.task);
      const common = {
        kind: 'task',
        plan,
        condition,
        taskVariables: new Variables(this.job.masker),
      } as const;
      if (definition.prejobexecution) {
        before.push({ ...common, stage: 'prejobexecution', displayName: `Pre-job: ${displayName}` });
      }
      if (definition.execution) main.push({ ...common, stage: 'execution', displayName });
      if (definition.postjobexecution) {
        const name = `Post-job: ${displayName}`;
        after.unshift({ ...common, stage: 'postjobexecution', displayName: name, condition: 'always()' });
      }
    }
    return [...before, ...main, ...after];
  }

  private async perform(step: JobStep): Promise<void> {
    const { job } = this;
    const record = this.newRecord(step.displayName, step.plan.name);
    if (step.kind === 'task') record.task = taskLabel(job.tasks, step.plan.task);
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
    // Steps that begin after the run was cancelled, because their condition says so, run to their end.
    if (job.canceled.aborted) this.setStatus('Canceled');
    else job.canceled.addEventListener('abort', onCancel, { once: true });
    try {
      const holds = this.holds(step, context);
      if (holds === undefined) record.result = 'Failed';
      else if (!holds)
        skip(
          context,
          'Skipping step due to condition evaluation.',
          `Evaluating: ${step.condition}`,
          'Result: False',
        );
      else if (this.isLeftOut(step))
        skip(context, 'This step was left out on request. On a real agent it would run.');
      else await runStep(step, context, stop.signal);
    } finally {
      job.canceled.removeEventListener('abort', onCancel);
      record.finishTime = Date.now();
      context.close();
    }
    if (record.result === 'SucceededWithIssues' || record.result === 'Failed') {
      this.setStatus(mergeResults(this.status, record.result));
    }
  }

  private isLeftOut(step: JobStep): boolean {
    if (step.kind !== 'task') return false;
    const { name } = this.job.tasks.find(step.plan.task).definition;
    return this.leaveOut.some((other) => other.toLowerCase() === name.toLowerCase());
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

  private finalize(context: StepContext): void {
    const { folders } = this.job;
    rmSync(join(folders.work, '.taskkey'), { force: true });
    context.output('Start cleaning up orphan processes.');
    killByEnvironment(processMark, this.processId, (pid, command) =>
      context.output(`Terminate orphan process: pid (${pid}) (${command})`),
    );
  }

  /** A step of the agent's own, which no pipeline names. */
  private async agentStep(displayName: string, action: (context: StepContext) => void): Promise<StepRecord> {
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
      logFile: join(folders.run, 'logs', fileName(record.name), file),
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

function skip(context: StepContext, ...reasons: string[]): void {
  context.record.result = 'Skipped';
  for (const reason of reasons) context.output(reason);
}

function taskLabel(tasks: TaskStore, reference: string): string {
  const { Major, Minor, Patch } = tasks.find(reference).definition.version;
  return `${tasks.find(reference).definition.name}@${Major}.${Minor}.${Patch}`;
}
