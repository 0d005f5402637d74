import { isDeepStrictEqual } from 'node:util';
import { isRecord, readJsonObject, recordOf } from '../../common/json';
import { redact } from '../../common/secrets';

/*
 * The statement that says where an image comes from: in-toto's Statement v1 with SLSA's predicate of provenance v1
 * (slsa.dev/spec/v1.0/provenance). What is not known is not in it.
 */

/** The types of the statement, and of what it says. */
export const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
export const PROVENANCE_TYPE = 'https://slsa.dev/provenance/v1';

/** This task's page, where what its statements say is explained. */
const PAGE = 'https://marketplace.visualstudio.com/items?itemName=model-pipelines.model-pipeline-tasks';

/** What the parameters mean. Others mean another version. */
export const BUILD_TYPE = `${PAGE}#AcrBuildPush/provenance/v1`;

/** By algorithm, in lower case hexadecimal digits. */
export type DigestSet = Readonly<Record<string, string>>;

/** Something that went into an image. */
export interface Dependency {
  readonly name: string;
  readonly uri?: string;
  readonly digest?: DigestSet;
  readonly annotations?: Readonly<Record<string, unknown>>;
}

export interface Statement {
  readonly _type: typeof STATEMENT_TYPE;
  readonly subject: readonly { readonly name: string; readonly digest: DigestSet }[];
  readonly predicateType: typeof PROVENANCE_TYPE;
  readonly predicate: Predicate;
}

export interface Predicate {
  readonly buildDefinition: {
    readonly buildType: string;
    /** What the pipeline asks for: the step's inputs, under their names. */
    readonly externalParameters: Readonly<Record<string, unknown>>;
    /** By whom: the run, the agent and the builder. */
    readonly internalParameters: Readonly<Record<string, unknown>>;
    readonly resolvedDependencies: readonly Dependency[];
  };
  readonly runDetails: {
    readonly builder: { readonly id: string; readonly version?: Readonly<Record<string, string>> };
    readonly metadata: {
      readonly invocationId?: string;
      readonly startedOn: string;
      readonly finishedOn: string;
    };
  };
}

/** How far a builder is out of reach of those who use it: the platform's own machine, a machine of theirs, or a service. */
export type BuilderKind = 'microsoft-hosted' | 'self-hosted' | 'acr-tasks';

/** What the statement calls a builder: whom its readers trust, or not. */
export function builderId(kind: BuilderKind | undefined): string {
  return kind === undefined ? PAGE : `${PAGE}#${kind}`;
}

/** Names `sha256:<hex>` as in-toto does. */
export function digestSet(digest: string): DigestSet {
  const [algorithm = '', hex = ''] = digest.split(':');
  return { [algorithm]: hex };
}

/**
 * The statement about an image. Secrets are left out of its texts wherever they stand, and members that are not known.
 *
 * @param name of the image, without a tag: tags move
 */
export function stateProvenance(
  name: string,
  digest: string,
  { buildDefinition, runDetails }: Predicate,
): Statement {
  const { buildType, ...definition } = buildDefinition;
  const { builder, metadata } = runDetails;
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: redact(name), digest: digestSet(digest) }],
    predicateType: PROVENANCE_TYPE,
    predicate: {
      buildDefinition: { buildType, ...clean(definition) },
      runDetails: {
        builder: { ...clean(builder), id: builder.id },
        metadata: { ...clean(metadata), startedOn: metadata.startedOn, finishedOn: metadata.finishedOn },
      },
    },
  };
}

/** A value without members that are undefined, and without secrets. What seems to be one in a digest is chance. */
function clean<T>(value: T, name = ''): T {
  if (typeof value === 'string') return redact(value) as T;
  if (Array.isArray(value)) return value.map((one) => clean(one)) as T;
  if (!isRecord(value) || (name === 'digest' && Object.values(value).every(isHex))) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([key, member]) => [key, clean(member, key)])) as T;
}

function isHex(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{32,128}$/.test(value);
}

/**
 * Reads a statement about an image.
 *
 * @returns undefined for what is none of provenance, or about something else
 */
export function readProvenance(content: Buffer, digest: string): Statement | undefined {
  const statement = readJsonObject(content);
  const { _type, subject, predicateType, predicate } = statement;
  const [algorithm = '', hex] = digest.split(':');
  const isAbout =
    Array.isArray(subject) &&
    subject.some((one) => isRecord(one) && isRecord(one.digest) && one.digest[algorithm] === hex);
  if (_type !== STATEMENT_TYPE || predicateType !== PROVENANCE_TYPE || !isAbout) return undefined;
  const { buildDefinition, runDetails } = recordOf(predicate);
  if (!isRecord(buildDefinition) || !isRecord(runDetails)) return undefined;
  const { resolvedDependencies = [] } = buildDefinition;
  const isSound = Array.isArray(resolvedDependencies) && resolvedDependencies.every(isRecord);
  return isSound ? (statement as unknown as Statement) : undefined;
}

/** Whether two statements say the same, but for the run that says it and its time. */
export function saysTheSame(one: Statement, other: Statement): boolean {
  const essence = ({ subject, predicate: { buildDefinition, runDetails } }: Statement) => ({
    subject: subject.map(({ digest }) => digest),
    buildType: buildDefinition.buildType,
    externalParameters: buildDefinition.externalParameters,
    resolvedDependencies: buildDefinition.resolvedDependencies,
    builder: isRecord(runDetails.builder) ? runDetails.builder.id : undefined,
  });
  // Once as it is written down, where nothing is undefined.
  return isDeepStrictEqual(essence(asWritten(one)), essence(asWritten(other)));
}

function asWritten(statement: Statement): Statement {
  return JSON.parse(JSON.stringify(statement));
}
