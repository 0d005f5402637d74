import { awaitedLater } from '../common/awaited-later';
import type { Outcome, TaskContext } from '../common/task';
import { attachStatements } from './attach-statements';
import { BaseNotes } from './base-notes/base-notes';
import { LayerPackages } from './bill-of-materials/layer-packages';
import type { BuiltImage, PreparedBuild } from './build/builder';
import { makeBuilder } from './build/choose-builder';
import { CONFIG_VARIABLE, withDockerConfig } from './docker/config';
import { CONTAINER_VARIABLE } from './docker/container';
import { NAME_VARIABLE } from './docker/pushed-name';
import type { Inputs } from './inputs';
import { imageAnnotations } from './labels';
import { readOrigin } from './origin';
import { announce, finish, finishFound, referenceTo, setImageOutputs } from './outcome';
import { makePlan } from './plan';
import { checkModel, type ModelCheck } from './provenance/check-model';
import { checkDestination, type Destination, lockTags, setTags, verifyTags } from './publish/destination';
import { ImageBill } from './publish/image-bill';
import { noteBases } from './publish/note-bases';
import { publish } from './publish/publish';
import { RegistryClient } from './registry/client';
import { credentialsOf } from './registry/credentials';
import { EarlierImages } from './registry/earlier-images';
import { findKnownLayers, type KnownLayers } from './registry/known-layers';
import { Uploads } from './registry/upload';
import { type ImageReport, Phases } from './report';
import { signedBill } from './signing/bundle';
import { SmokeTest } from './smoke-test/smoke-test';
import { openSigner, type Signer } from './vault/signer';

/** What a step works with, when all that could be wrong has been looked at. */
interface Step {
  readonly inputs: Inputs;
  readonly task: TaskContext;
  readonly phases: Phases;
  readonly started: Date;
  readonly registry: RegistryClient;
  /** Layers that it has. */
  readonly known: Promise<KnownLayers>;
  /** All tags that are asked for, those that stay as they are included. */
  readonly names: readonly string[];
  readonly prepared: PreparedBuild;
  readonly beside: BaseNotes;
  readonly packages: LayerPackages | undefined;
  readonly bill: ImageBill | undefined;
  readonly signer: Signer | undefined;
  readonly modelCheck: Promise<ModelCheck> | undefined;
  readonly smokeTest: SmokeTest;
  /** Gives docker new credentials; false where there are none. */
  readonly renewCredentials: () => Promise<boolean>;
}

/** What is known of an image for its report, when it has been built. */
type Built = Pick<ImageReport, 'name' | 'model' | 'base' | 'phases' | 'tags' | 'builder'>;

/** Builds an image and publishes it: plan, check, build, push, attach, test, tag, read back, lock, report. */
export async function buildAndPush(inputs: Inputs, task: TaskContext): Promise<Outcome> {
  const { log, signal, http, tempFolder } = task;
  const { loginServer: host, repository, identity } = inputs;
  const phases = new Phases(log);
  const started = new Date();

  const plan = makePlan(inputs, await readOrigin(inputs, task));
  const names = plan.tags.map(({ tag }) => tag);
  announce(log, plan.name, names, plan.remarks);

  const credentials = identity && credentialsOf(host, identity, task);
  const access = inputs.push ? 'pull,push' : 'pull';
  const registry = new RegistryClient({ http, log, host, repository, credentials, access });
  const uploads = new Uploads(registry);
  const earlier = new EarlierImages(registry, names);
  // The check awaits it. It is on its way while the rest gets ready.
  if (inputs.push) void awaitedLater(registry.signIn());
  const modelCheck = inputs.push && inputs.model ? checkModel(inputs.model) : undefined;
  const dockerConfig = {
    parentFolder: tempFolder,
    env: process.env,
    log,
    onCreate: (folder: string) => task.setTaskVariable(CONFIG_VARIABLE, folder),
  };
  return withDockerConfig(dockerConfig, async ({ env, signIn }) => {
    const packages = inputs.sbom !== 'off' && inputs.push ? new LayerPackages(log) : undefined;
    const beside = new BaseNotes({ isTrusting: !inputs.signing, log, signal });
    const services = { ...inputs, credentials, registry, earlier, beside, packages, env, task };
    const builder = makeBuilder(inputs.builder, services);
    const renewCredentials = async () => {
      const renewed = await credentials?.renewed();
      if (renewed) signIn({ host, ...renewed });
      return renewed !== undefined;
    };
    const smokeTest = new SmokeTest(inputs.smokeTest, {
      log,
      signal,
      env,
      renewCredentials,
      client: inputs.docker,
      onContainer: (name) => task.setTaskVariable(CONTAINER_VARIABLE, name),
    });
    const [destination, prepared, signer] = await phases.run('Check', () =>
      Promise.all([
        inputs.push ? checkDestination(registry, uploads, earlier, { ...inputs, ...plan }, log) : undefined,
        // One after the other, since both may install docker.
        builder.prepare(plan.build).then(async (ready) => {
          await smokeTest.prepare();
          return ready;
        }),
        inputs.signing && openSigner(inputs.signing, task),
      ]),
    );
    if (credentials) signIn({ host, ...(await credentials.current()) });
    const { base } = prepared.plan;
    const facts = { name: plan.name, model: inputs.model, base, phases: phases.done };
    if (destination?.tags.length === 0 && names.length > 0) {
      task.setOutput('builder', 'none');
      return finishFound(task, registry, names, facts);
    }

    // Who builds directly has read the base image.
    const unread = prepared.kind === 'direct' ? undefined : base;
    const known: Promise<KnownLayers> = destination
      ? awaitedLater(findKnownLayers(registry, earlier, unread))
      : Promise.resolve(new Map());
    const bill =
      packages &&
      new ImageBill({
        registry,
        earlier,
        packages,
        log,
        signal,
        version: task.version,
        // Anybody who may push could have attached what passes for an earlier one, and a signature would vouch for it.
        signedBill: signer && ((bundle, digest) => signedBill(bundle, digest, signer)),
      });
    const ready = {
      prepared,
      known,
      beside,
      packages,
      bill,
      signer,
      modelCheck,
      smokeTest,
      renewCredentials,
    };
    const step: Step = { inputs, task, phases, started, registry, names, ...ready };
    const tags = (destination ?? plan).tags.map(({ tag }) => tag);
    const image = await build(tags, plan.name, step);
    // Told when it is done: what was to be split may have been left to the engine.
    const built = { ...facts, tags, builder: prepared.description };
    return destination && image
      ? publishBuilt(image, built, destination, step)
      : finishUnpublished(image, built, step);
  }).finally(() => uploads.close());
}

/** Builds the image; undefined where nothing is left of it. */
async function build(tags: readonly string[], name: string, step: Step): Promise<BuiltImage | undefined> {
  const { task, phases, prepared, known } = step;
  const { log } = task;
  // An image without tags is known by its digest alone.
  if (tags[0] !== undefined) task.setOutput('imageRef', `${name}:${tags[0]}`);
  task.setOutput('imageTags', tags.join(','));
  task.setOutput('builder', prepared.kind);
  log.info(`Building with ${prepared.description}.`);
  log.progress(5, 'Building');
  const image = await phases.run('Build', () => prepared.build(tags, known));
  if (image && 'id' in image) log.info(`Image ${image.id}`);
  return image;
}

/** Ends with an image that goes nowhere. */
async function finishUnpublished(image: BuiltImage | undefined, built: Built, step: Step): Promise<Outcome> {
  const { task, smokeTest } = step;
  if (image && 'id' in image) await test(image.id, step);
  if (smokeTest.isDue) {
    task.log.warning('The image was not tested: no engine holds one for several platforms.');
  }
  return finish(task, 'built', { ...built, manifest: undefined, sent: undefined });
}

/** Brings an image to its destination, with all that is said of it, and gives it its tags. */
async function publishBuilt(
  image: BuiltImage,
  built: Built,
  destination: Destination,
  step: Step,
): Promise<Outcome> {
  const { inputs, task, phases, registry, prepared, packages, bill, smokeTest } = step;
  const { log, signal, tempFolder } = task;
  if ('layers' in image) bill?.begin(image.layers);
  log.progress(60, 'Pushing');
  const published = await phases.run('Push', () =>
    publish(image, imageAnnotations(prepared.plan.labels), destination, {
      log,
      signal,
      renewCredentials: step.renewCredentials,
      compression: inputs.compression,
      known: step.known,
      packages,
      tempFolder,
      onName: (name) => task.setTaskVariable(NAME_VARIABLE, name),
      beforeTag: (pushed) => test(pushed, step),
    }),
  );
  const { manifest, sent } = published;
  setImageOutputs(task, { ...built, manifest, sent });
  const attests = inputs.attest !== 'off';
  // Nobody waits for it before all else is done.
  const noting = attests
    ? awaitedLater(noteBases(step.beside.read, registry, { log, signal }))
    : Promise.resolve();
  if (attests || bill || smokeTest.isDue) await verifyTags(destination, [], manifest, { log, signal });
  const chain = await attachStatements({ ...step, manifest }, destination, phases, task);
  await test(`${built.name}@${manifest.digest}`, step);
  const set = await phases.run('Tag', () => setTags(published, destination, { log, signal }));
  if (set.length === 0 && built.tags.length > 0) {
    await noting;
    return finishFound(task, registry, step.names, built);
  }
  log.progress(95, 'Reading back');
  await phases.run('Read back', () => verifyTags(destination, set, manifest, { log, signal }));
  const pushed = { ...built, tags: set.map(({ tag }) => tag), manifest, sent, chain };
  if (pushed.tags.length !== built.tags.length) task.setOutput('imageTags', pushed.tags.join(','));
  if (pushed.tags[0] === undefined || pushed.tags[0] !== built.tags[0]) {
    task.setOutput('imageRef', referenceTo(pushed));
  }
  if (inputs.lockTag) await phases.run('Lock', () => lockTags(destination, set, log));
  await noting;
  return finish(task, 'pushed', pushed);
}

/** Has an image tested, unless that was done, or nobody asks for it. */
async function test(image: string, { task, phases, smokeTest }: Step): Promise<void> {
  if (!smokeTest.isDue) return;
  task.log.progress(85, 'Testing');
  await phases.run('Smoke test', () => smokeTest.run(image));
}
