import { throwIfCancelled } from '../../common/cancel';
import { describeError, TaskError } from '../../common/errors';
import type { Logger } from '../../common/log';
import { ONE_TRY } from '../../common/retry';
import { inTime } from '../../common/time-limit';
import { BrokenNote } from '../files/noted-file';
import { digestOfBytes } from '../image/image';
import type { ImageSource } from '../registry/pull';
import { findReferrers, readAttachedBlob } from '../registry/referrers';
import { type BaseContents, decodeContents, LARGEST_CONTENTS } from './contents';

/** The artifact type of a note, and the type of its one blob. What it says is written anew under another one. */
export const BASE_NOTE = 'application/vnd.model-pipelines.base-image-contents.v1+json';

/** Milliseconds that are spent on finding a note by default: reading the layers themselves takes longer. */
const FIND_LIMIT = 5_000;

/** Notes on one image that are looked at. There is one, unless somebody meddles. */
const MOST_NOTES = 4;

/** A base image whose layers this step has read, and what is in them. */
export interface ReadBase extends Pick<ImageSource, 'manifest' | 'registry'> {
  readonly contents: BaseContents;
}

export interface BaseNotesOptions {
  /**
   * Whether notes count that lie in registries. Who may write them may also have a tag name another image; but what is
   * signed here must not depend on them.
   */
  readonly isTrusting: boolean;
  /** Milliseconds that are spent on finding a note. */
  readonly limit?: number;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * What is noted beside base images in their registries: whoever has read one spares everybody else to do so, in whatever
 * repository and on whatever agent.
 */
export class BaseNotes {
  /** Base images that this step has read. */
  readonly read: ReadBase[] = [];

  constructor(private readonly options: BaseNotesOptions) {}

  /** Keeps what was read, to be noted when there is time. */
  keep({ manifest, registry }: ImageSource, contents: BaseContents): void {
    this.read.push({ manifest, registry, contents });
  }

  /**
   * What is noted about a base image.
   *
   * @param layers its diff ids
   * @returns undefined where nothing is, and where it does not count
   */
  async find(base: ImageSource, layers: readonly string[]): Promise<BaseContents | undefined> {
    const { isTrusting, limit = FIND_LIMIT, log, signal } = this.options;
    // A digest says what an image is, whoever may write beside it.
    if (!isTrusting || base.isPinned) return undefined;
    try {
      return await inTime(this.look(base, layers), signal, limit);
    } catch (error) {
      throwIfCancelled(signal);
      if (!(error instanceof TaskError)) throw error;
      log.debug(`What is noted beside the base image is not known: ${describeError(error)}`);
      return undefined;
    }
  }

  private async look(
    { manifest, registry }: ImageSource,
    layers: readonly string[],
  ): Promise<BaseContents | undefined> {
    const { log } = this.options;
    const hurried = registry.impatient({ retry: ONE_TRY, idleTimeout: FIND_LIMIT });
    const listed = await findReferrers(hurried, manifest.digest, ONE_TRY);
    const notes = listed.filter(({ artifactType }) => artifactType === BASE_NOTE).slice(0, MOST_NOTES);
    const found = new Map<string, BaseContents>();
    for (const note of notes) {
      const blob = await readAttachedBlob(hurried, note, ({ size }) => size <= LARGEST_CONTENTS);
      if (!blob) continue;
      try {
        found.set(digestOfBytes(blob.content), decodeContents(blob.content, layers));
      } catch (error) {
        if (!(error instanceof BrokenNote)) throw error;
        log.debug(`Note ${note.digest} beside the base image does not count: ${error.message}`);
      }
    }
    if (found.size > 1) log.debug('The notes beside the base image contradict each other, so none counts.');
    return found.size === 1 ? [...found.values()][0] : undefined;
  }
}
