import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Has a registry be one that knows nothing of referrers, as those of Azure are that are encrypted with a customer's own key
 * (for `intercept` of the local registry).
 */
export function withoutReferrers({ url }: IncomingMessage, response: ServerResponse): boolean {
  if (/\/referrers\//.test(url ?? '')) {
    response.writeHead(404, { 'Content-Type': 'text/plain' }).end('404 page not found\n');
    return true;
  }
  const writeHead = response.writeHead.bind(response) as (status: number, headers: object) => ServerResponse;
  response.writeHead = ((status: number, headers: Record<string, string> = {}) => {
    const { 'OCI-Subject': _, ...others } = headers;
    return writeHead(status, others);
  }) as typeof response.writeHead;
  return false;
}
