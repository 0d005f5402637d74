import { isRecord } from '../../common/json';
import { type Component, hashesOf, type Property, property } from './component';
import { modelUrl } from './package-url';

/** What is known of the model in an image. */
export interface ModelFacts {
  readonly name: string;
  readonly version: string;
  /** One digest over all its files. */
  readonly digest: string;
  readonly files?: readonly { readonly path: string; readonly sha256: string; readonly size: number }[];
  readonly trainingRun?: string;
  /** Where it was downloaded from. */
  readonly source?: Readonly<Record<string, unknown>>;
  /** Of all its files as OpenSSF model signing counts them. */
  readonly signedDigest?: string;
  /** What its training has written down of it. */
  readonly metadata?: { readonly content: Readonly<Record<string, unknown>> };
}

/** What notebooks call the things that the document has a place for. */
const PARAMETERS = ['parameters', 'params', 'hyperparameters'];
const DATA = ['dataset', 'datasets', 'data', 'trainingData'];
const PLACED = ['model', 'version', 'files', 'metrics', ...PARAMETERS, ...DATA, 'estimator', 'runId'];

/** Characters of a value, at most: what is longer is no fact about a model, but a part of it. */
const LONGEST_VALUE = 4_096;

/** A model as a component of the image: what it is, what it was trained from, and how good it was found to be. */
export function modelComponent(facts: ModelFacts): Component {
  const { name, version, digest, files = [], source } = facts;
  const url = modelUrl(name, version, source);
  return {
    type: 'machine-learning-model',
    'bom-ref': url,
    name,
    version,
    hashes: hashesOf(digest),
    purl: url,
    modelCard: modelCard(facts),
    components: files.map(({ path, sha256, size }) => ({
      type: 'file',
      'bom-ref': `${url}#${encodeURIComponent(path)}`,
      name: path,
      hashes: hashesOf(`sha256:${sha256}`),
      properties: [property('size', String(size))],
    })),
  };
}

function modelCard({ metadata: { content: metadata } = { content: {} }, ...facts }: ModelFacts) {
  const architecture = textOf(metadata.estimator);
  const datasets = DATA.flatMap((key) => datasetsOf(metadata[key]));
  const metrics = pairsOf(metadata.metrics).map(([type, value]) => ({ type, value }));
  const parameters = PARAMETERS.flatMap((key) => pairsOf(metadata[key])).map(([name, value]) =>
    property(`parameter:${name}`, value),
  );
  const rest = Object.entries(metadata)
    .filter(([key]) => !PLACED.includes(key))
    .flatMap(([key, value]) => factsOf(key, value));
  const { trainingRun, signedDigest, source } = facts;
  const known = Object.entries({ trainingRun, signedDigest, source }).flatMap(([key, value]) =>
    factsOf(key, value),
  );
  const properties = [...parameters, ...known, ...rest];
  return {
    ...((architecture || datasets.length > 0) && {
      modelParameters: {
        ...(architecture && { modelArchitecture: architecture }),
        ...(datasets.length > 0 && { datasets }),
      },
    }),
    ...(metrics.length > 0 && { quantitativeAnalysis: { performanceMetrics: metrics } }),
    ...(properties.length > 0 && { properties }),
  };
}

/** A fact as properties: of an object, one for each of its members. */
function factsOf(key: string, value: unknown): Property[] {
  if (isRecord(value)) return pairsOf(value).map(([name, text]) => property(`${key}:${name}`, text));
  const text = textOf(value);
  return text === undefined ? [] : [property(key, text)];
}

/** The data that a model was trained on: by name or address, or several of them. */
function datasetsOf(value: unknown): object[] {
  if (Array.isArray(value)) return value.flatMap(datasetsOf);
  if (!isRecord(value)) {
    const name = textOf(value);
    return name === undefined ? [] : [{ type: 'dataset', name }];
  }
  const url = textOf(value.uri) ?? textOf(value.url) ?? textOf(value.path);
  const name = textOf(value.name) ?? url;
  if (name === undefined) return [];
  const rest = pairsOf(value).filter(([key]) => !['name', 'path', 'uri', 'url'].includes(key));
  return [
    {
      type: 'dataset',
      name,
      ...((url || rest.length > 0) && {
        contents: {
          ...(url && { url }),
          ...(rest.length > 0 && { properties: rest.map(([key, text]) => property(key, text)) }),
        },
      }),
    },
  ];
}

function pairsOf(value: unknown): [string, string][] {
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, one]): [string, string][] => {
    const text = textOf(one);
    return text === undefined ? [] : [[key, text]];
  });
}

/** A value as text, which all values of the document are. */
function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined || value === '') return undefined;
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > LONGEST_VALUE ? undefined : text;
}
