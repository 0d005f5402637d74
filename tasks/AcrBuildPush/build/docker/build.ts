import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TaskError } from '../../../common/errors';
import { TemporaryFolder } from '../../../common/files/temporary-folder';
import { readJsonObject } from '../../../common/json';
import type { Logger } from '../../../common/log';
import type { BuildPlan } from '../../build-plan';
import { readIfThere, readIgnoreRules } from '../../context/build-context';
import type { DockerCli } from '../../docker/cli';
import { type BuilderKind, findDriver, findImageId } from '../../docker/engine';
import { declaredArguments } from '../../dockerfile/declared-arguments';
import { withLabelLine } from '../../dockerfile/label-line';
import { BuildOutput } from '../build-output';
import type { RemoteImage } from '../builder';
import { buildError } from '../failure';
import { optionFlags, secretEnvironment } from './options';

/** An image that an engine holds. */
export interface LocalImage {
  /** Digest of its configuration, or of its manifest where the engine keeps images in containerd's store. */
  readonly id: string;
}

export interface DockerBuild {
  readonly plan: BuildPlan;
  /** The part of the Dockerfile that is to be built, where it is not all of it: what it ends with, without labels. */
  readonly head?: string;
  readonly builder: BuilderKind;
  /** `<login server>/<repository>`. */
  readonly name: string;
  /** The tags under which the engine is to know the image. */
  readonly tags: readonly string[];
  /** Whether an image for several platforms goes to the registry: an engine can't hold it. */
  readonly push: boolean;
  /** Whether no tag may be set yet. */
  readonly holdsTags?: boolean;
  /** Whether an image for several platforms can go to the registry without a tag. */
  readonly pushesByDigest: boolean;
  /** Where docker writes the id of the image. */
  readonly idFile: string;
  /** Where buildx writes the digest of the image's manifest. */
  readonly metadataFile: string;
}

type Request = Omit<DockerBuild, 'pushesByDigest' | 'idFile' | 'metadataFile'>;

/** The command line of a build. No secret may be in it: command lines can be read by all users of the agent. */
export function buildArguments(build: DockerBuild): string[] {
  const { plan, builder } = build;
  return [
    // By 'docker build' alone, buildx takes no other builder than the one in the engine.
    ...(builder === 'buildx' ? ['buildx'] : []),
    'build',
    '--file',
    plan.dockerfile,
    ...outputFlags(build),
    // The container of a step that failed would stay.
    ...(builder === 'legacy' ? ['--force-rm'] : []),
    ...flags('--label', plan.labels),
    ...flags('--build-arg', plan.arguments),
    ...optionFlags(plan, builder),
    ...(plan.target ? ['--target', plan.target] : []),
    ...plan.dockerOptions.flatMap(({ words }) => words),
    plan.context,
  ];
}

/**
 * A builder in a container of its own keeps what it built to itself unless told otherwise. Uncompressed, since an
 * engine with containerd's store, and such a builder, compress on one core, at a fifth of the speed of all the rest.
 */
const INTO_ENGINE = 'type=docker,compression=uncompressed';

/** Where the image goes. */
function outputFlags(build: DockerBuild): string[] {
  const { plan, builder, name, tags, idFile, metadataFile } = build;
  if (isForSeveral(plan)) return ['--output', outputForSeveral(build), '--metadata-file', metadataFile];
  return [
    '--iidfile',
    idFile,
    ...(builder === 'buildx' ? ['--metadata-file', metadataFile, '--output', INTO_ENGINE] : []),
    ...tags.flatMap((tag) => ['--tag', `${name}:${tag}`]),
  ];
}

function outputForSeveral({ name, tags, push, pushesByDigest }: DockerBuild): string {
  if (!push) return 'type=cacheonly';
  const target = pushesByDigest ? `${name},push-by-digest=true,name-canonical=true` : `${name}:${tags[0]}`;
  // Docker's own types have no place for annotations.
  return `type=image,name=${target},oci-mediatypes=true,push=true`;
}

function isForSeveral({ platforms }: BuildPlan): boolean {
  return platforms.length > 1;
}

/** What a build finds in its environment besides docker's configuration. */
export function buildEnvironment(builder: BuilderKind): NodeJS.ProcessEnv {
  return {
    DOCKER_BUILDKIT: builder === 'legacy' ? '0' : '1',
    BUILDKIT_PROGRESS: 'plain',
    // Attestations turn a plain image into an index, which not every service that runs images reads.
    BUILDX_NO_DEFAULT_ATTESTATIONS: '1',
  };
}

/**
 * Builds an image with the docker CLI, and shows its output by steps.
 *
 * @returns undefined for several platforms that nobody is to push: no engine holds such an image
 * @throws TaskError that names the failing line of the Dockerfile, with the last lines of its output as details
 */
export async function buildWithDocker(
  docker: DockerCli,
  build: Request,
  { tempFolder, log }: { tempFolder: string; log: Logger },
): Promise<LocalImage | RemoteImage | undefined> {
  const files = {
    folder: new TemporaryFolder(tempFolder, 'build-'),
    idFile: join(tempFolder, 'image-id'),
    metadataFile: join(tempFolder, 'build-metadata.json'),
  };
  try {
    return await buildIn(files, docker, build, log);
  } finally {
    files.folder.remove();
    for (const file of [files.idFile, files.metadataFile]) rmSync(file, { force: true });
  }
}

/** What docker reads and writes besides the context; gone when the build has ended, however it did. */
interface BuildFiles {
  /** For a Dockerfile of the step's own. */
  readonly folder: TemporaryFolder;
  readonly idFile: string;
  readonly metadataFile: string;
}

async function buildIn(
  { folder, idFile, metadataFile }: BuildFiles,
  docker: DockerCli,
  build: Request,
  log: Logger,
): Promise<LocalImage | RemoteImage | undefined> {
  const output = new BuildOutput(build.builder, log);
  let exitCode: number;
  const plan = planFor(build, folder.path);
  // The driver that builds in the engine itself has no such output.
  const pushesByDigest = isForSeveral(plan) && (await findDriver(docker)) !== 'docker';
  if (isForSeveral(plan) && build.push && !pushesByDigest && (build.holdsTags || build.tags.length === 0)) {
    const [reason, remedy] = build.holdsTags
      ? ["Input 'smokeTest' has the image tested before a tag is set", 'Leave it empty']
      : ["Input 'tags' is empty", 'Give one'];
    throw new TaskError(
      `${reason}, but the builder in the engine pushes an image for several platforms by a tag only. ${remedy}, or make another builder in an earlier step, 'docker buildx create --use'.`,
    );
  }
  try {
    exitCode = await docker.stream(
      buildArguments({ ...build, plan, pushesByDigest, idFile, metadataFile }),
      (line, source) => output.read(line, source),
      { ...buildEnvironment(build.builder), ...secretEnvironment(plan) },
    );
  } finally {
    output.end();
  }
  if (exitCode !== 0) throw buildError(output.failure, build, `docker ended with exit code ${exitCode}`);
  const digest = build.builder === 'buildx' ? readDigest(metadataFile) : undefined;
  if (isForSeveral(plan)) return build.push && digest ? { digest } : undefined;
  const id = readIfThere(idFile)?.trim();
  if (!id) {
    throw new TaskError(
      `docker ended well, but did not say which image it built. Check that the docker of this agent is Docker's own, in a version of today.`,
    );
  }
  // Which of the two an engine knows depends on its store, and buildx does not tell.
  const known = digest && digest !== id ? await findImageId(docker, [digest, id]) : id;
  return { id: known ?? id };
}

function readDigest(metadataFile: string): string | undefined {
  const digest = readJsonObject(readIfThere(metadataFile) ?? '')['containerimage.digest'];
  return typeof digest === 'string' ? digest : undefined;
}

/** Arguments that commands get without an `ARG`. */
const UNDECLARED = /^(?:https?|ftp|no|all)_proxy$/i;

/** What docker is to build of a plan, and from which Dockerfile. */
function planFor({ plan, head, builder }: Request, folder: string): BuildPlan {
  if (head !== undefined) {
    const part = { ...plan, labels: {}, target: undefined, arguments: argumentsOf(head, plan) };
    return fromElsewhere(part, head, folder);
  }
  if (builder !== 'legacy' || !mayBuildFromElsewhere(plan, builder)) return plan;
  // There, labels cost less.
  const recipe = withLabelLine(plan.recipe, plan.labels, plan.target);
  return recipe === undefined ? plan : fromElsewhere({ ...plan, labels: {} }, recipe, folder);
}

/** The arguments but for those that only later lines declare, of which docker would warn. */
function argumentsOf(head: string, { recipe, arguments: given }: BuildPlan): BuildPlan['arguments'] {
  const declared = declaredArguments(head);
  const all = declaredArguments(recipe);
  const isForHead = (name: string) => declared.has(name) || !all.has(name) || UNDECLARED.test(name);
  return Object.fromEntries(Object.entries(given).filter(([name]) => isForHead(name)));
}

/** Moves a build to a Dockerfile of the step's own, and the rules beside the old one with it. */
function fromElsewhere(plan: BuildPlan, recipe: string, folder: string): BuildPlan {
  const dockerfile = join(folder, 'Dockerfile');
  writeFileSync(dockerfile, recipe);
  const rules = `${plan.dockerfile}.dockerignore`;
  const ownRules = readIfThere(rules);
  if (ownRules !== undefined) writeFileSync(`${dockerfile}.dockerignore`, ownRules);
  return { ...plan, dockerfile };
}

/**
 * Whether a Dockerfile of the step's own, outside the context, makes no difference. With one, the legacy builder's
 * client writes a new name into the context's `.dockerignore` at every build: where that file becomes part of the
 * image, the layer would never be found in the cache again.
 */
export function mayBuildFromElsewhere(plan: BuildPlan, builder: BuilderKind): boolean {
  const { context, dockerfile, recipe } = plan;
  // Bytes that are no UTF-8 were lost in reading.
  if (recipe.includes('\uFFFD')) return false;
  if (builder !== 'legacy' || !existsSync(join(context, '.dockerignore'))) return true;
  return readIgnoreRules(context, dockerfile, { isLegacy: true }).ignores('.dockerignore');
}

function flags(flag: string, values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([key, value]) => [flag, `${key}=${value}`]);
}
