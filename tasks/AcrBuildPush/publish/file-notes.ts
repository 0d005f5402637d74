import { throwIfCancelled } from '../../common/cancel';
import { describeError } from '../../common/errors';
import { FILE_NOTES, type FreshNotes } from '../build/direct/base-notes';
import type { RegistryClient } from '../registry/client';
import { findReferrers } from '../registry/referrers';
import { type UploadOptions, Uploads } from '../registry/upload';
import { attach, inTime } from './attach';

/**
 * Attaches what has been learnt of base images' files to them, for the next one who builds on them. That spares only
 * time: where the step may not write there, nothing comes of it.
 */
export async function attachFileNotes(
  fresh: readonly FreshNotes[],
  registry: RegistryClient,
  options: UploadOptions,
): Promise<void> {
  const { log, signal } = options;
  for (const { stored, content } of fresh) {
    const { repository, manifest } = stored;
    const owner = registry.sibling(repository, 'pull,push');
    const place = { registry: owner, uploads: new Uploads(owner) };
    const blob = { name: 'The list of files', mediaType: `${FILE_NOTES}+json+gzip`, content };
    const note = async () => {
      const listed = await findReferrers(owner, manifest.digest);
      await attach(manifest, [{ artifactType: FILE_NOTES, blobs: [blob] }], listed, place, options);
    };
    try {
      await inTime(note(), signal);
      log.info(`Noted beside the base image in '${repository}' what is where in it, for builds to come.`);
    } catch (error) {
      throwIfCancelled(signal);
      log.debug(`Nothing was noted beside the base image in '${repository}': ${describeError(error)}`);
    } finally {
      await place.uploads.close();
    }
  }
}
