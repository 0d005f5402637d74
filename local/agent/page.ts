import { createHash } from 'node:crypto';
import type { JobRecord, PipelineRecord, StepRecord, TaskResult } from './types';
import { escapeHtml } from './view/html';
import { renderLog } from './view/log-view';
import { renderMarkdown } from './view/markdown';
import { STYLE } from './view/style';

export interface PageExtra {
  readonly title: string;
  /** Shown at the top, in this order. */
  readonly facts: readonly (readonly [label: string, value: string])[];
  /** More cards at the end; the first of the rows is the heading. `html` is not escaped. */
  readonly sections?: readonly PageSection[];
}
export type PageSection =
  | { title: string; html: string }
  | { title: string; rows: readonly (readonly string[])[] };

/** One self-contained HTML page about pipeline runs: steps, logs, issues, output variables and summaries. */
export function renderPage(runs: readonly PipelineRecord[], extra: PageExtra): string {
  const facts = extra.facts.map(
    ([label, value]) => `<div><dt>${escapeHtml(label)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(extra.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(extra.title)}</h1>
<p class="lead">${escapeHtml(overview(runs))}</p>
${facts.length > 0 ? `<dl class="card facts">${facts.join('')}</dl>` : ''}
${runs.map(renderRun).join('\n')}
${(extra.sections ?? []).map(renderSection).join('\n')}
</main>
</body>
</html>
`;
}

function overview(runs: readonly PipelineRecord[]): string {
  const good = runs.filter(({ result }) => result === 'Succeeded').length;
  const first = Math.min(...runs.map((run) => run.startTime));
  const when =
    runs.length > 0
      ? `, ${new Date(first).toLocaleString('en-GB', { dateStyle: 'long', timeStyle: 'short' })}`
      : '';
  return `${good} of ${runs.length} pipeline ${runs.length === 1 ? 'run' : 'runs'} succeeded${when}`;
}

function renderRun(run: PipelineRecord): string {
  const steps = run.jobs.flatMap((job) => job.steps);
  const artifacts = run.artifacts.map(({ name }) => name).join(', ');
  const about = [
    run.file,
    `#${run.buildNumber}`,
    duration(run),
    ...run.tags.map((tag) => `tag ${tag}`),
    ...(artifacts ? [`artifacts: ${artifacts}`] : []),
  ];
  return `<section class="card run" aria-label="${escapeHtml(run.name)}">
<header>${icon(run.result)}<div><h2>${escapeHtml(run.name)}</h2><p>${escapeHtml(about.join(' · '))}</p></div>
<span class="badge ${run.result}">${RESULT_TEXT[run.result]}</span></header>
${renderFailures(run)}
${run.jobs.map((job) => renderJob(job, run.jobs.length > 1)).join('\n')}
${steps.flatMap(renderSummaries).join('\n')}
</section>`;
}

/** What went wrong, before all that went well: each step with its first error, as a link to its log. */
function renderFailures({ jobs }: PipelineRecord): string {
  const steps = jobs.flatMap((job) => job.steps).filter(({ result }) => result === 'Failed');
  const items = steps.map((step) => {
    const error =
      step.issues.find(({ type }) => type === 'error')?.message ?? 'It says no more than that it failed.';
    return `<li class="error"><span><a href="#${idOf(step)}">${escapeHtml(step.displayName)}</a>: ${escapeHtml(error)}</span></li>`;
  });
  const lost = jobs.filter(({ result, note }) => note && (result === 'Failed' || result === 'Abandoned'));
  items.push(
    ...lost.map(
      ({ displayName, note = '' }) =>
        `<li class="error"><span>${escapeHtml(displayName)}: ${escapeHtml(note)}</span></li>`,
    ),
  );
  return items.length === 0
    ? ''
    : `<ul class="issues failures" aria-label="What went wrong">${items.join('')}</ul>`;
}

/** Where a step stands on the page; its log file is its own among all runs. */
function idOf({ logFile }: StepRecord): string {
  return `step-${createHash('sha1').update(logFile).digest('hex').slice(0, 10)}`;
}

function renderJob(job: JobRecord, withName: boolean): string {
  const name = job.stage === undefined ? job.displayName : `${job.stage} / ${job.displayName}`;
  const note = job.note ? ` · ${escapeHtml(job.note)}` : '';
  const title =
    withName || job.note ? `<p class="job">${escapeHtml(name)} · ${RESULT_TEXT[job.result]}${note}</p>` : '';
  const own = (step: StepRecord | undefined) => (step ? [renderStep(step, true)] : []);
  const steps = [
    ...own(job.initialize),
    ...job.steps.map((step) => renderStep(step, isQuiet(step))),
    ...own(job.finalize),
  ];
  return steps.length === 0 ? title : `${title}<ol class="steps">${steps.join('\n')}</ol>`;
}

/** Steps that nobody has come to read. */
function isQuiet(step: StepRecord): boolean {
  return step.result === 'Skipped' || step.name === 'Checkout' || step.displayName.startsWith('Post-job: ');
}

function renderStep(step: StepRecord, quiet: boolean): string {
  const task = step.task ? `<span class="task">${escapeHtml(step.task)}${nodeText(step)}</span>` : '';
  const time = step.result === 'Skipped' ? 'skipped' : duration(step);
  return `<li><details id="${idOf(step)}" class="step${quiet ? ' quiet' : ''}"${step.result === 'Failed' ? ' open' : ''}>
<summary>${icon(step.result)}<span class="name">${escapeHtml(step.displayName)}${task}</span><span class="time">${escapeHtml(time)}</span></summary>
<div>${renderIssues(step)}${renderOutputs(step)}${renderLog(step.log)}</div>
</details></li>`;
}

function nodeText(step: StepRecord): string {
  return step.nodeVersion ? ` · Node ${escapeHtml(step.nodeVersion)}` : '';
}

function renderIssues({ issues }: StepRecord): string {
  if (issues.length === 0) return '';
  const items = issues.map(
    ({ type, message }) =>
      `<li class="${type}"><span><b class="hidden">${type}: </b>${escapeHtml(message)}</span></li>`,
  );
  return `<ul class="issues">${items.join('')}</ul>`;
}

function renderOutputs(step: StepRecord): string {
  const outputs = Object.entries(step.outputVariables);
  if (outputs.length === 0) return '';
  const rows = outputs.map(
    ([name, value]) =>
      `<tr><td class="value">$(${escapeHtml(`${step.name}.${name}`)})</td><td class="value">${escapeHtml(value)}</td></tr>`,
  );
  return `<div class="wide"><table><thead><tr><th>Output variable</th><th>Value</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function renderSummaries(step: StepRecord): string[] {
  return step.summaries.map(({ name, markdown }) => {
    const title = name.replace(/\.md$/i, '');
    return `<article class="summary"><h3>${escapeHtml(title)}<small>${escapeHtml(step.displayName)}</small></h3>
${renderMarkdown(withoutTitle(markdown, title))}</article>`;
  });
}

/** A summary that begins with its own name need not be named twice. */
function withoutTitle(markdown: string, title: string): string {
  const [line = '', heading] = /^#+ +(.*?)\s*(?:\n|$)/.exec(markdown) ?? [];
  return heading === title ? markdown.slice(line.length) : markdown;
}

function renderSection(section: PageSection): string {
  const content = 'html' in section ? section.html : renderRows(section.rows);
  return `<section class="card extra"><h2>${escapeHtml(section.title)}</h2>${content}</section>`;
}

function renderRows([head = [], ...rows]: readonly (readonly string[])[]): string {
  const row = (tag: string, cells: readonly string[]) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  const body = rows.map((cells) => row('td', cells)).join('');
  return `<div class="wide"><table><thead>${row('th', head)}</thead><tbody>${body}</tbody></table></div>`;
}

const RESULT_TEXT: Record<TaskResult, string> = {
  Succeeded: 'Succeeded',
  SucceededWithIssues: 'Succeeded with issues',
  Failed: 'Failed',
  Canceled: 'Canceled',
  Skipped: 'Skipped',
  Abandoned: 'Abandoned',
};

const MARKS: Record<TaskResult, string> = {
  Succeeded: '<path d="M5 8.3l2.1 2.1L11.2 6"/>',
  SucceededWithIssues: '<path d="M8 4.6v4.2M8 11.2v.2"/>',
  Failed: '<path d="M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8"/>',
  Canceled: '<path d="M4.9 11.1l6.2-6.2"/>',
  Skipped: '<path d="M5.6 5.2L8.4 8l-2.8 2.8M10.6 5.2v5.6"/>',
  Abandoned: '<path d="M5 8h6"/>',
};

function icon(result: TaskResult): string {
  const filled = result === 'Succeeded' || result === 'Failed' || result === 'SucceededWithIssues';
  const ring = filled
    ? '<circle cx="8" cy="8" r="7.5" fill="currentColor"/>'
    : '<circle cx="8" cy="8" r="6.8" fill="none" stroke="currentColor" stroke-width="1.3"/>';
  const stroke = filled ? 'var(--card)' : 'currentColor';
  return `<svg class="icon ${result}" viewBox="0 0 16 16" role="img" aria-label="${RESULT_TEXT[result]}">${ring}<g fill="none" stroke="${stroke}" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round">${MARKS[result]}</g></svg>`;
}

function duration({ startTime, finishTime }: { startTime: number; finishTime: number }): string {
  const seconds = Math.round((finishTime - startTime) / 1000);
  if (seconds < 1) return '<1s';
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes}m ${seconds % 60}s` : `${seconds}s`;
}
