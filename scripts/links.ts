import type { Manifest } from './identity';

/**
 * The manifest with links that lead into a repository, since those that it is written with are paths in any clone.
 * Without a repository it has none: a link that leads nowhere, or to somebody else's support, is worse.
 */
export function linkedTo(manifest: Manifest, repository: string | undefined): Manifest {
  const { links = {}, ...rest } = manifest;
  if (repository === undefined) return rest;
  const url = repository.replace(/\/+$|\.git$/g, '');
  return {
    ...rest,
    repository: { type: 'git', url },
    links: Object.fromEntries(
      Object.entries(links).map(([name, { uri }]) => [name, { uri: addressOf(uri, url) }]),
    ),
  };
}

/** The page of a file on a repository's default branch. */
function addressOf(file: string, repository: string): string {
  const { host } = new URL(repository);
  if (host === 'dev.azure.com' || host.endsWith('.visualstudio.com')) return `${repository}?path=/${file}`;
  return host.startsWith('gitlab.') ? `${repository}/-/blob/HEAD/${file}` : `${repository}/blob/HEAD/${file}`;
}

/** @throws when it is no address that a reader of the Marketplace's page can follow */
export function checkRepository(repository: string | undefined): string | undefined {
  if (repository === undefined || /^https:\/\/[^/@\s]+\/\S+$/.test(repository)) return repository;
  throw new Error(
    `--repository '${repository}' is no address of a repository, such as https://github.com/you/your-fork.`,
  );
}
