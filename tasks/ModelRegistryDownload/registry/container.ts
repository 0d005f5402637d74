import type { NetworkSettings } from '../../common/network';
import type { RegistryCredential } from './credential';
import type { Idle, Stop } from './http/answer';
import type { Connection } from './persist';

export interface RegistrySettings {
  readonly account: string;
  readonly credential: RegistryCredential;
  /** The account's Blob endpoint, without a slash at its end. */
  readonly endpoint: string;
  readonly container: string;
  readonly network: NetworkSettings;
}

/** One blob as a listing tells it. */
export interface ListedBlob {
  readonly name: string;
  readonly size: number;
  /**
   * What tells this state of it from every other: its ETag, without the quotes that it has in headers; where a registry has
   * none, the time of its last change.
   */
  readonly etag: string;
  /** The MD5 that whoever wrote the blob stored with it, in hexadecimal digits. */
  readonly md5: string | null;
  readonly lastModified: Date;
  readonly tier: string | undefined;
  /** Such as `rehydrate-pending-to-hot`, for a blob on its way out of the archive tier. */
  readonly rehydration: string | undefined;
  /** Whether it stands for a folder of an account with a hierarchical namespace. */
  readonly isFolder: boolean;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Where the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

/** A blob in one of its states. */
export interface BlobGeneration {
  readonly name: string;
  /** Of all of it, in bytes. */
  readonly size: number;
  readonly etag: string;
}

/** A part of a blob, in bytes. */
export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** What takes a part of a blob as it comes. */
export interface RangeReceiver {
  /** The answer has begun. */
  begin(): void;
  /** Gets the next piece, which is good only until the call returns. */
  take(piece: Buffer): void;
}

/** By what length and state are known to be right of every file that came. */
export type LeastProof = 'length and ETag' | 'length and time';

/** What holds a model's versions, as far as a download needs to know. Each call that lists or reads makes one request. */
export interface ModelContainer {
  /** As messages name it: `container 'titanic' of storage account 'contoso'`. */
  readonly place: string;
  readonly leastProof: LeastProof;
  /** What an error of the registry means for the reader, and what to do about it; other errors come back as they are. */
  explain(error: unknown): unknown;
  /**
   * Finds the best way to some files before they are read.
   *
   * @returns how many requests may be made at a time; undefined where the registry sets no limit
   */
  prepare?(blobs: readonly BlobGeneration[], connection: Connection): Promise<number | undefined>;
  /** The MD5 of a blob in hexadecimal digits, as answers to {@link read} told it where listings tell none. */
  toldMd5?(name: string): string | null;
  listBlobs(prefix: string, from: string | undefined, idle: Idle): Promise<Page<ListedBlob>>;
  /** The names directly under a prefix that have something under them, without the prefix and slash. */
  listFolders(prefix: string, from: string | undefined, idle: Idle): Promise<Page<string>>;
  /**
   * Brings a part of a blob, if the blob is still the one with this ETag.
   *
   * @throws MovedError or the service's 412 when it is not
   */
  read(blob: BlobGeneration, range: Range, receiver: RangeReceiver, stop: Stop): Promise<void>;
  /**
   * As {@link read}, for at most 4 MiB. Where a registry tells no CRC64, there is none.
   *
   * @returns the CRC64 that the service tells of the part, in Base64
   */
  readChecked(
    blob: BlobGeneration,
    range: Range,
    receiver: RangeReceiver,
    stop: Stop,
  ): Promise<string | undefined>;
  close(): void;
}

/** The most that the service gives at once. */
export const PAGE_SIZE = 5_000;
