import type { Badge, Extension, Manifest } from './identity';

/**
 * The manifest with links that lead into a repository, since those that it is written with are paths in any clone.
 * Without a repository it has none: a link that leads nowhere, or to somebody else's support, is worse.
 */
export function linkedTo(manifest: Manifest, repository: string | undefined): Manifest {
  const { links = {}, ...rest } = manifest;
  if (repository === undefined) return rest;
  const url = pageOfRepository(repository);
  return {
    ...rest,
    repository: { type: 'git', uri: url },
    links: Object.fromEntries(
      Object.entries(links).map(([name, { uri }]) => [name, { uri: addressOf(uri, url) }]),
    ),
  };
}

/**
 * The extension whose forms and dialogs lead to its documentation: the pages in a repository, or else the extension's
 * own page in the Marketplace.
 *
 * @param page where they lead as they are written
 */
export function documentedAt(
  { manifest, tasks }: Extension,
  page: string,
  repository: string | undefined,
): Extension {
  const { publisher, id } = manifest;
  const own = marketplacePage({ publisher, id });
  const pageOf = (file: string) =>
    repository === undefined ? own : addressOf(`docs/${file}.md`, pageOfRepository(repository));
  const led = <T>(part: T, to: string): T => JSON.parse(JSON.stringify(part).replaceAll(page, to));
  return {
    manifest: { ...manifest, contributions: led(manifest.contributions, pageOf('DatabricksRunJob')) },
    tasks: Object.fromEntries(
      Object.entries(tasks).map(([folder, task]) => [folder, led(task, pageOf(folder))]),
    ),
  };
}

function marketplacePage({ publisher, id }: Pick<Manifest, 'publisher' | 'id'>): string {
  return `https://marketplace.visualstudio.com/items?itemName=${publisher}.${id}`;
}

/**
 * Version and installations on the Marketplace's page, from a host that it takes badges of. Of a private extension nobody
 * can ask for them.
 */
export function badgesOf(manifest: Pick<Manifest, 'publisher' | 'id'>): Badge[] {
  const item = `${manifest.publisher}.${manifest.id}`;
  const badge = (path: string, description: string): Badge => ({
    uri: `https://img.shields.io/visual-studio-marketplace/${path}/${item}`,
    href: marketplacePage(manifest),
    description,
  });
  return [badge('v', 'Newest version'), badge('azure-devops/installs/total', 'Installations')];
}

/**
 * A page of Markdown whose links lead into a repository, since those that it is written with are paths in any clone. Without a
 * repository they are plain text. Pictures are packed with the page, and stay as they are.
 */
export function pageLinkedTo(page: string, repository: string | undefined): string {
  const url = repository === undefined ? undefined : pageOfRepository(repository);
  return page.replace(/(?<!!)\[([^\]]+)\]\((?![a-z]+:)([^)\s]+)\)/g, (_link, text: string, file: string) =>
    url === undefined ? text : `[${text}](${addressOf(file, url)})`,
  );
}

/** A repository's address as a browser opens it, where people may give the one that git clones. */
function pageOfRepository(repository: string): string {
  return repository.replace(/\/+$/, '').replace(/\.git$/, '');
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
