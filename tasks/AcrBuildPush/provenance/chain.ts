import { TaskError } from '../../common/errors';
import { isRecord, readJsonObject, recordOf } from '../../common/json';
import type { Cell } from '../../common/summary';
import { CREATED } from '../image/annotations';
import type { Manifest } from '../image/image';
import { readConfig } from '../image/manifest';
import type { RegistryClient } from '../registry/client';
import { findReferrers } from '../registry/referrers';
import type { ChainTable } from '../report';
import { readAttached } from './attached';
import type { Statement } from './statement';

/* The way from the notebook to an image, for people: by the statement about the image, or else by its labels. */

/** What is known of each link of the chain. */
export type Chain = ReadonlyMap<Link, Cell>;

const LINKS = [
  'Notebook',
  'Training data',
  'Training run',
  'Trained at',
  'Metrics',
  'Model',
  'Commit',
  'Base image',
  'Image',
  'Built by',
] as const;

type Link = (typeof LINKS)[number];

/** Digits of a digest that tell it from others for a reader. */
const DIGITS = 12;

/** Metrics that a cell holds. */
const MOST_METRICS = 8;

/** Characters of a text in a cell. */
const LONGEST = 120;

/** The chain of an image, side by side with that of the image that a tag named before. */
export function compareChains(
  now: Chain,
  before: { readonly tag: string; readonly chain: Chain } | undefined,
): ChainTable {
  const links = LINKS.filter((link) => now.has(link) || before?.chain.has(link));
  return {
    before: before?.tag,
    rows: links.map((link) => {
      const [own = '', other = ''] = [now.get(link), before?.chain.get(link)];
      const isSame = other !== '' && textOf(own) === textOf(other);
      return { link, now: own, before: isSame ? 'the same' : other };
    }),
  };
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.label;
}

/**
 * Reads the chain of an image in the registry. It is for people to compare with: what can't be read is left out.
 *
 * @param readsStatements whether what is attached to the image is looked at
 */
export async function readChain(
  registry: RegistryClient,
  image: string,
  readsStatements: boolean,
): Promise<Chain> {
  try {
    const listed = readsStatements ? await findReferrers(registry, image) : [];
    const [newest] = await readAttached(registry, image, listed);
    if (newest) return chainOfStatement(newest.statement);
    return chainOfLabels(image, await labelsOf(registry, await registry.manifest(image)));
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    return chainOfLabels(image, {});
  }
}

type Labels = Readonly<Record<string, unknown>>;

/** The annotations that this task gives to manifests, or else the labels of the image itself. */
async function labelsOf(registry: RegistryClient, { body, config }: Manifest): Promise<Labels> {
  const { annotations } = readJsonObject(body);
  if (isRecord(annotations) && CREATED in annotations) return annotations;
  const content = config && readConfig(await registry.blob(config.digest));
  return content?.config?.Labels ?? {};
}

/** The chain by what a statement says. Anybody may have written it, so each part is looked at before it is used. */
export function chainOfStatement({ subject, predicate }: Statement): Chain {
  const { buildDefinition, runDetails } = predicate;
  const of = (name: string) => partsOf(buildDefinition.resolvedDependencies.find((one) => one.name === name));
  const [notebook, data, training] = [of('notebook'), of('training-data'), of('training')];
  const [model, source, base] = [of('model'), of('source'), of('base-image')];
  const who = recordOf(buildDefinition.internalParameters);
  const run = text(training.facts.run) ?? text(model.facts.trainingRun);
  const commit = text(source.digest.gitCommit);
  return chain({
    Notebook: words(text(notebook.facts.path), short(notebook.digest.sha256)),
    'Training data': words(text(data.facts.path) ?? text(data.facts.name), short(data.digest.sha256)),
    'Training run': run && linked(run, training.uri),
    'Trained at': text(training.facts.trainedAt),
    Metrics: metricsOf(training.facts.metrics),
    Model: words(text(model.facts.name), text(model.facts.version), short(model.digest.sha256)),
    Commit: commit && linked(commit.slice(0, DIGITS), pageOfCommit(source.uri, commit)),
    'Base image': words(text(base.facts.name), short(base.digest.sha256)),
    Image: short(recordOf(subject[0]?.digest).sha256),
    'Built by': linkedRun(who, recordOf(runDetails.metadata)),
  });
}

function chainOfLabels(digest: string, labels: Labels): Chain {
  const of = (name: string) => text(labels[name]);
  const image = (name: string) => of(`org.opencontainers.image.${name}`);
  const commit = image('revision');
  return chain({
    'Training run': of('model.training-run'),
    Model: words(of('model.name'), of('model.version'), short(of('model.digest'))),
    Commit: commit && linked(commit.slice(0, DIGITS), pageOfCommit(image('source'), commit)),
    'Base image': words(image('base.name'), short(image('base.digest'))),
    Image: short(digest),
  });
}

function chain(cells: Partial<Record<Link, Cell | undefined>>): Chain {
  const known = LINKS.flatMap((link) => {
    const cell = cells[link];
    return cell === undefined || cell === '' ? [] : [[link, cell] as const];
  });
  return new Map(known);
}

/** The parts of what went into an image. */
function partsOf(dependency: unknown) {
  const { digest, annotations, uri } = recordOf(dependency);
  return { digest: recordOf(digest), facts: recordOf(annotations), uri: text(uri) };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, LONGEST) : undefined;
}

function short(digest: unknown): string | undefined {
  return text(digest)
    ?.replace(/^sha256:/, '')
    .slice(0, DIGITS);
}

function words(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(' ');
}

function linked(label: string, url: string | undefined): Cell {
  return url !== undefined && /^https?:\/\//i.test(url) && URL.canParse(url) ? { label, url } : label;
}

function metricsOf(value: unknown): string {
  const numbers = Object.entries(recordOf(value)).filter(([, metric]) => typeof metric === 'number');
  const shown = numbers
    .slice(0, MOST_METRICS)
    .map(([name, metric]) => `${name.slice(0, LONGEST)} ${readable(metric as number)}`);
  return [...shown, ...(numbers.length > shown.length ? ['…'] : [])].join(', ');
}

function readable(metric: number): string {
  return Number.isInteger(metric) ? String(metric) : String(Number(metric.toPrecision(4)));
}

/** Where a commit can be looked at, for servers whose addresses are known. */
function pageOfCommit(repository: string | undefined, commit: string): string | undefined {
  const address = repository?.replace(/^git\+/, '').replace(/@refs\/.*$/, '');
  const isKnown = address !== undefined && /^https:\/\/(?:github\.com\/|[^?#]*\/_git\/)/.test(address);
  return isKnown ? `${address.replace(/\.git$/, '')}/commit/${commit}` : undefined;
}

function linkedRun(who: Labels, { invocationId }: Labels): Cell | undefined {
  const label = words(text(who.pipeline), text(who.buildNumber));
  return label === '' ? undefined : linked(label, text(invocationId));
}
