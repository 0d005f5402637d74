import { invalid } from './errors';

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
