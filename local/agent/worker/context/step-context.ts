import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { StepRestrictions } from '../../pipeline/plan';
import { mergeResults } from '../../results';
import type { Issue, StepRecord, TaskResult } from '../../types';
import { matchesPattern, type Restrictions } from '../tasks/task-definition';
import { isOn, type JobContext } from './job-context';
import { folderOfJob, type LogTag, StepLog } from './log';
import { Variables } from './variables';

/** How many issues of a kind a step keeps; the log holds them all. */
const ISSUES_KEPT = 10;

export const SUMMARY_TYPE = 'Distributedtask.Core.Summary';

/** What a step may do while it runs: write its log, set variables, attach files, end with a result. */
export class StepContext {
  /** What the task said of itself. */
  result: TaskResult | undefined;
  /** Failed when a logging command of the step could not be carried out. */
  commandResult: TaskResult | undefined;
  restrictions: Restrictions | undefined;
  /** What the step's own `target` lets it do. */
  target: StepRestrictions | undefined;
  /** Names that task.json declares as outputs. */
  outputNames = new Set<string>();
  /** Variables that the parts of one task (pre-job, main, post-job) share. */
  readonly taskVariables: Variables;
  /** Records of `task.logdetail`, by id. */
  readonly details = new Map<string, { parent: string | undefined }>();
  /** Called by `task.complete done=true`. */
  onForceComplete: () => void = () => {};
  private readonly log: StepLog;

  constructor(
    readonly job: JobContext,
    readonly record: StepRecord,
    taskVariables?: Variables,
  ) {
    this.taskVariables = taskVariables ?? new Variables(job.masker);
    this.log = new StepLog(record.logFile, (line) => job.onLine(line, record));
    record.log = this.log.lines;
  }

  write(tag: LogTag, text: string): void {
    this.log.write(this.job.masker.mask(tag + text));
  }

  /** For the task's own description, in which nothing is hidden. */
  writeUnmasked(text: string): void {
    this.log.write(text);
  }

  output(text: string): void {
    this.write('', text);
  }

  debug(text: string): void {
    if (this.isDebug) this.write('##[debug]', text);
  }

  get isDebug(): boolean {
    return this.job.variables.get('system.debug')?.toLowerCase() === 'true';
  }

  issue(type: Issue['type'], text: string): void {
    const message = this.job.masker.mask(text);
    if (message !== '') this.write(`##[${type}]`, message);
    const kept = this.record.issues.filter((issue) => issue.type === type);
    if (kept.length < ISSUES_KEPT) this.record.issues.push({ type, message });
  }

  error(text: string): void {
    this.issue('error', text);
  }

  warning(text: string): void {
    this.issue('warning', text);
  }

  mergeResult(result: TaskResult): void {
    this.result = mergeResults(this.result, result);
  }

  /** The percentage never goes back. */
  progress(percent: number, operation: string): void {
    this.record.percentComplete = Math.max(percent, this.record.percentComplete ?? 0);
    if (operation !== '') this.record.currentOperation = this.job.masker.mask(operation);
  }

  /** An output variable is known in the job as `<step>.<name>` only. */
  setVariable(name: string, value: string, flags: SetVariableFlags): void {
    const { secret, output, readOnly, preserveCase } = flags;
    const { variables } = this.job;
    if (!output && !this.outputNames.has(name.toLowerCase())) {
      variables.set(name, value, { secret, readOnly, preserveCase });
      return;
    }
    const fullName = `${this.record.name}.${name}`;
    variables.set(fullName, value, { secret, readOnly: output || readOnly, preserveCase });
    this.job.outputs.set(fullName, { value, secret });
    const shown = secret ? '***' : this.job.masker.mask(value);
    this.record.outputVariables[name] = shown;
    this.job.record.outputVariables[fullName] = shown;
  }

  /** Whether task.json lets the step set this variable; warns when it does not. */
  maySet(name: string): boolean {
    const lists = [this.restrictions?.settableVariables?.allowed, this.target?.settableVariables];
    if (lists.every((list) => !list || list.some((pattern) => matchesPattern(pattern, name)))) return true;
    this.warning(`Setting variable '${name}' has been disabled by the task or build definition.`);
    return false;
  }

  /** Keeps a copy of a file with the run. @throws when the file does not exist */
  attach(type: string, name: string, file: string): void {
    if (!existsSync(file)) {
      throw new Error(`The file '${file}' cannot be uploaded, since it does not exist.`);
    }
    const { folders, record } = this.job;
    const step = basename(this.record.logFile, '.log');
    const folder = join(folders.run, 'attachments', folderOfJob(record), step, type);
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    copyFileSync(file, path);
    this.record.attachments.push({ type, name, path });
    if (type.toLowerCase() === SUMMARY_TYPE.toLowerCase()) {
      this.record.summaries.push({ name, path, markdown: readFileSync(path, 'utf8') });
    }
  }

  get isRestricted(): boolean {
    return (
      this.restrictions?.commands?.mode?.toLowerCase() === 'restricted' ||
      (this.target?.restrictedCommands ?? false)
    );
  }

  isOn(setting: string, preset = false): boolean {
    return isOn(this.job, setting, preset);
  }

  close(): void {
    this.log.close();
  }
}

export interface SetVariableFlags {
  readonly secret: boolean;
  readonly output: boolean;
  readonly readOnly: boolean;
  readonly preserveCase: boolean;
}
