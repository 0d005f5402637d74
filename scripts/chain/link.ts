import type { TrustedKeys } from '../../tasks/ModelRegistryDownload/signature/trusted-keys';

/** A part of the way from an image back to its notebook. */
export interface Link {
  readonly what: string;
  readonly detail: string;
  /**
   * `verified`: a digest or signature was computed here and is right. `stated`: somebody says so, and nothing here can tell.
   * `wrong`: it contradicts something. `missing`: nobody says it.
   */
  readonly state: 'verified' | 'stated' | 'wrong' | 'missing';
}

export interface ChainOptions {
  /** Of those who sign what is attached to images; none where nobody is trusted. */
  readonly imageKeys: TrustedKeys;
  readonly modelKeys: TrustedKeys;
  /** A checkout in which the notebook is looked for; undefined where there is none. */
  readonly sources: string | undefined;
}

/** Something that went into an image, as its provenance names it. */
export interface Dependency {
  readonly name?: string;
  readonly uri?: string;
  readonly digest?: Readonly<Record<string, string>>;
}

export function isTrusting({ keys, certificates }: TrustedKeys): boolean {
  return keys.length + certificates.length > 0;
}
