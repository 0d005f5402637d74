import { posix, resolve } from 'node:path';
import { describeError } from '../common/errors';
import type { TaskContext } from '../common/task';
import { type BlobInputs, readBlobInputs } from './blob-inputs';
import { type CatalogInputs, readCatalogInputs } from './catalog-inputs';
import { agentFolders } from './folder/agent-folders';
import { destinationProblem } from './folder/destination-name';
import { isWayToAnything } from './pickles/code-names';
import { type NameRules, PORTABLE, rulesOf } from './registry/names';
import { parseTrustedKeys, type TrustedKeys } from './signature/trusted-keys';
import { COMPLETENESS, type Completeness } from './version/completeness-rules';
import { rangeOf } from './version/ranking';

export interface Inputs {
  readonly registry: BlobInputs | CatalogInputs;
  /** What the model is called: the name of its container, `catalog.schema.model`, or the name of its folder. */
  readonly model: string;
  /** A version's name or number, an alias, `latest`, or a semantic-version range. */
  readonly version: string;
  readonly includePrereleases: boolean;
  /** Where the versions are in the container or the volume's folder: empty, or a path that ends with a slash. */
  readonly versionsFolder: string;
  readonly patterns: readonly string[];
  readonly requiredFiles: readonly string[];
  readonly completeness: Completeness;
  readonly nameRules: NameRules;
  /** Whether files without a checksum in the registry are compared part by part, on their way. */
  readonly verify: (typeof VERIFY)[number];
  /** Whether a version must be signed. */
  readonly signature: (typeof SIGNATURE)[number];
  /** Whose signatures are believed; undefined where nobody is named. */
  readonly trustedKeys: TrustedKeys | undefined;
  /** What becomes of a model that would do more than be a model when it is loaded. */
  readonly pickleScan: (typeof PICKLE_SCAN)[number];
  /** Names that pickles may import besides those of the well-known libraries. */
  readonly pickleAllow: ReadonlySet<string>;
  /** Absolute. */
  readonly destination: string;
  /** The most requests at the same time. */
  readonly concurrency: number;
}

/** Where models are. */
const REGISTRY_TYPES = ['blob', 'unityCatalog'] as const;

const FILE_NAMES = ['agent', 'portable'] as const;

const VERIFY = ['stored', 'crc64'] as const;

const SIGNATURE = ['verifyIfPresent', 'require', 'off'] as const;

const PICKLE_SCAN = ['warn', 'fail', 'off'] as const;

/** Reads and checks the task's inputs; throws a TaskError that tells all mistakes together. */
export function readInputs(task: TaskContext, platform = process.platform): Inputs {
  const { inputs } = task;
  const isBlob = inputs.choice('registryType', REGISTRY_TYPES, 'blob') === 'blob';
  const registry = isBlob ? readBlobInputs(task) : readCatalogInputs(inputs);
  const isRegistered = registry?.kind === 'unityCatalog' && registry.path.kind === 'model';
  const signature = inputs.choice('signature', SIGNATURE, 'verifyIfPresent');
  const read = {
    model: registry?.kind === 'unityCatalog' ? registry.path.name : isBlob ? readContainer(task) : '',
    version: isRegistered ? inputs.required('modelVersion') : readVersion(task),
    includePrereleases: inputs.boolean('includePrereleases', false),
    versionsFolder: readVersionsFolder(task),
    patterns: readPatterns(task),
    requiredFiles: readRequiredFiles(task),
    completeness: inputs.choice('completeness', COMPLETENESS, 'auto'),
    nameRules: inputs.choice('fileNames', FILE_NAMES, 'agent') === 'agent' ? rulesOf(platform) : PORTABLE,
    verify: inputs.choice('verify', VERIFY, 'stored'),
    signature,
    trustedKeys: readTrustedKeys(task, signature === 'require'),
    pickleScan: inputs.choice('pickleScan', PICKLE_SCAN, 'warn'),
    pickleAllow: readPickleAllow(task),
    destination: readDestination(task),
    concurrency: inputs.integer('maxConcurrency', { min: 1, max: 128 }, 96),
  };
  inputs.check();
  return { ...read, registry: registry! };
}

/** The model's name is the name of its container: rules of Blob storage. */
function readContainer({ inputs }: TaskContext): string {
  const model = inputs.required('modelName');
  if (model && !/^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$/.test(model)) {
    inputs.reject(
      'modelName',
      `is '${model}', which no container can be named: 3 to 63 lower-case letters, digits and single hyphens, no underscores. Give the name of the container that holds the model's versions${/^\/|^[^.]+\.[^.]+\.[^.]+$/.test(model) ? "; for a model of Unity Catalog, set 'registryType' to unityCatalog" : ''}.`,
    );
  }
  return model;
}

function readVersion({ inputs }: TaskContext): string {
  const version = inputs.required('modelVersion');
  if (version && !isPlainPath(version, 1)) {
    inputs.reject(
      'modelVersion',
      `is '${version}', but must be the name of one folder, such as 1.0.0, or latest, or a range such as 1.x. Folders above it go into 'pathPrefix'.`,
    );
  } else if (/^[~^<>=]|\|\||\*$/.test(version) && rangeOf(version) === undefined) {
    inputs.reject(
      'modelVersion',
      `is '${version}', which is no range of semantic versions. Write it as npm does: 1.x, ^1.2 or >=1.2.0 <2.0.0.`,
    );
  }
  return version;
}

function readPatterns({ inputs }: TaskContext): string[] {
  const lines = inputs.lines('patterns');
  if (lines.length === 0) return ['**'];
  const patterns = lines.filter(isNoComment);
  if (patterns.length === 0) inputs.reject('patterns', 'holds only comments. Add a pattern such as **.');
  return patterns;
}

/** Relative paths, as people write them: with `./` or a slash before them, or with backslashes. */
function readRequiredFiles({ inputs }: TaskContext): string[] {
  return inputs
    .lines('requiredFiles')
    .filter(isNoComment)
    .map((line) => posix.normalize(line.replaceAll('\\', '/')).replace(/^\/+/, ''));
}

function readTrustedKeys({ inputs }: TaskContext, isNeeded: boolean): TrustedKeys | undefined {
  const text = isNeeded
    ? inputs.required('trustedKeys', "'signature' is require")
    : inputs.optional('trustedKeys');
  if (!text) return undefined;
  try {
    return parseTrustedKeys(text);
  } catch (error) {
    inputs.reject('trustedKeys', describeError(error));
    return undefined;
  }
}

/** Whole names only: what a package holds as a whole, nobody can answer for. */
function readPickleAllow({ inputs }: TaskContext): ReadonlySet<string> {
  const names = inputs.lines('pickleAllow').filter(isNoComment);
  const wrong = names.find((name) => !/^[\p{L}_][\p{L}\p{N}_]*(\.[\p{L}_][\p{L}\p{N}_]*)+$/u.test(name));
  if (wrong !== undefined) {
    inputs.reject(
      'pickleAllow',
      `holds '${wrong}', which is no full name. Give each class or function with its module, one a line, such as mymodule.MyTransformer.`,
    );
  }
  const way = names.find(isWayToAnything);
  if (way !== undefined) {
    inputs.reject(
      'pickleAllow',
      `holds '${way}', by which a pickle can run anything, so it can't be allowed. Take it out of the input, and have the model made without it.`,
    );
  }
  return new Set(names);
}

function readVersionsFolder({ inputs }: TaskContext): string {
  const folder = inputs.optional('pathPrefix')?.replace(/^\/+|\/+$/g, '') ?? '';
  if (!folder) return '';
  if (!isPlainPath(folder)) {
    inputs.reject('pathPrefix', `is '${folder}', but must be a path in the container, such as models/live.`);
  }
  return `${folder}/`;
}

function isPlainPath(path: string, mostSegments = Number.POSITIVE_INFINITY): boolean {
  const segments = path.split('/');
  return (
    segments.length <= mostSegments &&
    !/[\\\u0000-\u001f\u007f]/.test(path) &&
    segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  );
}

/**
 * The agent hands a path input that is empty over as the sources folder, and a relative one as a path under it. The
 * folder is replaced as a whole, so it must not be one that holds more than the model.
 */
function readDestination(task: TaskContext): string {
  const { inputs } = task;
  const given = inputs.required('destinationFolder');
  if (!given) return '';
  const sources = task.variable('Build.SourcesDirectory');
  const workingFolder = task.variable('System.DefaultWorkingDirectory') ?? sources ?? process.cwd();
  const destination = resolve(workingFolder, given);
  const roots = [workingFolder, ...(sources === undefined ? [] : [sources])];
  const problem = destinationProblem(destination, { roots, kept: agentFolders(task).kept });
  if (problem) inputs.reject('destinationFolder', problem);
  return destination;
}

function isNoComment(line: string): boolean {
  return !line.startsWith('#');
}
