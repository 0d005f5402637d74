import { throwIfCancelled } from '../../common/cancel';
import { describeError, TaskError } from '../../common/errors';
import { inTime } from '../../common/time-limit';
import { CREATED } from '../image/annotations';
import type { Manifest } from '../image/image';
import { IN_TOTO } from '../image/media-types';
import { ATTACH_LIMIT, attach } from '../publish/attach';
import type { Place } from '../publish/destination';
import { findReferrers } from '../registry/referrers';
import type { UploadOptions } from '../registry/send-blob';
import { type Found, PREDICATE_TYPE, readAttached } from './attached';
import { PROVENANCE_TYPE, type Statement, saysTheSame } from './statement';

/**
 * Attaches the statement of an image's provenance to it, unless one that says the same is there: a run that changes nothing
 * adds nothing. An image is of use without, so a registry that takes none is a reason to warn, and none to fail.
 *
 * @returns what lies beside the image now; undefined where the registry took nothing
 */
export async function attestProvenance(
  image: Manifest,
  statement: Statement,
  place: Place,
  options: UploadOptions,
): Promise<Found | undefined> {
  const { log, signal } = options;
  const { host } = place.registry;
  try {
    return await inTime(attachOnce(image, statement, place, options), signal, ATTACH_LIMIT);
  } catch (error) {
    throwIfCancelled(signal);
    if (error instanceof TaskError) for (const detail of error.details) log.info(detail);
    log.warning(
      `${host} did not take the provenance of the image, so nobody can look up there what it was built from: ${describeError(error).replace(/\.$/, '')}. The image itself is complete. Set input 'attest' to off if this registry takes no attachments.`,
    );
    return undefined;
  }
}

async function attachOnce(
  image: Manifest,
  statement: Statement,
  place: Place,
  options: UploadOptions,
): Promise<Found> {
  const listed = await findReferrers(place.registry, image.digest);
  const earlier = await readAttached(place.registry, image.digest, listed);
  const same = earlier.find((one) => saysTheSame(one.statement, statement));
  if (same) {
    options.log.info(`The image has its provenance already: ${same.digest}`);
    return same;
  }
  const content = Buffer.from(JSON.stringify(statement));
  const annotations = {
    [PREDICATE_TYPE]: PROVENANCE_TYPE,
    [CREATED]: statement.predicate.runDetails.metadata.startedOn,
  };
  const blob = {
    name: 'The provenance',
    mediaType: IN_TOTO,
    content,
    annotations: { [PREDICATE_TYPE]: PROVENANCE_TYPE },
    // It has the time in it.
    isNew: true,
  };
  const attachment = { artifactType: IN_TOTO, blobs: [blob], annotations };
  const [attached] = await attach(image, [attachment], listed, place, options);
  options.log.info(`Attached the provenance of the image: ${attached!.digest}`);
  return { statement, digest: attached!.digest };
}
