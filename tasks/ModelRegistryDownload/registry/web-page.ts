import { isPage, PageError } from './errors';
import type { Head } from './http/answer';

/** The service has no pages for people; whoever answers with one stands in between. */
export function refusePage({ headers }: Head): void {
  if (isPage(headers)) throw new PageError('a web page came');
}

/** Likewise, by how a text begins: many a network that wants people to sign in does not say what it sends. */
export function refuseTextOfPage(beginning: string): void {
  if (/^\s*(<!doctype html|<html)[\s>]/i.test(beginning)) throw new PageError('a web page came');
}
