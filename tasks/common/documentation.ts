import type { TaskError } from './errors';
import { ConnectionError } from './http';

/**
 * Where the documentation tells more about an error: the paragraph about the network, about signing in to Azure, or
 * about the task.
 *
 * @param helpUrl the task's own page, from its task.json; a package that knows no repository has another, without paragraphs
 * @returns undefined where there is no such page, and for mistakes in inputs, which say all there is to say
 */
export function documentationOf(error: TaskError, helpUrl: string): string | undefined {
  const [, folder, task] = /^(https:.*\bdocs\/)(\w+)\.md$/.exec(helpUrl) ?? [];
  if (!folder || !task || error.issues.length > 0) return undefined;
  // Azure Repos names a heading in the address's query.
  const mark = folder.includes('?path=') ? '&anchor=' : '#';
  return `${folder}troubleshooting.md${mark}${paragraphOf(error, task)}`;
}

function paragraphOf(error: TaskError, task: string): string {
  if (error instanceof ConnectionError) return 'agent-network-and-tls';
  return /^Can't sign in to Azure/.test(error.message) ? 'service-connections-to-azure' : task.toLowerCase();
}
