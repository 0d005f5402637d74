/** A component as CycloneDX has it. */
export interface Component {
  readonly type: string;
  /** What others in the document refer to it by. */
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly [other: string]: unknown;
}

/** A fact that CycloneDX has no place of its own for. */
export interface Property {
  readonly name: string;
  readonly value: string;
}

export function property(name: string, value: string): Property {
  return { name, value };
}

/** CycloneDX's names of the algorithms of digests. */
const ALGORITHMS: Readonly<Record<string, string>> = {
  sha256: 'SHA-256',
  sha384: 'SHA-384',
  sha512: 'SHA-512',
};

/** A digest, `sha256:<hex>`, as CycloneDX has it. */
export function hashesOf(digest: string): readonly { readonly alg: string; readonly content: string }[] {
  const [algorithm = '', content = ''] = digest.split(':');
  const alg = ALGORITHMS[algorithm];
  return alg && /^[0-9a-f]+$/.test(content) ? [{ alg, content }] : [];
}
