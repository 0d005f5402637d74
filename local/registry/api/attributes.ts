import type { Attributes, Catalog, Entry } from '../catalog';
import { manifestUnknown, RegistryError } from '../errors';
import { type Exchange, readBody, replyJson } from '../exchange';

const LONGEST_CHANGE = 64 * 1024;
const ATTRIBUTES = ['deleteEnabled', 'writeEnabled', 'readEnabled', 'listEnabled'] as const;

/** `GET` and `PATCH /acr/v1/<repository>/_tags/<tag>`: when a tag was set, and whether it is locked. */
export async function tagAttributes(
  exchange: Exchange,
  catalog: Catalog,
  loginServer: string,
): Promise<void> {
  const { request, response, repository, reference: tag } = exchange;
  const tags = catalog.find(repository)?.tags;
  if (!tags?.has(tag)) throw new RegistryError('TAG_UNKNOWN', 'the specified tag does not exist');
  if (request.method === 'PATCH') catalog.changeAttributes(tags, tag, await readChange(exchange));
  const entry = tags.get(tag)!;
  replyJson(response, 200, {
    registry: loginServer,
    imageName: repository,
    tag: { name: tag, digest: entry.digest, signed: false, ...described(entry) },
  });
}

/** `GET` and `PATCH /acr/v1/<repository>/_manifests/<digest>`: the same for a manifest, which has a lock of its own. */
export async function manifestAttributes(
  exchange: Exchange,
  catalog: Catalog,
  loginServer: string,
): Promise<void> {
  const { request, response, repository, reference: digest } = exchange;
  const { manifests, tags } = catalog.find(repository) ?? {};
  if (!manifests?.has(digest)) throw manifestUnknown(repository, digest);
  if (request.method === 'PATCH') catalog.changeAttributes(manifests, digest, await readChange(exchange));
  const entry = manifests.get(digest)!;
  const tagNames = [...tags!].filter(([, tag]) => tag.digest === digest).map(([name]) => name);
  replyJson(response, 200, {
    registry: loginServer,
    imageName: repository,
    manifest: { digest, mediaType: entry.mediaType, tags: tagNames.sort(), ...described(entry) },
  });
}

function described({ createdTime, lastUpdateTime, attributes }: Entry): object {
  return { createdTime, lastUpdateTime, changeableAttributes: attributes };
}

async function readChange({ request }: Exchange): Promise<Partial<Attributes>> {
  const body = (await readBody(request, LONGEST_CHANGE)).toString('utf8');
  try {
    const change = JSON.parse(body) as Record<string, unknown>;
    return Object.fromEntries(
      ATTRIBUTES.filter((name) => typeof change[name] === 'boolean').map((name) => [name, change[name]]),
    );
  } catch {
    throw new RegistryError('MANIFEST_INVALID', 'the attributes are not a JSON object');
  }
}
