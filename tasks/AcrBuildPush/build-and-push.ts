import { TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import type { Outcome, TaskContext } from '../common/task';
import { formatBytes, plural } from '../common/text';
import { prepareBuilder } from './build/choose-builder';
import { CONFIG_VARIABLE, withDockerConfig } from './docker/config';
import type { Inputs } from './inputs';
import { imageAnnotations } from './labels';
import { makePlan, type Plan } from './plan';
import { type Destination, lockTags, verifyTags } from './publish/destination';
import { publish } from './publish/publish';
import { RegistryClient } from './registry/client';
import {
  type CredentialSource,
  EntraCredentials,
  fixedCredentials,
  type Identity,
} from './registry/credentials';
import { EarlierImages } from './registry/earlier-images';
import { findKnownLayers, type KnownLayers } from './registry/known-layers';
import { readTagLock } from './registry/locks';
import { Uploads } from './registry/upload';
import { type ImageReport, imageSize, Phases, summarize, uploadedSize } from './report';
import { decideTags } from './tags';

/** Builds an image and publishes it: plan, check, build, push, read back, lock, report. */
export async function buildAndPush(inputs: Inputs, task: TaskContext): Promise<Outcome> {
  const { log, signal, http, tempFolder } = task;
  const { loginServer: host, repository, identity } = inputs;
  const phases = new Phases(log);

  const plan = makePlan(inputs, {
    revision: task.variable('Build.SourceVersion'),
    source: task.variable('Build.Repository.Uri'),
    created: new Date(),
  });
  const names = plan.tags.map(({ tag }) => tag);
  log.info(`Image ${plan.name}, ${plural(names.length, 'tag')}: ${names.join(', ')}`);
  for (const remark of plan.remarks) log.info(remark);

  const credentials = identity && credentialSource(host, identity, task);
  const access = inputs.push ? 'pull,push' : 'pull';
  const registry = new RegistryClient({ http, log, host, repository, credentials, access });
  const uploads = new Uploads(registry);
  const earlier = new EarlierImages(registry, names);
  // The check awaits it. It is on its way while the rest gets ready.
  if (inputs.push) registry.signIn().catch(() => undefined);
  const dockerConfig = {
    parentFolder: tempFolder,
    env: process.env,
    log,
    onCreate: (folder: string) => task.setTaskVariable(CONFIG_VARIABLE, folder),
  };
  return withDockerConfig(dockerConfig, async ({ env, signIn }) => {
    const [destination, builder] = await phases.run('Check', () =>
      Promise.all([
        inputs.push ? checkDestination(registry, uploads, earlier, plan, inputs, log) : undefined,
        prepareBuilder({ ...inputs, credentials, registry, earlier }, plan, env, task),
      ]),
    );
    if (credentials) signIn({ host, ...(await credentials.current()) });
    const { base, labels } = builder.plan;
    const report = { name: plan.name, model: inputs.model, base, phases: phases.done };

    const isThere = destination?.tags.length === 0;
    const tags = (destination && !isThere ? destination.tags : plan.tags).map(({ tag }) => tag);
    task.setOutput('imageRef', `${plan.name}:${tags[0]}`);
    task.setOutput('imageTags', tags.join(','));
    task.setOutput('builder', isThere ? 'none' : builder.kind);
    if (isThere) {
      const manifest = await destination.registry.manifest(tags[0]!);
      const found = { ...report, tags, manifest, builder: undefined, sent: new Set<string>() };
      setImageOutputs(task, found);
      return finish(task, 'found', found);
    }

    // Who builds directly has read the base image.
    const unread = builder.kind === 'direct' ? undefined : base;
    const known: Promise<KnownLayers> = destination
      ? findKnownLayers(registry, earlier, unread)
      : Promise.resolve(new Map());
    // It is awaited after the build; until then its failure is not unheard of.
    known.catch(() => undefined);
    log.info(`Building with ${builder.description}.`);
    log.progress(5, 'Building');
    const image = await phases.run('Build', () => builder.build(tags, known));
    if ('id' in image) log.info(`Image ${image.id}`);
    const built = { ...report, tags, builder: builder.description };
    if (!destination) return finish(task, 'built', { ...built, manifest: undefined, sent: undefined });

    log.progress(60, 'Pushing');
    const renewCredentials = async () => {
      const renewed = await credentials?.renewed();
      if (renewed) signIn({ host, ...renewed });
      return renewed !== undefined;
    };
    const { manifest, sent } = await phases.run('Push', () =>
      publish(image, imageAnnotations(labels), destination, {
        log,
        signal,
        renewCredentials,
        compression: inputs.compression,
        known,
        tempFolder,
      }),
    );
    log.progress(95, 'Reading back');
    await phases.run('Read back', () => verifyTags(destination, manifest));
    const pushed = { ...built, manifest, sent };
    setImageOutputs(task, pushed);
    if (inputs.lockTag) await phases.run('Lock', () => lockTags(destination, log));
    return finish(task, 'pushed', pushed);
  }).finally(() => uploads.close());
}

function credentialSource(host: string, identity: Identity, task: TaskContext): CredentialSource {
  return identity.kind === 'password'
    ? fixedCredentials(host, identity)
    : new EntraCredentials(host, identity.connection, task);
}

/** Signs in, makes sure before the build that a push will be let in, and decides which tags to publish. */
async function checkDestination(
  registry: RegistryClient,
  uploads: Uploads,
  earlier: EarlierImages,
  { name, tags }: Plan,
  { ifTagExists, lockTag }: Pick<Inputs, 'ifTagExists' | 'lockTag'>,
  log: Logger,
): Promise<Destination> {
  await registry.signIn();
  const [states] = await Promise.all([
    Promise.all(tags.map(({ tag }) => tagState(registry, earlier, tag))),
    uploads.check(),
  ]);
  if (lockTag && states.some(({ lock }) => lock === undefined)) {
    throw new TaskError(
      `${registry.host} has no locks for tags, which only Azure Container Registry has. Set input 'lockTag' to false.`,
    );
  }
  const existing = states.filter(({ digest }) => digest !== undefined);
  const { publish, conflicts } = decideTags(tags, new Set(existing.map(({ tag }) => tag)), ifTagExists);
  if (conflicts.length > 0) {
    throw new TaskError(
      `${conflicts.map((tag) => `${name}:${tag}`).join(' and ')} exists already, and input 'ifTagExists' is 'fail'. Nothing was built. Give a version that is new, or set 'ifTagExists' to 'overwrite' or 'skip'.`,
    );
  }
  const locked = existing.find(
    ({ tag, lock }) => lock === 'locked' && publish.some((one) => one.tag === tag),
  );
  if (locked) {
    throw new TaskError(
      `${name}:${locked.tag} exists and is locked, so it can't move to a new image. Nothing was built. Give a version that is new, set input 'ifTagExists' to 'skip', or unlock it: az acr repository update --image ${registry.repository}:${locked.tag} --write-enabled true --delete-enabled true.`,
    );
  }
  for (const { tag, digest, lock } of existing) {
    const fate = publish.some((one) => one.tag === tag) ? 'will move to the new image' : 'stays as it is';
    log.info(`Tag ${tag} exists${lock === 'locked' ? ', is locked,' : ''} and ${fate}: ${digest}`);
  }
  return { registry, uploads, name, tags: publish };
}

/** What the registry has under a tag, and whether it is locked. */
async function tagState(registry: RegistryClient, earlier: EarlierImages, tag: string) {
  const [manifest, lock] = await Promise.all([earlier.manifest(tag), readTagLock(registry, tag)]);
  return { tag, digest: manifest?.digest, lock };
}

/** Sets the outputs that the manifest brings. */
function setImageOutputs(task: TaskContext, report: Omit<ImageReport, 'title'>): void {
  const { name, manifest } = report;
  if (!manifest) return;
  task.setOutput('imageDigest', manifest.digest);
  task.setOutput('imageRefByDigest', `${name}@${manifest.digest}`);
  const size = imageSize(manifest);
  if (size !== undefined) task.setOutput('imageSizeBytes', size);
  const uploaded = uploadedSize(report);
  if (uploaded !== undefined) task.setOutput('uploadedBytes', uploaded);
}

/** Shows the summary, and says what became of the image. */
function finish(
  task: TaskContext,
  result: 'pushed' | 'built' | 'found',
  report: Omit<ImageReport, 'title'>,
): Outcome {
  const { name, tags, manifest } = report;
  const size = manifest && imageSize(manifest);
  const image = `${name}:${tags[0]}`;
  const title = {
    pushed: `Pushed ${image}`,
    built: `Built ${image}; not pushed, as input 'push' asks`,
    found: `${image} exists already; nothing was built, as input 'ifTagExists' asks`,
  }[result];
  task.uploadSummary(`Image ${image.slice(image.indexOf('/') + 1)}`, summarize({ ...report, title }));
  const facts = [manifest?.digest, size !== undefined && formatBytes(size)].filter(Boolean).join(', ');
  return { result: 'Succeeded', message: `${title}${facts && ` (${facts})`}.` };
}
