import type { Catalog } from '../catalog';
import { RegistryError, repositoryUnknown } from '../errors';
import { type Exchange, replyJson } from '../exchange';

/** Names in one answer when the client does not say how many. */
const PAGE_SIZE = 100;

/** `GET /v2/_catalog`: the repositories that hold an image. */
export async function listRepositories(exchange: Exchange, catalog: Catalog): Promise<void> {
  const { page, link } = paginate(catalog.names(), exchange.query, '/v2/_catalog');
  replyJson(exchange.response, 200, { repositories: page }, link);
}

/** `GET /v2/<repository>/tags/list`. */
export async function listTags({ response, query, repository }: Exchange, catalog: Catalog): Promise<void> {
  const tags = catalog.find(repository)?.tags;
  if (!tags) throw repositoryUnknown(repository);
  const { page, link } = paginate([...tags.keys()], query, `/v2/${repository}/tags/list`);
  replyJson(response, 200, { name: repository, tags: page }, link);
}

/** `n` names that come after `last`, in the order of their bytes, and the address of the rest. */
function paginate(names: readonly string[], query: URLSearchParams, path: string) {
  const size = Number(query.get('n') ?? PAGE_SIZE);
  if (!Number.isInteger(size) || size < 1) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', 'invalid number of results requested', {
      n: query.get('n'),
    });
  }
  const after = query.get('last') ?? '';
  const rest = names.filter((name) => name > after).sort();
  const page = rest.slice(0, size);
  const next = new URLSearchParams({ last: page.at(-1) ?? '', n: String(size) });
  const link: Record<string, string> = rest.length > size ? { Link: `<${path}?${next}>; rel="next"` } : {};
  return { page, link };
}
