import { TaskError } from '../../common/errors';
import { ConnectionError, type HttpAnswer, type HttpRequest } from '../../common/http';
import { isRecord, readJsonObject } from '../../common/json';
import type { RegistryClient } from './client';

/* What Azure Container Registry's own API tells of tags, and no other registry. */

/** The grammar of the OCI distribution specification. */
const TAG = /^\w[\w.-]{0,127}$/;

/** Whether a tag may be changed. */
export type TagLock = 'locked' | 'open' | 'unknown';

/**
 * Whether a tag is locked. `unknown`: there is no such tag, or no right to ask. Undefined: the registry has no locks,
 * since it is none of Azure's.
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
  if (answer.status !== 200) return /"errors"/.test(answer.body.toString('utf8')) ? 'unknown' : undefined;
  const found: { tag?: { changeableAttributes?: { writeEnabled?: unknown } } } = readJsonObject(answer.body);
  return found.tag?.changeableAttributes?.writeEnabled === false ? 'locked' : 'open';
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
