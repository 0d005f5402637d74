import { PageError } from './errors';
import type { Head } from './http/answer';

/** The service has no pages for people; whoever answers with one stands in between. */
export function refusePage({ headers }: Head): void {
  if (/^text\/html\b/i.test(headers.get('content-type') ?? '') && !headers.has('x-ms-request-id')) {
    throw new PageError('a web page came');
  }
}
