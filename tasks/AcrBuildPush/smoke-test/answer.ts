import { bound } from '../../common/foreign-text';
import { readJson } from '../../common/json';
import type { SmokeCheck } from '../smoke-checks';

/** How much of an answer a message shows. */
const SHOWN = 300;

/** What is wrong with an answer, to go on from what was asked; undefined where it is as expected. */
export function findFault(
  { status, pointers }: SmokeCheck,
  answer: { readonly status: number; readonly body: Buffer },
): string | undefined {
  // Some servers begin their JSON with a mark of its order of bytes, which white space includes.
  const text = answer.body.toString('utf8').trim();
  const shown = text ? `: ${bound(text, SHOWN)}` : '';
  if (answer.status !== status) return `answered ${answer.status}, not ${status}${shown}`;
  if (pointers.length === 0) return undefined;
  const content = readJson(text);
  if (content === undefined) return `answered ${status}, but not in JSON${shown}`;
  const missing = pointers.find((pointer) => (lookUp(content, pointer) ?? undefined) === undefined);
  return missing && `answered ${status}, but has nothing at ${missing}${shown}`;
}

/** What a JSON pointer (RFC 6901) leads to; undefined where it leads to nothing. */
function lookUp(content: unknown, pointer: string): unknown {
  let value = content;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}
