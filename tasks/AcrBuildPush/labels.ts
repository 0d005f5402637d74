/** Which model an image holds, from the manifest that ModelRegistryDownload writes beside the model. */
export interface ModelProvenance {
  readonly name: string;
  readonly version: string;
  /** One digest over all files of the model, `sha256:…`. */
  readonly digest: string;
}

/** Where an image comes from. */
export interface Origin {
  /** The commit. */
  readonly revision: string | undefined;
  /** The repository of the sources. */
  readonly source: string | undefined;
  readonly created: Date;
}

/**
 * Reads a model's manifest.
 *
 * @throws Error when it is not one
 */
export function parseModelManifest(text: string): ModelProvenance {
  const manifest: unknown = JSON.parse(text);
  const { name, version, digest } = (manifest ?? {}) as Partial<Record<keyof ModelProvenance, unknown>>;
  if (typeof name !== 'string' || typeof version !== 'string' || typeof digest !== 'string') {
    throw new Error("it has no 'name', 'version' and 'digest'");
  }
  return { name, version, digest };
}

/**
 * The labels of an image: those that the OCI image specification gives a meaning, those of the model in it, and the
 * user's own, which win.
 */
export function imageLabels(
  version: string,
  origin: Origin,
  model: ModelProvenance | undefined,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    'org.opencontainers.image.version': version,
    ...(origin.revision && { 'org.opencontainers.image.revision': origin.revision }),
    ...(origin.source && { 'org.opencontainers.image.source': withoutUser(origin.source) }),
    'org.opencontainers.image.created': origin.created.toISOString(),
    ...(model && {
      'model.name': model.name,
      'model.version': model.version,
      'model.digest': model.digest,
    }),
    ...own,
  };
}

/** Clone addresses may hold a user's name, or worse, a token. */
function withoutUser(address: string): string {
  return address.replace(/^(\w+:\/\/)[^/@]*@/, '$1');
}
