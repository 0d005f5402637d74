import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { describeError } from '../common/errors';
import type { InputReader } from '../common/inputs';
import type { TaskContext } from '../common/task';
import {
  acrNameProblem,
  loginServerOf,
  loginServerProblem,
  normalizeLoginServer,
  registryNameOf,
  repositoryProblem,
} from './acr/names';
import { type ModelProvenance, parseModelManifest } from './labels';
import { EXISTING_TAG_POLICIES, type ExistingTagPolicy, splitTags, tagProblem, toTag } from './tags';

/** What the step is asked to do. Paths are absolute; names have passed their grammar. */
export interface Inputs {
  readonly loginServer: string;
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
  readonly repository: string;
  /** The tags as written, versions with `+` included. */
  readonly tags: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly model: ModelProvenance | undefined;
  readonly dockerfile: string;
  readonly buildContext: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly target: string | undefined;
  readonly push: boolean;
  readonly ifTagExists: ExistingTagPolicy;
}

/** Shorter secrets turn up in innocent values by chance. */
const SHORTEST_SECRET = 6;

/**
 * Reads and checks all inputs.
 *
 * @throws TaskError that names every input that is wrong
 */
export function readInputs(task: Pick<TaskContext, 'inputs' | 'secretVariables'>): Inputs {
  const { inputs } = task;
  const push = inputs.boolean('push', true);
  const acrName = inputs.optional('acrName');
  const loginServer = readLoginServer(inputs, acrName, inputs.optional('loginServer'));
  const registryName = registryNameOf(loginServer) ?? (acrName && registryNameOf(loginServerOf(acrName)));
  const dockerfile = resolve(inputs.optional('dockerfile') ?? 'Dockerfile');
  const contextInput = inputs.optional('buildContext');
  const buildContext = contextInput ? resolve(contextInput) : dirname(dockerfile);
  const read: Inputs = {
    loginServer,
    credentials: readCredentials(inputs, loginServer, registryName, push),
    repository: readRepository(inputs, loginServer),
    tags: readTags(inputs),
    labels: inputs.keyValueLines('labels'),
    model: readModel(inputs),
    dockerfile,
    buildContext,
    buildArgs: inputs.keyValueLines('buildArgs'),
    target: inputs.optional('target'),
    push,
    ifTagExists: inputs.choice('ifTagExists', EXISTING_TAG_POLICIES, 'overwrite'),
  };

  checkDockerfile(inputs, dockerfile);
  if (contextInput && !statSync(buildContext, { throwIfNoEntry: false })?.isDirectory()) {
    inputs.reject('buildContext', `is '${buildContext}', but there is no such folder.`);
  }
  const secrets = task.secretVariables();
  refuseSecrets(inputs, 'buildArgs', read.buildArgs, secrets);
  refuseSecrets(inputs, 'labels', read.labels, secrets);
  inputs.check();
  return read;
}

function readLoginServer(
  inputs: InputReader,
  acrName: string | undefined,
  override: string | undefined,
): string {
  if (override) {
    const loginServer = normalizeLoginServer(override);
    const problem = loginServerProblem(loginServer);
    if (problem) inputs.reject('loginServer', problem);
    return loginServer;
  }
  if (!acrName) {
    inputs.reject('acrName', "is missing. Give the registry's name, or its address in input 'loginServer'.");
    return '';
  }
  const problem = acrNameProblem(acrName);
  if (problem) inputs.reject('acrName', problem);
  return loginServerOf(acrName);
}

/** Without a push, credentials serve only for base images in the registry, and may be left out. */
function readCredentials(
  inputs: InputReader,
  loginServer: string,
  registryName: string | undefined,
  push: boolean,
): Inputs['credentials'] {
  const username = inputs.optional('acrUsername') ?? registryName;
  const password = push
    ? inputs.requiredSecret('acrPassword', 'needed to push', username)
    : inputs.optionalSecret('acrPassword', username);
  if (!password) return undefined;
  if (!username && loginServer && !loginServerProblem(loginServer)) {
    inputs.reject('acrUsername', `is missing. Give the user of ${loginServer}, which is not in Azure.`);
  }
  return { username: username ?? '', password };
}

function readRepository(inputs: InputReader, loginServer: string): string {
  const repository = inputs.required('repository').toLowerCase();
  const problem = repository && repositoryProblem(repository, loginServer);
  if (problem) inputs.reject('repository', problem);
  return repository;
}

function readTags(inputs: InputReader): string[] {
  const text = inputs.required('tags');
  const tags = splitTags(text);
  if (text && tags.length === 0) inputs.reject('tags', 'holds no tag. Give at least one, such as a version.');
  for (const tag of tags) {
    const problem = tagProblem(toTag(tag));
    if (problem) inputs.reject('tags', problem);
  }
  return tags;
}

function readModel(inputs: InputReader): ModelProvenance | undefined {
  const path = inputs.optional('modelManifest');
  if (!path) return undefined;
  const file = resolve(path);
  try {
    return parseModelManifest(readFileSync(file, 'utf8'));
  } catch (error) {
    inputs.reject(
      'modelManifest',
      `is '${file}', which can't be read as the manifest of a model: ${describeError(error)}. ` +
        "Give output 'manifestPath' of the ModelRegistryDownload step.",
    );
    return undefined;
  }
}

function checkDockerfile(inputs: InputReader, dockerfile: string): void {
  const found = statSync(dockerfile, { throwIfNoEntry: false });
  if (!found) {
    inputs.reject(
      'dockerfile',
      `is '${dockerfile}', but there is no such file. Check the path, which begins at the root of the sources, ` +
        'and that the sources are checked out.',
    );
  } else if (!found.isFile()) {
    inputs.reject(
      'dockerfile',
      `is '${dockerfile}', which is a folder. Give the path of the Dockerfile in it.`,
    );
  }
}

/** Build arguments stay readable in an image's history, labels in its configuration. */
function refuseSecrets(
  inputs: InputReader,
  input: 'buildArgs' | 'labels',
  values: Readonly<Record<string, string>>,
  secrets: ReadonlyMap<string, string>,
): void {
  for (const [key, value] of Object.entries(values)) {
    for (const [name, secret] of secrets) {
      if (secret.length < SHORTEST_SECRET || !value.includes(secret)) continue;
      inputs.reject(
        input,
        `sets ${key} to a value that holds the secret variable '${name}'. Everybody who can pull the image could ` +
          'read it there. Leave it out, and give it to the container when it starts.',
      );
    }
  }
}
