import type { JobRecord, PipelineRecord, StepRecord } from '../types';
import { adviceOn } from './advice';
import { withoutAnsi } from './ansi';
import { copyable, escapeHtml } from './html';
import { isShown, lineId } from './log-view';
import { renderMarkdown } from './markdown';
import { icon } from './results';
import { stepId } from './step-view';

/** Lines of the log that are shown with an error. */
const LINES_BEFORE = 6;

/** What went wrong in a run, before all that went well: each step with its errors and what to do, then lost jobs. */
export function renderFailures(run: PipelineRecord): string {
  const failed = run.jobs
    .flatMap(stepsOf)
    .filter((step) => step.result === 'Failed' && step.finishTime !== 0);
  const lost = run.jobs.filter(({ result, note }) => note && (result === 'Failed' || result === 'Abandoned'));
  return [
    ...failed.map((step) => renderFailure(run, step)),
    ...lost.map(({ displayName, note = '', result }) =>
      card(`${icon(result)}<b>${escapeHtml(displayName)}</b>`, `<p>${escapeHtml(note)}</p>`),
    ),
  ].join('\n');
}

function stepsOf(job: JobRecord): StepRecord[] {
  return [job.initialize, ...job.steps, job.finalize].filter((step) => step !== undefined);
}

function renderFailure({ name, file }: PipelineRecord, step: StepRecord): string {
  const errors = step.issues.filter(({ type }) => type === 'error').map(({ message }) => message);
  const title = `${icon('Failed')}<b><a href="#${stepId(step)}">${escapeHtml(step.displayName)}</a></b><small>${escapeHtml([name, step.task].filter(Boolean).join(' · '))}</small>`;
  const said = errors.length > 0 ? errors : ['It says no more than that it failed.'];
  const body = said.map((message) => `<li>${linked(message, step)}</li>`).join('');
  return card(title, `<ul class="errors">${body}</ul>${excerpt(step)}${renderAdvice(errors, step, file)}`);
}

function card(title: string, body: string): string {
  return `<details class="failure" open><summary>${title}</summary><div>${body}</div></details>`;
}

/** An error, which leads to its line of the log. */
function linked(message: string, step: StepRecord): string {
  const first = message.split(/\r\n|\r|\n/, 1)[0]!;
  const line = step.log.indexOf(`##[error]${first}`);
  const link =
    line >= 0 && isShown(line, step.log)
      ? ` <a href="#${lineId(stepId(step), line)}">line ${line + 1}</a>`
      : '';
  return `<span>${escapeHtml(withoutAnsi(message))}</span>${link}`;
}

/** What the step printed before its first error, which is where scripts and compilers say what is wrong. */
function excerpt({ log }: StepRecord): string {
  const error = log.findIndex((line) => line.startsWith('##[error]'));
  const printed = log
    .slice(0, error < 0 ? log.length : error)
    .map(withoutAnsi)
    .filter((line) => line.trim() !== '' && !/^##\[|^={20}/.test(line))
    .slice(-LINES_BEFORE);
  if (printed.length === 0) return '';
  return `<p class="label">Just before, in its log</p><pre>${printed.map((line) => escapeHtml(line.slice(0, 400))).join('\n')}</pre>`;
}

function renderAdvice(errors: readonly string[], step: StepRecord, file: string): string {
  const advice = errors.map((message) => adviceOn(message, step.task)).find((found) => found !== undefined);
  const again = `npm run agent -- ${file} --only ${quoted(step.name ?? step.displayName)}`;
  const known = advice ? renderMarkdown(advice) : '';
  return `<p class="label">What to do</p>${known}<p>${advice ? 'Then run' : 'Once that is mended, run'} this step alone, with the other options of this run: ${copyable(again)}</p>`;
}

/** As a shell takes it. */
function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
