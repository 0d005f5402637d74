import { TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import type { Outcome, TaskContext } from '../common/task';
import { formatBytes, plural } from '../common/text';
import { RegistryClient } from './acr/registry';
import { buildWithDocker } from './docker/build';
import { DockerCli } from './docker/cli';
import { withDockerConfig } from './docker/config';
import { describeBuilder, findEngine } from './docker/engine';
import type { Inputs } from './inputs';
import { makePlan, type Plan } from './plan';
import { type Destination, publishWithDocker, verifyTags } from './publish';
import { type ImageReport, imageSize, Phases, summarize } from './report';
import { decideTags } from './tags';

/** Builds an image and publishes it: plan, check, build, push, read back, report. */
export async function buildAndPush(inputs: Inputs, task: TaskContext): Promise<Outcome> {
  const { log, signal, http, tempFolder } = task;
  const { loginServer: host, repository, credentials } = inputs;
  const phases = new Phases();

  const plan = makePlan(inputs, {
    revision: task.variable('Build.SourceVersion'),
    source: task.variable('Build.Repository.Uri'),
    created: new Date(),
  });
  log.info(`Image ${plan.name}, ${plural(plan.tags.length, 'tag')}: ${plan.tags.join(', ')}`);
  for (const remark of plan.remarks) log.info(remark);

  const registry =
    inputs.push && credentials ? new RegistryClient({ http, log, host, repository, credentials }) : undefined;
  const dockerConfig = {
    parentFolder: tempFolder,
    credentials: credentials && { host, ...credentials },
    env: process.env,
    log,
  };
  return withDockerConfig(dockerConfig, async (env) => {
    const docker = new DockerCli({ env, signal, log });
    const report = { name: plan.name, model: inputs.model, phases: phases.done };

    const [engine, destination] = await phases.run('Check', () =>
      Promise.all([
        findEngine(docker, env),
        registry && checkDestination(registry, plan, inputs.ifTagExists, log),
      ]),
    );
    const isThere = destination?.tags.length === 0;
    const tags = destination && !isThere ? destination.tags : plan.tags;
    task.setOutput('imageRef', `${plan.name}:${tags[0]}`);
    task.setOutput('imageTags', tags.join(','));
    task.setOutput('builder', isThere ? 'none' : 'docker');
    if (isThere) {
      const manifest = await destination.registry.manifest(tags[0]!);
      return finish(task, 'found', { ...report, tags, manifest, builder: undefined });
    }

    const builder = describeBuilder(engine);
    log.info(`Building with ${builder}; engine ${engine.serverVersion}, ${engine.platform}.`);
    log.progress(5, 'Building');
    const references = tags.map((tag) => `${plan.name}:${tag}`);
    const image = await phases.run('Build', () =>
      buildWithDocker(docker, { plan: plan.build, builder: engine.builder, references }, { tempFolder, log }),
    );
    log.info(`Image ${image.id}`);
    if (!destination) return finish(task, 'built', { ...report, tags, manifest: undefined, builder });

    log.progress(60, 'Pushing');
    const manifest = await phases.run('Push', () => publishWithDocker(docker, image, destination, task));
    log.progress(95, 'Reading back');
    await phases.run('Read back', () => verifyTags(destination, manifest));
    return finish(task, 'pushed', { ...report, tags, manifest, builder });
  });
}

/** Signs in, makes sure before the build that a push will be let in, and decides which tags to publish. */
async function checkDestination(
  registry: RegistryClient,
  { name, tags }: Plan,
  policy: Inputs['ifTagExists'],
  log: Logger,
): Promise<Destination> {
  await registry.signIn();
  const [digests] = await Promise.all([
    Promise.all(tags.map((tag) => registry.digestOf(tag))),
    registry.checkPush(),
  ]);
  const existing = new Set(tags.filter((_, index) => digests[index] !== undefined));

  const { publish, keep, conflicts } = decideTags(tags, existing, policy);
  if (conflicts.length > 0) {
    throw new TaskError(
      `${conflicts.map((tag) => `${name}:${tag}`).join(' and ')} exists already, and input 'ifTagExists' is 'fail'. Nothing was built. Give a version that is new, or set 'ifTagExists' to 'overwrite' or 'skip'.`,
    );
  }
  for (const [index, tag] of tags.entries()) {
    const fate = keep.includes(tag) ? 'stays as it is' : 'will move to the new image';
    if (digests[index]) log.info(`Tag ${tag} exists and ${fate}: ${digests[index]}`);
  }
  return { registry, name, tags: publish };
}

/** Sets the outputs that the manifest brings, shows the summary, and says what became of the image. */
function finish(
  task: TaskContext,
  result: 'pushed' | 'built' | 'found',
  report: Omit<ImageReport, 'title'>,
): Outcome {
  const { name, tags, manifest } = report;
  const size = manifest && imageSize(manifest);
  if (manifest) {
    task.setOutput('imageDigest', manifest.digest);
    task.setOutput('imageRefByDigest', `${name}@${manifest.digest}`);
    if (size !== undefined) task.setOutput('imageSizeBytes', size);
  }

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
