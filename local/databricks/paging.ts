import { invalid } from './errors';
import { integer, optionalText } from './fields';
import type { JsonObject } from './json';

export interface Page<T> {
  readonly items: T[];
  readonly next?: string;
  readonly previous?: string;
}

/** One page of a list. Tokens mean nothing to a client, as they should. */
export function pageOf<T>(items: readonly T[], limit: number, token: string | undefined): Page<T> {
  const start = token ? readToken(token) : 0;
  const end = start + limit;
  return {
    items: items.slice(start, end),
    ...(end < items.length && { next: writeToken(end) }),
    ...(start > 0 && { previous: writeToken(Math.max(0, start - limit)) }),
  };
}

/** The page that a request asks for by a token, or, as the older versions allow, by the number of items before it. */
export function pageFrom<T>(items: readonly T[], limit: number, fields: JsonObject): Page<T> {
  const offset = integer(fields, 'offset', 0);
  return pageOf(
    items,
    limit,
    optionalText(fields, 'page_token') ?? (offset > 0 ? writeToken(offset) : undefined),
  );
}

/** The token of the first page. */
export function firstToken(): string {
  return writeToken(0);
}

function writeToken(offset: number): string {
  return Buffer.from(`from ${offset}`).toString('base64url');
}

function readToken(token: string): number {
  const offset = /^from (\d+)$/.exec(Buffer.from(token, 'base64url').toString())?.[1];
  if (!offset) throw invalid(`Invalid page token: ${token}`);
  return Number(offset);
}
