import { createHash } from 'node:crypto';
import type { StepRecord } from '../types';
import { withoutAnsi } from './ansi';
import { copyable, escapeHtml } from './html';
import { renderLog } from './log-view';
import { duration, icon, stateOf } from './results';

/** The time that a run took, which the bars of its steps stand in. */
export interface Span {
  readonly startTime: number;
  readonly finishTime: number;
}

/** Where a step stands on the page; its log file is its own among all runs. */
export function stepId({ logFile }: StepRecord): string {
  return `s${createHash('sha1').update(logFile).digest('hex').slice(0, 8)}`;
}

/** A step that unfolds to its issues, outputs and log; open where it failed or is running. */
export function renderStep(step: StepRecord, span: Span): string {
  const state = stateOf(step);
  const isOpen = state === 'Failed' || state === 'Running';
  const node = step.nodeVersion ? ` · Node ${step.nodeVersion}` : '';
  const task = step.task ? `<span class="task">${escapeHtml(step.task + node)}</span>` : '';
  const time = state === 'Skipped' ? 'skipped' : duration(step);
  return `<li><details id="${stepId(step)}" class="step${isQuiet(step) ? ' quiet' : ''}"${isOpen ? ' open' : ''}>
<summary>${icon(state)}<span class="name">${escapeHtml(step.displayName)}${task}${renderProgress(step)}</span>${state === 'Skipped' ? '' : renderBar(step, span)}<span class="time">${escapeHtml(time)}</span></summary>
<div>${renderIssues(step)}${renderOutputs(step)}${renderLog(step, stepId(step))}</div>
</details></li>`;
}

/** When something ran, as a bar below or beside others of the same run. */
export function renderBar(timed: Span & { readonly result: StepRecord['result'] }, span: Span): string {
  const whole = Math.max(span.finishTime - span.startTime, 1);
  const percent = (time: number) => Math.min(Math.max(((time - span.startTime) / whole) * 100, 0), 100);
  const from = percent(timed.startTime);
  const to = percent(timed.finishTime || span.finishTime);
  return `<span class="bar ${stateOf(timed)}" style="--from:${from.toFixed(1)};--long:${(to - from).toFixed(1)}" aria-hidden="true"></span>`;
}

/** Steps that nobody has come to read. */
function isQuiet({ result, displayName }: StepRecord): boolean {
  return (
    result === 'Skipped' || /^(Checkout|Initialize job|Finalize Job)$|^(Pre|Post)-job: /.test(displayName)
  );
}

function renderProgress({ finishTime, percentComplete, currentOperation = '' }: StepRecord): string {
  if (finishTime !== 0 || percentComplete === undefined) return '';
  return `<span class="task">${escapeHtml(`${percentComplete} % ${currentOperation}`)}</span>`;
}

function renderIssues({ issues }: StepRecord): string {
  if (issues.length === 0) return '';
  const items = issues.map(
    ({ type, message }) =>
      `<li class="${type}"><span><b class="hidden">${type}: </b>${escapeHtml(withoutAnsi(message))}</span></li>`,
  );
  return `<ul class="issues">${items.join('')}</ul>`;
}

function renderOutputs(step: StepRecord): string {
  const outputs = Object.entries(step.outputVariables);
  if (outputs.length === 0) return '';
  const rows = outputs.map(
    ([name, value]) =>
      `<tr><td>${copyable(`$(${step.name}.${name})`)}</td><td>${copyable(value, withoutAnsi(value))}</td></tr>`,
  );
  return `<div class="wide" tabindex="0" role="region" aria-label="Output variables"><table><thead><tr><th>Output variable</th><th>Value</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}
