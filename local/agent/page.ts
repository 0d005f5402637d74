import type { JobRecord, PipelineRecord, StepRecord } from './types';
import { LIVE_SCRIPT, PAGE_SCRIPT, STYLE, scriptHash } from './view/assets';
import { renderChain } from './view/chain';
import { renderFailures } from './view/failures';
import { escapeHtml } from './view/html';
import { renderMarkdown } from './view/markdown';
import { duration, icon, STATE_TEXT, stateOf } from './view/results';
import { renderBar, renderStep, type Span, stepId } from './view/step-view';

export interface PageExtra {
  readonly title: string;
  /** Shown at the top, in this order. */
  readonly facts: readonly (readonly [label: string, value: string])[];
  /** More cards at the end; the first of the rows is the heading. `html` is not escaped. */
  readonly sections?: readonly PageSection[];
  /** Whether the server of `live-page.ts` sends what changes. */
  readonly isLive?: boolean;
}
export type PageSection =
  | { title: string; html: string }
  | { title: string; rows: readonly (readonly string[])[] };

/**
 * One self-contained HTML page about pipeline runs: what went wrong, what was made of what, steps, logs, issues, output
 * variables and summaries. It is whole without scripts, and fetches nothing.
 */
export function renderPage(runs: readonly PipelineRecord[], extra: PageExtra): string {
  const scripts = extra.isLive ? [PAGE_SCRIPT, LIVE_SCRIPT] : [PAGE_SCRIPT];
  const policy = [
    "default-src 'none'",
    'img-src data:',
    "style-src 'unsafe-inline'",
    `script-src ${scripts.map(scriptHash).join(' ')}`,
    ...(extra.isLive ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'none'",
  ];
  const facts = extra.facts.map(
    ([label, value]) => `<div><dt>${escapeHtml(label)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  );
  const failures = runs.map(renderFailures).join('');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy.join('; ')}">
<link rel="icon" href="data:,">
<title>${escapeHtml(extra.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(extra.title)}</h1>
<p class="lead">${escapeHtml(overview(runs))}</p>
${failures ? `<section class="card failures" aria-labelledby="failures"><h2 id="failures">What went wrong</h2>${failures}</section>` : ''}
${facts.length > 0 ? `<dl class="card facts">${facts.join('')}</dl>` : ''}
${renderChain(runs)}
${runs.map(renderRun).join('\n')}
${(extra.sections ?? []).map(renderSection).join('\n')}
</main>
${scripts.map((script) => `<script>${script}</script>`).join('\n')}
</body>
</html>
`;
}

function overview(runs: readonly PipelineRecord[]): string {
  const good = runs.filter((run) => stateOf(run) === 'Succeeded').length;
  const going = runs.filter((run) => stateOf(run) === 'Running').length;
  const first = Math.min(...runs.map((run) => run.startTime));
  const when =
    runs.length > 0
      ? `, ${new Date(first).toLocaleString('en-GB', { dateStyle: 'long', timeStyle: 'short' })}`
      : '';
  const rest = going > 0 ? `, ${going} still going on` : '';
  return `${good} of ${runs.length} pipeline ${runs.length === 1 ? 'run' : 'runs'} succeeded${rest}${when}`;
}

function renderRun(run: PipelineRecord): string {
  const state = stateOf(run);
  const span = { startTime: run.startTime, finishTime: run.finishTime || Date.now() };
  const artifacts = run.artifacts.map(({ name }) => name).join(', ');
  const about = [
    run.file,
    `#${run.buildNumber}`,
    duration(run),
    ...run.tags.map((tag) => `tag ${tag}`),
    ...(artifacts ? [`artifacts: ${artifacts}`] : []),
  ];
  const steps = run.jobs.flatMap((job) => job.steps);
  return `<section class="card run" aria-label="${escapeHtml(run.name)}">
<header>${icon(state)}<div><h2>${escapeHtml(run.name)}</h2><p>${escapeHtml(about.join(' · '))}</p></div>
<span class="badge ${state}">${STATE_TEXT[state]}</span></header>
${run.jobs.map((job) => renderJob(job, span)).join('\n')}
${steps.flatMap(renderSummaries).join('\n')}
</section>`;
}

function renderJob(job: JobRecord, span: Span): string {
  const name = job.stage === undefined ? job.displayName : `${job.stage} / ${job.displayName}`;
  const text = [name, STATE_TEXT[stateOf(job)], ...(job.note ? [job.note] : [])].join(' · ');
  const time = job.note ? '' : `${renderBar(job, span)}<span class="time">${duration(job)}</span>`;
  const steps = [job.initialize, ...job.steps, job.finalize].filter((step) => step !== undefined);
  const list =
    steps.length === 0
      ? ''
      : `<ol class="steps">${steps.map((step) => renderStep(step, span)).join('\n')}</ol>`;
  return `<div class="job"><span>${escapeHtml(text)}</span>${time}</div>${list}`;
}

function renderSummaries(step: StepRecord): string[] {
  return step.summaries.map(({ name, markdown }, index) => {
    const title = name.replace(/\.md$/i, '');
    return `<details class="summary" id="${stepId(step)}-summary-${index + 1}" open><summary><h3>${escapeHtml(title)}</h3><small>${escapeHtml(step.displayName)}</small></summary>
<div>${renderMarkdown(withoutTitle(markdown, title))}</div></details>`;
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
