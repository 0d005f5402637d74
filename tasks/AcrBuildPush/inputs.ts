import { dirname, resolve } from 'node:path';
import { describeError } from '../common/errors';
import { SourceFileError } from '../common/files/source-file';
import type { InputReader } from '../common/inputs';
import { readRegistryConnection } from '../common/service-connection';
import type { TaskContext } from '../common/task';
import {
  cacheName,
  checkContext,
  checkDockerfile,
  readBuildArgs,
  readBuildSecrets,
  readDockerOptions,
  readDockerRequest,
  readPlatforms,
} from './build-inputs';
import { BUILDERS, type BuilderChoice, COMPRESSIONS, type CompressionChoice } from './build-plan';
import type { ExtraOption } from './docker/extra-options';
import type { DockerRequest } from './docker/install';
import { type ImageName, readImageName, serverIn } from './image/image-name';
import { type Model, readModel } from './model';
import { refuseSecrets } from './refuse-secrets';
import type { Identity } from './registry/credentials';
import { AUTH_TYPES, isNameAlone, readIdentity, readRepository, readServer } from './registry-inputs';
import { readSigning } from './signing-inputs';
import { parseSmokeCheck, type SmokeCheck } from './smoke-checks';
import { planTags, type TagPlan } from './tag-templates';
import { EXISTING_TAG_POLICIES, type ExistingTagPolicy, type PlannedTag, splitTags } from './tags';
import type { SigningRequest } from './vault/signer';

/** What the step is asked to do. Paths are absolute; names have passed their grammar. */
export interface Inputs {
  readonly loginServer: string;
  /** The registry's name, where no more is known of its address. */
  readonly registryName: string | undefined;
  /** Undefined: nothing is pushed, and base images are read as they are. */
  readonly identity: Identity | undefined;
  readonly repository: string;
  /** In the order of publishing. */
  readonly tags: readonly PlannedTag[];
  /** What the image is a version of, `+` included. */
  readonly version: string;
  /** What was made of the tags that their author may not expect. */
  readonly tagRemarks: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly model: Model | undefined;
  /** An image that is copied in place of one that is built; with a digest. */
  readonly sourceImage: ImageName | undefined;
  readonly dockerfile: string;
  readonly buildContext: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly buildSecrets: Readonly<Record<string, string>>;
  readonly target: string | undefined;
  readonly platforms: readonly string[];
  /** Caches, their images named with their registries. */
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
  /** Options for docker that the step has no input for. */
  readonly dockerOptions: readonly ExtraOption[];
  readonly builder: BuilderChoice;
  /** How new layers are stored. */
  readonly compression: CompressionChoice;
  /** The registry's own machines that build; undefined: those of its service. */
  readonly agentPool: string | undefined;
  /** Minutes that a build in the registry's own service may take. */
  readonly buildMinutes: number;
  /** The docker client to install; undefined: the agent's own. */
  readonly docker: DockerRequest | undefined;
  readonly push: boolean;
  readonly ifTagExists: ExistingTagPolicy;
  /** Whether tags that are not meant to move are locked when they are set. */
  readonly lockTag: boolean;
  /** What a container of the image is asked before a tag names it. */
  readonly smokeTest: readonly SmokeCheck[];
  /** Whether where the image comes from is attached to it. */
  readonly attest: (typeof ATTACH)[number];
  /** Whether what is in the image is attached to it. */
  readonly sbom: (typeof ATTACH)[number];
  /** With what the image is signed; undefined where it is not. */
  readonly signing: SigningRequest | undefined;
}

/** Whether something is attached to the image. */
const ATTACH = ['auto', 'off'] as const;

/** What the registry's own service allows. */
const BUILD_MINUTES = { min: 5, max: 480 };

/**
 * Reads and checks all inputs.
 *
 * @throws TaskError that names every input that is wrong
 */
export function readInputs(task: Pick<TaskContext, 'inputs' | 'secretVariables' | 'variable'>): Inputs {
  const { inputs } = task;
  const push = inputs.boolean('push', true);
  const authType = inputs.choice('authType', AUTH_TYPES, 'adminPassword');
  const connection =
    authType === 'dockerRegistryConnection'
      ? readRegistryConnection(inputs, 'dockerRegistryConnection', "'authType' asks for it")
      : undefined;
  const { loginServer, registryName } = readServer(inputs, connection);
  const dockerfile = resolve(inputs.optional('dockerfile') ?? 'Dockerfile');
  const contextInput = inputs.optional('buildContext');
  const buildContext = contextInput ? resolve(contextInput) : dirname(dockerfile);
  const model = readModelInput(inputs);
  const tags = readTags(inputs, model, task.variable);
  const sourceImage = readSourceImage(inputs, loginServer, push);
  const identity = readIdentity(inputs, { authType, loginServer, registryName, push, connection });
  const read: Inputs = {
    loginServer,
    registryName: isNameAlone(inputs) ? registryName : undefined,
    identity,
    repository: readRepository(inputs, loginServer),
    tags: tags.tags,
    version: tags.version ?? tags.tags[0]?.tag ?? '',
    tagRemarks: tags.remarks,
    labels: inputs.keyValueLines('labels'),
    model,
    sourceImage,
    dockerfile,
    buildContext,
    buildArgs: readBuildArgs(inputs),
    buildSecrets: readBuildSecrets(inputs),
    target: inputs.optional('target'),
    platforms: readPlatforms(inputs),
    cacheFrom: inputs.lines('cacheFrom').map((cache) => cacheName(cache, loginServer)),
    cacheTo: inputs.lines('cacheTo').map((cache) => cacheName(cache, loginServer)),
    dockerOptions: readDockerOptions(inputs),
    builder: inputs.choice('builder', BUILDERS, 'auto'),
    compression: inputs.choice('compression', COMPRESSIONS, 'auto'),
    agentPool: inputs.optional('agentPool'),
    buildMinutes: inputs.integer('buildTimeoutMinutes', BUILD_MINUTES, BUILD_MINUTES.max),
    docker: readDockerRequest(inputs),
    push,
    ifTagExists: inputs.choice('ifTagExists', EXISTING_TAG_POLICIES, 'overwrite'),
    lockTag: push && inputs.boolean('lockTag', false),
    smokeTest: readSmokeTest(inputs),
    attest: inputs.choice('attest', ATTACH, 'auto'),
    sbom: inputs.choice('sbom', ATTACH, 'auto'),
    signing: readSigning(inputs, identity, push && !sourceImage, task.variable),
  };

  if (!inputs.optional('sourceImage')) checkDockerfile(inputs, dockerfile);
  if (!sourceImage) checkBuilder(inputs, read);
  if (contextInput) checkContext(inputs, buildContext);
  const secrets = task.secretVariables();
  refuseSecrets(inputs, 'buildArgs', read.buildArgs, secrets);
  refuseSecrets(inputs, 'labels', read.labels, secrets);
  const words = read.dockerOptions.map((option) => [option.name, option.words.join(' ')] as const);
  refuseSecrets(inputs, 'dockerOptions', Object.fromEntries(words), secrets);
  inputs.check();
  return read;
}

/** The image to copy. One that names no registry is in the registry of the step. */
function readSourceImage(inputs: InputReader, loginServer: string, push: boolean): ImageName | undefined {
  const text = inputs.optional('sourceImage');
  if (text === undefined) return undefined;
  const isWhole = serverIn(text) !== undefined;
  // Which registry it is in, the inputs that lack tell already.
  if (!isWhole && !loginServer) return undefined;
  const name = readImageName(isWhole ? text : `${loginServer}/${text}`);
  if (!name?.digest) {
    const problem = name
      ? 'must be an image with its digest'
      : 'that is no name of an image with its digest, in small letters';
    inputs.reject(
      'sourceImage',
      `is '${text}', but ${problem}, such as myregistry.azurecr.io/titanic-model-api@sha256:…, which output 'imageRefByDigest' is.`,
    );
    return undefined;
  }
  if (!push) inputs.reject('sourceImage', "names an image to copy, so 'push' must not be false.");
  return name;
}

function readTags(inputs: InputReader, model: Model | undefined, variable: TaskContext['variable']): TagPlan {
  const lines = splitTags(inputs.optional('tags') ?? '');
  const plan = planTags(lines, {
    modelVersion: model?.version,
    revision: variable('Build.SourceVersion'),
    buildNumber: variable('Build.BuildNumber'),
    branch: variable('Build.SourceBranch'),
  });
  for (const problem of plan.problems) inputs.reject('tags', problem);
  return plan;
}

function readModelInput(inputs: InputReader): Model | undefined {
  const path = inputs.optional('modelManifest');
  if (!path) return undefined;
  const file = resolve(path);
  try {
    return readModel(file);
  } catch (error) {
    if (error instanceof SourceFileError) {
      inputs.reject('modelManifest', `is '${file}', ${error.message}`);
      return undefined;
    }
    inputs.reject(
      'modelManifest',
      `is '${file}', which can't be read as the manifest of a model: ${describeError(error)}. ` +
        "Give output 'manifestPath' of the ModelRegistryDownload step.",
    );
    return undefined;
  }
}

function readSmokeTest(inputs: InputReader): SmokeCheck[] {
  return inputs.lines('smokeTest').flatMap((line) => {
    const check = parseSmokeCheck(line);
    if (typeof check !== 'string') return check;
    inputs.reject(
      'smokeTest',
      `has the line '${line}', which ${check}. A line is such as GET /api/health 200, or POST /api/predict {"age": 40} 200 /prediction.`,
    );
    return [];
  });
}

/** The registry's own service is asked through Azure, where the registry's user and password count for nothing. */
function checkBuilder(inputs: InputReader, { builder, identity, push, smokeTest }: Inputs): void {
  if (smokeTest.length > 0 && builder === 'direct' && !push) {
    inputs.reject(
      'smokeTest',
      "needs the image in an engine, but the builder 'direct' leaves none there if 'push' is false. Set 'builder' to 'docker'.",
    );
  }
  if (builder !== 'acrTasks') return;
  if (smokeTest.length > 0) {
    inputs.reject(
      'smokeTest',
      "has the image tested before a tag is set, but the builder 'acrTasks' sets a tag when it builds. Set 'builder' to 'docker', or leave the tags to a second step with 'sourceImage'.",
    );
  }
  if (identity?.kind !== 'azure') {
    inputs.reject(
      'builder',
      "is 'acrTasks', which needs a service connection to Azure: the registry's user and password can't start a build there. Set 'authType' to 'azureServiceConnection'.",
    );
  } else if (!identity.connection.subscriptionId) {
    inputs.reject(
      'builder',
      `is 'acrTasks', which needs to know the registry's subscription, but the service connection in input '${identity.connection.input}' names none. Use one of type Azure Resource Manager for that subscription.`,
    );
  }
}
