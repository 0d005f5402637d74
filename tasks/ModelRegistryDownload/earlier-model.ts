import { enumerate, formatBytes, plural } from '../common/text';
import type { ModelFolder } from './folder/folder';
import { type ManifestFile, type ModelManifest, modelDigest } from './folder/manifest';
import { type Metadata, metricsOf, readMetadata } from './metadata';

/**
 * The model that lies in the folder before another one takes its place. All of it was read there, where a commit can put
 * anything: it is for people, and decides nothing.
 */
export interface EarlierModel {
  readonly manifest: ModelManifest;
  readonly metadata: Metadata;
}

/** What became of one file of a model. */
export type Change = 'new' | 'changed' | 'same';

/** A model beside the one before it. */
export interface Comparison {
  /** `titanic 1.0.0`. */
  readonly before: string;
  /** One line: files and bytes. */
  readonly changes: string;
  /** Of each file of the model, by its path; empty where none changed. */
  readonly files: ReadonlyMap<string, Change>;
  /** The metrics of the model before, by their names; empty where it is the same. */
  readonly metrics: ReadonlyMap<string, string>;
}

/** How many files that are gone a line names. */
const MOST_NAMED = 5;

/** What the folder holds before the step changes it; undefined where that is no model of this task. */
export function readEarlier({ installed }: ModelFolder): EarlierModel | undefined {
  const { manifest } = installed;
  if (typeof manifest?.name !== 'string' || typeof manifest.version !== 'string') return undefined;
  return { manifest, metadata: readMetadata((path, most) => installed.readWhole(path, most), manifest) };
}

/** Compares a model with the one that lay in its folder before. */
export function compareWith(earlier: EarlierModel, { files, digest }: ModelManifest): Comparison {
  const { manifest, metadata } = earlier;
  const before = `${manifest.name} ${manifest.version}`;
  if (digest === modelDigest(manifest.files)) {
    return { before, changes: 'no file', files: new Map(), metrics: new Map() };
  }
  const known = new Map(manifest.files.map((file) => [file.path, file]));
  const present = new Set(files.map(({ path }) => path));
  const changes = new Map(files.map((file) => [file.path, changeOf(file, known.get(file.path))]));
  const gone = manifest.files.map(({ path }) => path).filter((path) => !present.has(path));
  const growth = sizeOf(files) - sizeOf(manifest.files);
  return {
    before,
    changes: [...counts(changes, gone), describeGrowth(growth)].join(', '),
    files: changes,
    metrics: metricsOf(metadata),
  };
}

function changeOf({ sha256 }: ManifestFile, before: ManifestFile | undefined): Change {
  if (!before) return 'new';
  return before.sha256 === sha256 ? 'same' : 'changed';
}

function counts(changes: ReadonlyMap<string, Change>, gone: readonly string[]): string[] {
  const of = (wanted: Change) => [...changes.values()].filter((change) => change === wanted).length;
  return [
    ...(of('changed') > 0 ? [`${plural(of('changed'), 'file')} changed`] : []),
    ...(of('new') > 0 ? [`${of('new')} new`] : []),
    ...(gone.length > 0 ? [`${gone.length} gone (${enumerate(gone, MOST_NAMED)})`] : []),
    ...(of('same') > 0 ? [`${of('same')} the same`] : []),
  ];
}

function describeGrowth(bytes: number): string {
  if (bytes === 0) return 'as many bytes';
  return `${formatBytes(Math.abs(bytes))} ${bytes > 0 ? 'more' : 'less'}`;
}

function sizeOf(files: readonly ManifestFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}
