import { awaitedLater } from '../common/awaited-later';
import type { Outcome, TaskContext } from '../common/task';
import { CONFIG_VARIABLE, withDockerConfig } from './docker/config';
import { CONTAINER_VARIABLE } from './docker/container';
import { dockerLogin } from './docker/logins';
import { apiHostOf, type ImageName, referenceOf } from './image/image-name';
import type { Inputs } from './inputs';
import { announce, finish, finishFound, referenceTo, setImageOutputs } from './outcome';
import { showChain } from './provenance/record';
import { copyImage } from './publish/copy-image';
import { checkDestination, lockTags, setTags, verifyTags } from './publish/destination';
import { RegistryClient } from './registry/client';
import { type CredentialSource, credentialsOf, EntraCredentials } from './registry/credentials';
import { EarlierImages } from './registry/earlier-images';
import { isAzureServer } from './registry/names';
import { Uploads } from './registry/upload';
import { Phases } from './report';
import { SmokeTest } from './smoke-test/smoke-test';

/** Brings an image that was built before to where the step publishes: check, copy, test, tag, read back, lock, report. */
export async function promote(inputs: Inputs, image: ImageName, task: TaskContext): Promise<Outcome> {
  const { log, signal, http } = task;
  const { loginServer: host, repository, identity, tags, ifTagExists, lockTag } = inputs;
  const phases = new Phases(log);
  const name = `${host}/${repository}`;
  const names = tags.map(({ tag }) => tag);
  announce(log, name, names, inputs.tagRemarks);

  const credentials = identity && credentialsOf(host, identity, task);
  const registry = new RegistryClient({ http, log, host, repository, credentials });
  const uploads = new Uploads(registry);
  const sourceHost = apiHostOf(image.registry);
  const source =
    sourceHost === host
      ? registry.sibling(image.repository, { isSource: true })
      : new RegistryClient({
          http,
          log,
          host: sourceHost,
          repository: image.repository,
          access: 'pull',
          isSource: true,
          credentials: sourceCredentials(inputs, sourceHost, task),
        });
  const earlier = new EarlierImages(registry, names);
  const dockerConfig = {
    parentFolder: task.tempFolder,
    env: process.env,
    log,
    onCreate: (folder: string) => task.setTaskVariable(CONFIG_VARIABLE, folder),
  };
  return withDockerConfig(dockerConfig, async ({ env, signIn }) => {
    const smokeTest = new SmokeTest(inputs.smokeTest, {
      log,
      signal,
      env,
      client: inputs.docker,
      onContainer: (container) => task.setTaskVariable(CONTAINER_VARIABLE, container),
    });
    const [destination] = await phases.run('Check', () =>
      Promise.all([
        checkDestination(registry, uploads, earlier, { name, tags, ifTagExists, lockTag }, log),
        smokeTest.prepare(),
      ]),
    );
    const from = `${image.registry}/${image.repository}@${referenceOf(image)}`;
    const report = { name, model: inputs.model, base: undefined, phases: phases.done, builder: undefined };
    task.setOutput('builder', 'none');
    if (destination.tags.length === 0 && names.length > 0)
      return await finishFound(task, registry, names, report);

    log.info(`Copying ${from}.`);
    log.progress(10, 'Copying');
    const copied = await phases.run('Copy', () =>
      copyImage(source, referenceOf(image), destination, { log, signal }),
    );
    const { manifest, sent } = copied;
    setImageOutputs(task, { ...report, tags: [], manifest, sent });
    const chain = awaitedLater(showChain(destination, manifest));
    if (smokeTest.isDue) {
      if (credentials) signIn({ host, ...(await credentials.current()) });
      await verifyTags(destination, [], manifest, { log, signal });
      await phases.run('Smoke test', () => smokeTest.run(`${name}@${manifest.digest}`));
    }
    const set = await phases.run('Tag', () => setTags(copied, destination, { log, signal }));
    if (set.length === 0 && names.length > 0) return await finishFound(task, registry, names, report);
    log.progress(95, 'Reading back');
    await phases.run('Read back', () => verifyTags(destination, set, manifest, { log, signal }));
    const promoted = { ...report, tags: set.map(({ tag }) => tag), manifest, sent, chain: await chain };
    task.setOutput('imageRef', referenceTo(promoted));
    task.setOutput('imageTags', promoted.tags.join(','));
    if (lockTag) await phases.run('Lock', () => lockTags(destination, set, log));
    return finish(task, 'copied', promoted);
  }).finally(() => uploads.close());
}

/** An identity in Azure may read in other registries of Azure; else a login of docker counts. */
function sourceCredentials(
  { identity }: Inputs,
  host: string,
  task: TaskContext,
): CredentialSource | undefined {
  const login = dockerLogin(process.env, host, task.log);
  if (login) return login;
  return identity?.kind === 'azure' && isAzureServer(host)
    ? new EntraCredentials(host, identity.connection, task)
    : undefined;
}
