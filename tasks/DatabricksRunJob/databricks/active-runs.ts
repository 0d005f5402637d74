import type { DatabricksClient } from '../../common/databricks/client';
import { type JsonObject, writeJson } from '../../common/databricks/json';

/** Pages of 25 that are looked at; a workspace with more one-time runs at a time is not gone through. */
const MOST_PAGES = 20;

/**
 * Which of some paths of the workspace are named in one-time runs that go on.
 *
 * @returns all of them, where there are too many runs to tell
 */
export async function pathsInUse(client: DatabricksClient, paths: readonly string[]): Promise<Set<string>> {
  const inUse = new Set<string>();
  let pageToken: string | undefined;
  for (let page = 0; page < MOST_PAGES; page++) {
    const { runs, next_page_token } = await client.get(
      '/api/2.2/jobs/runs/list',
      {
        ...{ active_only: 'true', run_type: 'SUBMIT_RUN', expand_tasks: 'true', limit: '25' },
        page_token: pageToken,
      },
      {
        action: 'list the one-time runs that go on',
        permission: "'Can View' on them",
        shape: { runs: [{}], next_page_token: 'text' } as const,
      },
    );
    const text = writeJson((runs ?? []) as unknown as JsonObject);
    for (const path of paths) if (text.includes(path)) inUse.add(path);
    pageToken = next_page_token || undefined;
    if (!pageToken) return inUse;
  }
  return new Set(paths);
}
