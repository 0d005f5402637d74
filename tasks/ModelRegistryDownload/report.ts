import type { Logger } from '../common/log';
import { Summary } from '../common/summary';
import { enumerate, formatBytes, formatDuration, plural } from '../common/text';
import { type Comparison, compareWith, type EarlierModel } from './earlier-model';
import type { FetchedModel } from './fetch-version';
import type { SwapReport } from './folder/folder';
import type { ModelManifest } from './folder/manifest';
import { type Metadata, metricsOf, runPageOf, textOf } from './metadata';
import type { Inspection } from './pickles/inspection';
import { describeSource, type ModelSource, versionPage } from './registry/source';
import type { SignatureState } from './verify-signature';

export interface Report {
  readonly model: FetchedModel;
  /** Why it is this version. */
  readonly why: string;
  readonly folder: string;
  readonly downloadedBytes: number;
  /** What the version's metadata.json holds; empty when it has none. */
  readonly metadata: Metadata;
  /** What lay in the folder before; undefined where that was no model. */
  readonly earlier: EarlierModel | undefined;
}

/** More rows than this make a summary that nobody reads. */
const MOST_ROWS = 100;

/** How many files of others the log names. */
const MOST_NAMED = 20;

/** How a training run may have described itself, and what a summary calls it. */
const TRAINING: readonly [key: string, label: string][] = [
  ['trainedAt', 'Trained at'],
  ['rows', 'Trained on rows'],
  ['estimator', 'Estimator'],
  ['gitCommit', 'Git commit'],
  ['runId', 'Training run'],
];

/** Names the files in the folder that are not the task's own. */
export function tellOfForeigners({ kept, replaced }: SwapReport, log: Logger): void {
  if (kept.length > 0) log.info(`Left alone, for not coming from this task: ${enumerate(kept, MOST_NAMED)}.`);
  if (replaced.length > 0) {
    log.warning(
      `Replaced by files of the model, though they did not come from this task: ${enumerate(replaced, MOST_NAMED)}.`,
    );
  }
}

/** Tells of names that this agent can write and others can't. */
export function warnOfNames(faults: readonly string[], log: Logger): void {
  const [first, ...others] = faults;
  if (first === undefined) return;
  log.warning(
    `The model holds names that agents of other platforms cannot write: ${first}${others.length > 0 ? ', and others' : ''}. 'fileNames' set to portable refuses them.`,
  );
}

/** The step's result in one line. */
export function outcomeMessage(report: Report): string {
  const { manifest } = report.model;
  const size = `${plural(manifest.files.length, 'file')}, ${formatBytes(totalSize(manifest))}`;
  return `${manifest.name} ${manifest.version} is in '${report.folder}': ${size}, ${manifest.digest}. Downloaded ${traffic(report)}.`;
}

/** The page on the run's Extensions tab. */
export function summarize(report: Report): Summary {
  const { model, why, folder, metadata, earlier } = report;
  const { name, version, digest, source, files } = model.manifest;
  const size = `${plural(files.length, 'file')}, ${formatBytes(totalSize(model.manifest))}`;
  const comparison = earlier && compareWith(earlier, model.manifest);
  const changes = comparison?.files ?? new Map();
  const hasChanges = changes.size > 0;
  const summary = new Summary().lead(`${name} ${version}: ${size}, verified`);
  addLinks(summary, metadata, source, version);
  summary.facts([
    ['Why this version', why],
    ['Digest', digest],
    ['Registry', describeSource(source)],
    ...runOf(source),
    ...signatureOf(model.signature),
    ['Folder', folder],
    ['Size', size],
    ['Downloaded', traffic(report)],
    ...against(comparison),
    ...loading(model.inspection),
    ...TRAINING.flatMap(([key, label]) => fact(label, metadata[key])),
  ]);
  const findings = model.inspection?.findings ?? [];
  if (findings.length > 0) {
    summary.table(
      ['Loading the model would do this', 'At byte'],
      findings
        .slice(0, MOST_ROWS)
        .map(({ place, what, position }) => [
          `${place} ${what}`,
          position === undefined ? '' : String(position),
        ]),
      ['At byte'],
    );
  }
  addMetrics(summary, metricsOf(metadata), comparison?.metrics ?? new Map());
  summary.table(
    ['File', 'Size', 'SHA-256', 'Verified by', ...(hasChanges ? ['Change'] : [])],
    files
      .slice(0, MOST_ROWS)
      .map(({ path, size, sha256 }) => [
        path,
        formatBytes(size),
        sha256.slice(0, 12),
        model.proofs.get(path) ?? 'unchanged since it was verified',
        ...(hasChanges ? [changes.get(path) ?? ''] : []),
      ]),
    ['Size'],
  );
  if (files.length > MOST_ROWS) {
    summary.paragraph(`And ${plural(files.length - MOST_ROWS, 'more file')}: see the manifest.`);
  }
  return summary;
}

/** The way back to the run that trained the model, and to its page in the registry where that has pages. */
function addLinks(summary: Summary, metadata: Metadata, source: ModelSource, version: string): void {
  const run = runPageOf(metadata);
  if (run !== undefined) summary.link('The run that trained it', run);
  const page = versionPage(source, version);
  if (page !== undefined) summary.link('The version in Unity Catalog', page);
}

/** What lay in the folder before, and what is different. */
function against(comparison: Comparison | undefined): [string, string][] {
  if (!comparison) return [];
  return [
    ['Before', comparison.before],
    ['Changed since', comparison.changes],
  ];
}

/** Beside the values of the model before, where it had any. */
function addMetrics(
  summary: Summary,
  metrics: ReadonlyMap<string, string>,
  before: ReadonlyMap<string, string>,
): void {
  if (metrics.size === 0) return;
  if (before.size === 0) summary.table(['Metric', 'Value'], [...metrics], ['Value']);
  else {
    const names = [...new Set([...metrics.keys(), ...before.keys()])];
    const rows = names.map((name) => [name, metrics.get(name) ?? '', before.get(name) ?? '']);
    summary.table(['Metric', 'Now', 'Before'], rows, ['Now', 'Before']);
  }
}

function signatureOf(state: SignatureState): [string, string][] {
  if (state.kind === 'signed') return [['Signed with', state.signed.key]];
  if (state.kind === 'notVerified') return [['Signature', "not verified: 'trustedKeys' names no key"]];
  return [];
}

/** What loading the model imports, by package, and what it was made with. */
function loading(inspection: Inspection | undefined): [string, string][] {
  if (!inspection || inspection.pickles.size === 0) return [];
  const counts = new Map<string, number>();
  for (const name of inspection.imports) {
    const top = name.split('.')[0]!;
    counts.set(top, (counts.get(top) ?? 0) + 1);
  }
  const imports = [...counts]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([top, count]) => `${top} (${count})`);
  const made = [...inspection.versions].map(
    ([library, versions]) => `${library} ${[...versions].join(', ')}`,
  );
  return [
    ['Loading it imports', imports.length > 0 ? imports.join(', ') : 'nothing'],
    ...(made.length > 0 ? [['Made with', made.join(', ')] as [string, string]] : []),
  ];
}

function traffic({ model, downloadedBytes }: Report): string {
  if (model.isInPlace) return 'nothing: unchanged since the last download';
  if (downloadedBytes === 0) return 'nothing: all of it was in the folder already';
  const rate = (downloadedBytes / model.duration) * 1000;
  return `${formatBytes(downloadedBytes)} in ${formatDuration(model.duration)} (${formatBytes(rate)}/s)`;
}

function totalSize({ files }: ModelManifest): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** The run of MLflow that made a model, where its registry tells it. */
function runOf(source: ModelSource): [string, string][] {
  return 'runId' in source ? fact('MLflow run', source.runId) : [];
}

/** A row for a value that is one. */
function fact(label: string, value: unknown): [string, string][] {
  const text = textOf(value);
  return text === undefined ? [] : [[label, text]];
}
