import { invalid, malformed, wrongKind } from '../errors';
import { isObject, type Json, type JsonObject } from '../json';
import { SHAPES } from './shapes';

/** Lists whose order means nothing, and the member by which the service sorts them. */
const SORTED_BY: Readonly<Record<string, string>> = { TaskDependency: 'task_key', Webhook: 'id' };

/** What the service heeds when it is sent, and never gives back. */
const CONSUMED: Readonly<Record<string, string>> = {
  JobSettings: 'format',
  ClusterSpec: 'apply_policy_default_values',
};

/**
 * Settings as the service keeps them: without what it does not know, what it consumes, and what is empty, and with
 * lists in an order of its own.
 *
 * @param shape the name of a shape
 * @throws ApiError for a member of another kind than the service wants
 */
export function keep(sent: JsonObject, shape: string): JsonObject {
  const kept: JsonObject = {};
  for (const [name, kind] of Object.entries(SHAPES[shape]!)) {
    const value = sent[name];
    if (value === undefined || value === null) continue;
    const member = typeof kind === 'string' ? keepOne(value, kind, name) : keepList(value, kind[0], name);
    if (member !== undefined && CONSUMED[shape] !== name) kept[name] = member;
  }
  return kept;
}

function keepList(value: Json, kind: string, name: string): Json[] | undefined {
  if (!Array.isArray(value)) throw wrongKind('array', name, value);
  if (value.length === 0) return undefined;
  const list = value
    .map((element) => keepOne(element, kind, name))
    .filter((element) => element !== undefined);
  const key = SORTED_BY[kind];
  if (!key) return list;
  const keyOf = (element: Json) => String((element as JsonObject)[key]);
  return list.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

function keepOne(value: Json, kind: string, name: string): Json | undefined {
  switch (kind) {
    case 'text':
      if (typeof value !== 'string') throw wrongKind('string', name, value);
      return value;
    case 'flag':
      if (value === 'true' || value === 'false') return value === 'true';
      if (typeof value !== 'boolean') throw wrongKind('boolean', name, value);
      return value;
    case 'integer':
    case 'number':
      return keepNumber(value, kind, name);
    case 'texts':
      return keepTexts(value, name);
    default:
      if (!SHAPES[kind]) return keepWord(value, kind.split('|'), name);
      if (!isObject(value)) throw wrongKind('object', name, value);
      return keep(value, kind);
  }
}

function keepNumber(value: Json, kind: string, name: string): Json {
  if (typeof value === 'bigint') return value;
  const number = typeof value === 'string' && value.trim() ? Number(value) : value;
  const isRight =
    typeof number === 'number' && (kind === 'integer' ? Number.isInteger(number) : !Number.isNaN(number));
  if (!isRight) throw wrongKind(kind, name, value);
  return number;
}

function keepTexts(value: Json, name: string): Json | undefined {
  if (!isObject(value)) throw wrongKind('object', name, value);
  const entries = Object.entries(value).filter(([, text]) => text !== undefined && text !== null);
  for (const [, text] of entries) if (typeof text !== 'string') throw wrongKind('string', name, text!);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function keepWord(value: Json, words: readonly string[], name: string): string {
  // The one word whose case does not matter, and whose refusal has been seen.
  if (name === 'git_provider') {
    const word = words.find((one) => one.toLowerCase() === String(value).toLowerCase());
    const known = words.map((one) => one.toLowerCase()).join(',');
    if (!word) throw invalid(`git_source.git_provider must be one of: ${known}`);
    return word;
  }
  if (typeof value !== 'string') throw wrongKind('string', name, value);
  if (!words.includes(value)) throw malformed(`Unknown value '${value}' for field '${name}'`);
  return value;
}
