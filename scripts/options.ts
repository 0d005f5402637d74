import { parseArgs } from 'node:util';
import { type Identity, identityOf, type Manifest } from './identity';
import { checkRepository } from './links';
import { parseVersion } from './versions';

/** What kind of package is wanted. */
export interface PackageOptions {
  readonly identity: Identity;
  /** Of a build for development, in place of the one that the files name. */
  readonly version: string | undefined;
  /** Address of the repository that the Marketplace's page leads to. */
  readonly repository: string | undefined;
  readonly public: boolean;
}

/** What `npm run package` and `npm run publish` both take. */
export const PACKAGE_OPTIONS = {
  publisher: { type: 'string' },
  'extension-id': { type: 'string' },
  dev: { type: 'boolean' },
  version: { type: 'string' },
  repository: { type: 'string' },
  public: { type: 'boolean' },
} as const;

interface GivenOptions {
  readonly publisher?: string;
  readonly 'extension-id'?: string;
  readonly dev?: boolean;
  readonly version?: string;
  readonly repository?: string;
  readonly public?: boolean;
}

/** @throws when an option is no option, has no good value, or does not go with another */
export function readPackageOptions(
  args: readonly string[],
  manifest: Pick<Manifest, 'publisher' | 'id'>,
): { readonly options: PackageOptions; readonly folder: string | undefined } {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: PACKAGE_OPTIONS,
    allowPositionals: true,
  });
  if (positionals.length > 1) throw new Error(`One folder is enough: ${positionals.join(', ')}`);
  return { options: packageOptions(values, manifest), folder: positionals[0] };
}

/** @throws as {@link readPackageOptions} does */
export function packageOptions(
  given: GivenOptions,
  manifest: Pick<Manifest, 'publisher' | 'id'>,
): PackageOptions {
  if (given.version !== undefined) {
    if (!given.dev) {
      throw new Error(
        '--version is for builds with --dev. The version of a release stands in the files: npm run set-version -- <version>',
      );
    }
    parseVersion(given.version);
  }
  if (given.public && given.dev) throw new Error('A build with --dev is not for the public.');
  return {
    identity: identityOf(manifest, {
      ...(given.publisher !== undefined && { publisher: given.publisher }),
      ...(given['extension-id'] !== undefined && { extensionId: given['extension-id'] }),
      ...(given.dev && { dev: true }),
    }),
    version: given.version,
    repository: checkRepository(given.repository),
    public: given.public ?? false,
  };
}
