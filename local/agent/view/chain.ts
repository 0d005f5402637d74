import type { PipelineRecord, StepRecord } from '../types';
import { copyable, escapeHtml, shortDigest, webLink } from './html';
import { icon, type State, stateOf } from './results';
import { stepId } from './step-view';

/** A thing on the way from the notebook to the image: what a task took or made. */
interface Link {
  readonly kind: string;
  /** HTML. */
  readonly title: string;
  /** Rows of a name and HTML. */
  readonly facts: readonly (readonly [name: string, html: string])[];
  readonly state: State;
  readonly step: StepRecord;
}

const LINKS: Readonly<Record<string, (step: StepRecord, run: PipelineRecord) => Link[]>> = {
  DatabricksRunJob: linksOfRun,
  ModelRegistryDownload: linksOfModel,
  AcrBuildPush: linksOfImage,
};

/** The chain notebook → run → model → image with its digests; nothing where no step is part of one. */
export function renderChain(runs: readonly PipelineRecord[]): string {
  const links = runs.flatMap((run) =>
    run.jobs
      .flatMap(({ steps }) => steps)
      .filter(({ result, displayName }) => result !== 'Skipped' && !/^(Pre|Post)-job: /.test(displayName))
      .flatMap((step) => LINKS[step.task?.replace(/@.*/, '') ?? '']?.(step, run) ?? []),
  );
  if (links.length < 2) return '';
  return `<section class="card" aria-labelledby="chain"><h2 id="chain">Where the image comes from</h2><ol class="chain">${links.map(renderLink).join('')}</ol></section>`;
}

function renderLink({ kind, title, facts, state, step }: Link): string {
  const rows = facts
    .map(([name, html]) => `<div><dt>${escapeHtml(name)}</dt><dd>${html}</dd></div>`)
    .join('');
  return `<li class="${state}">${icon(state)}<a class="kind" href="#${stepId(step)}">${kind}</a><p>${title}</p><dl>${rows}</dl></li>`;
}

function linksOfRun(step: StepRecord, run: PipelineRecord): Link[] {
  const { runId, runUrl, resultState } = step.outputVariables;
  const state = stateOf(step);
  // No output names the notebook; the step's summary does.
  const notebook = step.summaries
    .map(({ markdown }) => /^\| *Notebook *\| *(.*?) *\|/m.exec(markdown)?.[1])
    .find(Boolean);
  const commit = run.variables['Build.SourceVersion'] ?? run.variables['build.sourceversion'];
  return [
    ...(notebook
      ? [
          {
            kind: 'Notebook',
            title: escapeHtml(notebook.replace(/\\(.)/g, '$1')),
            facts: known([['commit', commit && copyable(commit, commit.slice(0, 12))]]),
            state: 'Succeeded' as const,
            step,
          },
        ]
      : []),
    {
      kind: 'Run',
      title: runId ? webLink(runUrl, runId) : 'none was started',
      facts: known([['result', resultState && escapeHtml(resultState)], ...metricsOf(step)]),
      state,
      step,
    },
  ];
}

/** The numbers among the members of what the notebook returned. */
function metricsOf({ outputVariables }: StepRecord): [string, string][] {
  return Object.entries(outputVariables)
    .filter(([name, value]) => name.startsWith('notebookOutput.') && /^-?\d+(\.\d+)?$/.test(value))
    .slice(0, 3)
    .map(([name, value]) => [
      name.slice('notebookOutput.'.length),
      escapeHtml(String(+Number(value).toFixed(4))),
    ]);
}

function linksOfModel(step: StepRecord): Link[] {
  const { modelVersion, modelDigest, fileCount, totalBytes } = step.outputVariables;
  return [
    {
      kind: 'Model',
      title: modelVersion ? `version ${escapeHtml(modelVersion)}` : 'was not downloaded',
      facts: known([
        ['digest', modelDigest && copyable(modelDigest, shortDigest(modelDigest))],
        ['files', fileCount && escapeHtml(`${fileCount}${totalBytes ? `, ${bytes(totalBytes)}` : ''}`)],
      ]),
      state: stateOf(step),
      step,
    },
  ];
}

function linksOfImage(step: StepRecord): Link[] {
  const { imageRef, imageRefByDigest, imageDigest, imageTags, imageSizeBytes } = step.outputVariables;
  const name = imageRef?.replace(/^[^/]+\//, '');
  return [
    {
      kind: 'Image',
      title: name ? escapeHtml(name) : 'was not pushed',
      facts: known([
        ['digest', imageDigest && copyable(imageRefByDigest ?? imageDigest, shortDigest(imageDigest))],
        ['tags', imageTags && escapeHtml(imageTags.replaceAll(',', ', '))],
        ['size', imageSizeBytes && escapeHtml(bytes(imageSizeBytes))],
      ]),
      state: stateOf(step),
      step,
    },
  ];
}

function known(facts: readonly (readonly [string, string | undefined])[]): [string, string][] {
  return facts.flatMap(([name, html]) => (html ? [[name, html] as [string, string]] : []));
}

function bytes(text: string): string {
  const number = Number(text);
  if (number < 1000) return `${text} bytes`;
  const power = Math.min(Math.floor(Math.log10(number) / 3), 4);
  return `${(number / 1000 ** power).toPrecision(3)} ${['', 'kB', 'MB', 'GB', 'TB'][power]}`;
}
