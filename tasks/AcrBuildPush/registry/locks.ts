import { TaskError } from '../../common/errors';
import { ConnectionError, type HttpAnswer, type HttpRequest } from '../../common/http';
import { isRecord, readJson, readJsonObject } from '../../common/json';
import type { RegistryClient } from './client';

/* What Azure Container Registry's own API tells of tags, and no other registry. */

/** The grammar of the OCI distribution specification. */
const TAG = /^\w[\w.-]{0,127}$/;

/** Whether a tag may be changed. */
export type TagLock = 'locked' | 'open' | 'unknown';

/** What a registry answers at an address that it does not have; some send their page for people there. */
const NO_SUCH_ADDRESS = new Set([301, 302, 404, 405, 501]);

/**
 * Whether a tag is locked. `unknown`: there is no such tag, no right to ask, or no answer that tells. Undefined: the
 * registry has no locks, since it is none of Azure's.
 */
export async function readTagLock(registry: RegistryClient, tag: string): Promise<TagLock | undefined> {
  if (!registry.mayBeAzures) return undefined;
  let answer: HttpAnswer;
  try {
    answer = await registry.send(tagPath(registry, tag), { method: 'GET' }, 'metadata_read');
  } catch (error) {
    if (error instanceof ConnectionError || !(error instanceof TaskError)) throw error;
    return 'unknown';
  }
  const content = readJson(answer.body);
  if (answer.status !== 200) {
    const hasNone = NO_SUCH_ADDRESS.has(answer.status) && !(isRecord(content) && 'errors' in content);
    return hasNone ? undefined : 'unknown';
  }
  if (content === undefined) return undefined;
  const told = isRecord(content) ? content.tag : undefined;
  const attributes = isRecord(told) ? told.changeableAttributes : undefined;
  if (!isRecord(attributes)) return 'unknown';
  return attributes.writeEnabled === false ? 'locked' : 'open';
}

/** The tags that were set last, the newest first. None where the registry does not tell. */
export async function newestTags(registry: RegistryClient, count: number): Promise<string[]> {
  if (!registry.mayBeAzures) return [];
  const path = `acr/v1/${registry.repository}/_tags?n=${count}&orderby=timedesc`;
  const answer = await registry.send(path, { method: 'GET' }, 'metadata_read');
  if (answer.status !== 200) return [];
  const { tags } = readJsonObject(answer.body);
  const names = Array.isArray(tags) ? tags.filter(isRecord).map(({ name }) => String(name)) : [];
  return names.filter((name) => TAG.test(name));
}

/**
 * Makes a tag stay what it is: it can't be moved or deleted until somebody unlocks it.
 *
 * @throws TaskError when the registry refuses
 */
export async function lockTag(registry: RegistryClient, tag: string): Promise<void> {
  const request: Omit<HttpRequest, 'url'> = {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ writeEnabled: false, deleteEnabled: false }),
    repeatable: true,
  };
  const rights = 'metadata_read,metadata_write';
  const answer = await registry.send(tagPath(registry, tag), request, rights);
  if (answer.status !== 200) throw registry.refusal(answer, `lock the tag '${tag}'`, rights);
}

function tagPath({ repository }: RegistryClient, tag: string): string {
  return `acr/v1/${repository}/_tags/${tag}`;
}
