import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';

/*
 * What an image is made of, for those who build one and those who publish it. Digests and diff ids are written
 * `sha256:<64 hex digits>`.
 */

/** A piece of an image as a manifest refers to it: a blob of a repository. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes as they are stored, that is, compressed. */
  readonly size: number;
  /** Where it lies, if that is not the registry. */
  readonly urls?: readonly string[];
}

/** A manifest as the registry keeps it, byte for byte. */
export interface Manifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly body: Buffer;
  /** Missing in the index of an image for several platforms. */
  readonly config: Descriptor | undefined;
  readonly layers: readonly Descriptor[];
}

/** The image that a Dockerfile's last stage is built on. */
export interface BaseImage {
  /** As the Dockerfile names it, with its registry: `docker.io/library/python:3.12`. */
  readonly name: string;
  readonly digest: string | undefined;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** The settings that containers of an image start with; keys as docker writes them. */
export interface ContainerSettings {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly Healthcheck?: object;
  readonly OnBuild?: readonly string[];
  readonly Shell?: readonly string[];
  /** In seconds. */
  readonly StopTimeout?: number;
  readonly [other: string]: unknown;
}

export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly comment?: string;
  readonly author?: string;
  readonly empty_layer?: boolean;
}

/** An image's configuration, by the OCI image specification and docker's additions to it. */
export interface ImageConfig extends Platform {
  readonly created?: string;
  readonly author?: string;
  readonly config?: ContainerSettings;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly string[] };
  readonly history?: readonly HistoryEntry[];
  readonly [other: string]: unknown;
}

/** A layer whose tar can be made or read here, as often as it takes. */
export interface LocalLayer {
  readonly kind: 'local';
  /** The digest of the uncompressed tar. */
  readonly diffId: string;
  /** Bytes of the uncompressed tar. */
  readonly size: number;
  /** Whether it is still being made: its end is a while away. */
  readonly isComing?: boolean;
  /** The uncompressed tar from byte `start` on; the same bytes each time. Chunks of a megabyte or so are quickest. */
  open(start?: number): Readable;
}

/** A layer that lies in a registry already, and is mounted or copied from there without being unpacked. */
export interface RemoteLayer {
  readonly kind: 'remote';
  readonly diffId: string;
  readonly descriptor: Descriptor;
  /** Where it lies. On the registry that is published to, it is mounted. */
  readonly host: string;
  readonly repository: string;
  /** Whether its bytes are on this machine. */
  readonly isHere?: boolean;
  /** The blob as it is stored, from byte `start` on; used where it can't be mounted. */
  open(start?: number): Promise<Readable>;
}

export type Layer = LocalLayer | RemoteLayer;

/** An image to build on. */
export interface ParentImage {
  /** Of its manifest, or of the index that it was found in, where a registry has it. */
  readonly digest?: string;
  /** By which an engine knows it, where an engine has built it. */
  readonly engineId?: string;
  readonly config: ImageConfig;
  /** From the bottom up, one for each of the configuration's `rootfs.diff_ids`. */
  readonly layers: readonly Layer[];
}

/** An image that is ready to be published. */
export interface OciImage {
  /** The configuration's JSON, byte for byte: its digest is the image's id. */
  readonly config: Buffer;
  /** From the bottom up, one for each of the configuration's `rootfs.diff_ids`. */
  readonly layers: readonly Layer[];
  readonly platform: Platform;
  /** Whether no earlier image has this configuration, so that the registry need not be asked for it. */
  readonly isNew?: boolean;
  /** Removes what its layers are read from, when they have been. */
  close?(): Promise<void>;
}

/** The digest of some bytes: `sha256:<hex>`. */
export function digestOfBytes(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
