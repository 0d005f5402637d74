import { throwIfCancelled } from '../../common/cancel';
import { describeError, TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { ONE_TRY } from '../../common/retry';
import { inTime } from '../../common/time-limit';
import { BASE_NOTE, type ReadBase } from '../base-notes/base-notes';
import { encodeContents } from '../base-notes/contents';
import type { RegistryClient } from '../registry/client';
import { findReferrers } from '../registry/referrers';
import { Uploads } from '../registry/upload';
import { attach } from './attach';

export interface NoteOptions {
  /** Milliseconds that a note may take. */
  readonly limit?: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Milliseconds that a note may take by default: it is for others, and the step can do without. */
const NOTE_LIMIT = 10_000;

/**
 * Notes what is in base images beside them, where they lie in the step's own registry and it lets the step write there.
 * Where it does not, nothing is amiss: nobody has asked for it.
 *
 * @param registry that of the step
 */
export async function noteBases(
  bases: readonly ReadBase[],
  registry: RegistryClient,
  options: NoteOptions,
): Promise<void> {
  const near = bases.filter((base) => base.registry.host === registry.host);
  await Promise.all(near.map((base) => noteBase(base, registry, options)));
}

async function noteBase(
  base: ReadBase,
  registry: RegistryClient,
  { limit = NOTE_LIMIT, log, signal }: NoteOptions,
) {
  const { repository } = base.registry;
  const stop = new AbortController();
  // What goes wrong here is nobody's trouble.
  const quiet = { ...log, info: log.debug, warning: log.debug };
  const options = { log: quiet, signal: AbortSignal.any([signal, stop.signal]) };
  try {
    const digest = await inTime(attachNote(base, registry, options), signal, limit);
    if (digest) {
      log.info(`Noted what is in the base image beside it, in repository '${repository}': ${digest}`);
    }
  } catch (error) {
    throwIfCancelled(signal);
    if (!(error instanceof TaskError)) throw error;
    log.debug(
      `What is in the base image is not noted in repository '${repository}': ${describeError(error)}`,
    );
  } finally {
    stop.abort();
  }
}

/** @returns the digest of the note; undefined where it was there */
async function attachNote(
  { manifest, contents, registry: { repository } }: ReadBase,
  registry: RegistryClient,
  options: NoteOptions,
): Promise<string | undefined> {
  const content = encodeContents(contents);
  if (!content) throw new TaskError('it has too many files');
  const place = registry.sibling(repository, {
    access: 'pull,push',
    patience: { retry: ONE_TRY, idleTimeout: NOTE_LIMIT },
  });
  await place.signIn();
  const uploads = new Uploads(place);
  try {
    const listed = await findReferrers(place, manifest.digest, ONE_TRY);
    const blob = { name: 'The note on the base image', mediaType: BASE_NOTE, content };
    const attachment = { artifactType: BASE_NOTE, blobs: [blob] };
    const [attached] = await attach(manifest, [attachment], listed, { registry: place, uploads }, options);
    return attached!.wasThere ? undefined : attached!.digest;
  } finally {
    await uploads.close();
  }
}
