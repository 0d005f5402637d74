import { sleep } from '../../common/cancel';
import { TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { Patience } from '../../common/retry';
import type { DockerCli } from '../docker/cli';
import { describeImage, type EngineImage } from '../docker/engine';
import { explainDockerError } from '../docker/errors';
import type { Manifest } from '../image/image';
import { explainRegistryError, type RegistryContext } from '../registry/errors';
import { type Annotations, annotate } from './annotate';
import { type Destination, lookAgain, type PublishedImage, putManifest } from './destination';

/** How often a push is begun anew with new credentials. */
const MOST_RENEWALS = 3;

/** Failures of a push that may be gone a moment later. */
const TRANSIENT =
  /\bEOF\b|connection reset|connection refused|broken pipe|i\/o timeout|TLS handshake timeout|Client\.Timeout|deadline exceeded|request canceled|closed network connection|server misbehaving|toomanyrequests|blob upload (?:unknown|invalid)|unknown blob|\b(?:408|429|500|502|503|504)\b/i;

/** Lines about layers that wait for their turn. */
const WAITING = /^[0-9a-f]{12}: (?:Preparing|Waiting)\s*$/;

/** What docker said of a push. */
export interface PushReport {
  /** Of the manifest; undefined where docker does not say. */
  readonly digest: string | undefined;
  /** The layers that were sent, by the first digits of their ids. */
  readonly sentLayers: ReadonlySet<string>;
}

/** What registries say when credentials have run out, as tokens do during a long push. */
const UNAUTHORIZED =
  /unauthorized|authentication required|no basic auth|token (?:has )?expired|invalid[_ ]token/i;

export interface DockerPush {
  /** The full name, with the tag. */
  readonly reference: string;
  readonly registry: RegistryContext;
}

export interface PushOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Gives docker new credentials; false where there are none. */
  readonly renewCredentials?: () => Promise<boolean>;
  /** Called with an image in the engine's hands before it is pushed under a tag. */
  readonly beforeTag?: (image: string) => Promise<void>;
  readonly sleep?: typeof sleep;
}

/**
 * Pushes an image with the docker CLI. The whole push is repeated when its connection fails: layers that have
 * arrived are not sent again.
 *
 * @throws TaskError that says why the registry refused
 */
export async function pushWithDocker(
  docker: DockerCli,
  push: DockerPush,
  options: PushOptions,
): Promise<PushReport> {
  const sentLayers = new Set<string>();
  const patience = new Patience();
  let renewals = 0;
  for (;;) {
    const output: string[] = [];
    const before = sentLayers.size;
    const exitCode = await docker.stream(['push', push.reference], (line) => {
      if (!line.trim() || WAITING.test(line)) return;
      options.log.info(line);
      output.push(line);
      const sent = /^([0-9a-f]{12}): Pushed\s*$/.exec(line)?.[1];
      if (sent) sentLayers.add(sent);
    });
    const text = output.join('\n');
    if (exitCode === 0) return { digest: parseDigest(text), sentLayers };
    if (UNAUTHORIZED.test(text) && renewals < MOST_RENEWALS && (await options.renewCredentials?.())) {
      renewals += 1;
      options.log.info('The credentials had run out. Going on with new ones.');
      continue;
    }
    if (sentLayers.size > before) patience.renew();
    const wait = TRANSIENT.test(text) ? patience.next(0) : undefined;
    if (wait === undefined) throw pushError(text, push, exitCode, patience.failures);

    options.log.info(`The push broke off. Trying again in ${(wait / 1000).toFixed(1)} s.`);
    await (options.sleep ?? sleep)(wait, options.signal);
  }
}

/** The digest in the last line of docker's output: `1.0.0: digest: sha256:… size: 739`. */
export function parseDigest(output: string): string | undefined {
  return /^\S+: digest: (sha256:[0-9a-f]{64}) size: \d+\s*$/m.exec(output)?.[1];
}

function pushError(output: string, push: DockerPush, exitCode: number, tries: number): TaskError {
  const known = explainRegistryError(output, push.registry) ?? explainDockerError(output);
  const after = tries > 1 ? ` after ${tries} tries` : '';
  return new TaskError(
    known ??
      `The image was built, but docker did not push it${after} (exit code ${exitCode}). What it said stands above this message.`,
    { details: output.split('\n').slice(-5) },
  );
}

/** Pushes an image by docker under its first tag, and sets the others. */
export async function pushEngineImage(
  { id, docker }: EngineImage,
  annotations: Annotations,
  destination: Destination,
  options: PushOptions,
): Promise<PublishedImage> {
  const { registry, name, tags } = destination;
  const [first] = await lookAgain(destination, new Set(), options.log);
  const tag = first?.tag;
  if (tag === undefined) {
    const [reason, remedy] =
      tags.length === 0
        ? ["input 'tags' is empty", 'Give one']
        : ['another run has set them all meanwhile', 'Run the step again, which finds them there'];
    throw new TaskError(
      `Docker has to push the image, and can do that only under a tag, but ${reason}. ${remedy}.`,
    );
  }
  await options.beforeTag?.(id);
  const reference = `${name}:${tag}`;
  const { digest, sentLayers } = await pushWithDocker(docker, { reference, registry }, options);
  const pushed = await registry.manifest(digest ?? tag);
  // Engines differ in what they call an image's id: the digest of its configuration, or of its manifest.
  if (id !== pushed.config?.digest && id !== pushed.digest) {
    throw new TaskError(
      `${reference} is another image in the registry than the one that was built (${id}). Another run may have pushed at the same time: run the step again.`,
    );
  }
  const wasSent = await sentTest(docker, id, pushed, sentLayers);
  const manifest = annotate(pushed, annotations);
  // Docker has set the first tag already, though to a manifest without annotations.
  if (manifest !== pushed) await putManifest(registry, manifest, manifest.digest, options);
  const sent = wasSent && manifest.layers.filter((_, index) => wasSent(index));
  // Docker says nothing of the configuration, which is new in nearly every build.
  const blobs = sent && manifest.config ? [...sent, manifest.config] : sent;
  return {
    manifest,
    sent: blobs && new Set(blobs.map((blob) => blob.digest)),
    pushed: { digest: pushed.digest, tag },
  };
}

/** Tells by its place in the manifest whether a layer was sent; undefined where docker does not say. */
async function sentTest(
  docker: DockerCli,
  id: string,
  { layers }: Manifest,
  sentLayers: ReadonlySet<string>,
): Promise<((index: number) => boolean) | undefined> {
  if (sentLayers.size === 0 || sentLayers.size === layers.length) return () => sentLayers.size > 0;
  // Docker names layers by their ids, a registry by their digests; both lists have the same order.
  const { diffIds } = await describeImage(docker, id);
  if (diffIds.length !== layers.length) return undefined;
  return (index) => sentLayers.has(diffIds[index]!.replace('sha256:', '').slice(0, 12));
}
