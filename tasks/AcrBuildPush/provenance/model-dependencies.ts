import { isRecord } from '../../common/json';
import type { Metadata, Model } from '../model';
import type { ModelCheck } from './check-model';
import { type Dependency, type DigestSet, digestSet } from './statement';

/** Files that are named one by one, at most: the digest of the model stands for all. */
const MOST_FILES = 10_000;

/** Parameters or metrics of a training, and sets of data, at most. */
const MOST_FACTS = 1_000;

/** Characters of a fact, at most. */
const LONGEST_FACT = 4_096;

/** What notebooks call things, beside the names that those of this project use. */
const PARAMETERS = ['parameters', 'params', 'hyperparameters'];
const DATA = ['data', 'dataset', 'datasets', 'trainingData'];

type Facts = Readonly<Record<string, unknown>>;

/**
 * The model in an image, its files, the run that trained it, the notebook that ran, and its data.
 *
 * @param checkedBy how its files were compared with what is said of them, where they were
 */
export function modelDependencies(model: Model, checkedBy?: ModelCheck['by']): readonly Dependency[] {
  const { name, version, digest, files = [], source, signedDigest, trainingRun } = model;
  const uri = source && addressOf(source, model);
  const named = files.slice(0, MOST_FILES);
  return [
    {
      name: 'model',
      ...(uri !== undefined && { uri }),
      digest: digestSet(digest),
      annotations: {
        name,
        version,
        source: factsOf(source),
        trainingRun,
        signedDigest,
        checkedBy,
        ...(named.length < files.length && { unnamedFiles: files.length - named.length }),
      },
    },
    ...named.map(({ path, sha256 }) => ({ name: `model/${path}`, digest: { sha256 } })),
    ...(model.metadata ? trainingDependencies(model.metadata, trainingRun) : []),
  ];
}

/** Where a version lies, by a name that others know it by too; undefined where it has none. */
function addressOf(source: Facts, model: Model): string | undefined {
  try {
    return uriOf(source, model);
  } catch (error) {
    // Half a character can't be encoded.
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function uriOf(source: Facts, { version }: Model): string | undefined {
  const { registryType, account, container, prefix, endpoint, host, model, path } = source;
  if (registryType === 'unityCatalog') {
    return typeof model === 'string' && typeof host === 'string'
      ? `pkg:mlflow/${encodeURIComponent(model)}@${encodeURIComponent(version)}?repository_url=${encodeURIComponent(`https://${host}`)}`
      : undefined;
  }
  if (registryType === 'volume') return typeof path === 'string' ? `dbfs:${encodeURI(path)}` : undefined;
  const isAzures = typeof endpoint === 'string' && endpoint.startsWith(`${account}.`);
  return isAzures && typeof container === 'string' && typeof prefix === 'string'
    ? `https://${endpoint}/${container}/${encodeURI(prefix)}`
    : undefined;
}

function trainingDependencies({ content, sha256 }: Metadata, run: string | undefined): Dependency[] {
  const page = webAddress(withScheme(content.runUrl));
  const notebook = notebookOf(content);
  return [
    {
      name: 'training',
      ...(page !== undefined && { uri: page }),
      // Of the file that says all this.
      digest: { sha256 },
      annotations: {
        run,
        trainedAt: textOf(content.trainedAt),
        commit: textOf(content.gitCommit),
        parameters: factsOf(first(content, PARAMETERS)),
        metrics: factsOf(content.metrics),
      },
    },
    ...(notebook ? [notebook] : []),
    ...dataOf(first(content, DATA)),
  ];
}

/** The notebook as the workspace had it, or else as its file was imported. */
function notebookOf(content: Facts): Dependency | undefined {
  const { sha256, path } = isRecord(content.notebook) ? content.notebook : {};
  const parameters = first(content, PARAMETERS);
  const ofFile = digestOf(isRecord(parameters) ? parameters.notebook_sha256 : undefined);
  const digest = digestOf(sha256) ?? ofFile;
  if (!digest) return undefined;
  return { name: 'notebook', digest, annotations: { path: textOf(path), fileSha256: ofFile?.sha256 } };
}

/** The data of a training: of those that are known by digest or address. A name alone tells nobody which data it was. */
function dataOf(value: unknown): Dependency[] {
  if (Array.isArray(value))
    return value.slice(0, MOST_FACTS).flatMap((one) => (isRecord(one) ? dataOf(one) : []));
  if (!isRecord(value)) return [];
  const digest = digestOf(value.sha256);
  const uri = webAddress(value.uri ?? value.url);
  if (!digest && uri === undefined) return [];
  return [
    {
      name: 'training-data',
      ...(uri !== undefined && { uri }),
      ...(digest && { digest }),
      annotations: { name: textOf(value.name), path: textOf(value.path) },
    },
  ];
}

function first(content: Facts, keys: readonly string[]): unknown {
  return keys.map((key) => content[key]).find((value) => value !== undefined && value !== null);
}

/** Plain values by their names; undefined where there are none. */
function factsOf(value: unknown): Facts | undefined {
  if (!isRecord(value)) return undefined;
  const facts = Object.entries(value).filter(
    ([, fact]) =>
      typeof fact === 'boolean' ||
      typeof fact === 'number' ||
      (typeof fact === 'string' && fact.length <= LONGEST_FACT),
  );
  return facts.length > 0 ? Object.fromEntries(facts.slice(0, MOST_FACTS)) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= LONGEST_FACT ? value : undefined;
}

function digestOf(value: unknown): DigestSet | undefined {
  const hex = typeof value === 'string' ? value.replace(/^sha256:/, '').toLowerCase() : '';
  return /^[0-9a-f]{64}$/.test(hex) ? { sha256: hex } : undefined;
}

/** Databricks' own name for the address of a workspace comes without a protocol. */
function withScheme(address: unknown): unknown {
  return typeof address === 'string' && /^[a-z0-9-]+(\.[a-z0-9-]+)+\//i.test(address)
    ? `https://${address}`
    : address;
}

/** An address that a person can open, without what signs in there. */
function webAddress(value: unknown): string | undefined {
  const text = textOf(value);
  if (text === undefined || !/^https:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const { host, pathname } = new URL(text);
  return `https://${host}${pathname}`;
}
