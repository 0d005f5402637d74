import { invalid, wrongKind } from './errors';
import { isObject, type Json, type JsonObject } from './json';

/** Reads the fields of a request. A field of the wrong kind is refused the way Databricks refuses it. */

export function text(body: JsonObject, name: string): string {
  const value = optionalText(body, name);
  if (!value) throw invalid(`Missing required field: ${name}`);
  return value;
}

export function optionalText(body: JsonObject, name: string): string | undefined {
  const value = body[name] ?? undefined;
  if (value === undefined || typeof value === 'string') return value;
  throw wrongKind('string', name, value);
}

export function flag(body: JsonObject, name: string): boolean {
  const value = body[name] ?? false;
  if (typeof value === 'boolean') return value;
  if (value === 'true' || value === 'false') return value === 'true';
  throw wrongKind('boolean', name, value);
}

export function integer(body: JsonObject, name: string, otherwise: number): number {
  const value = body[name] ?? otherwise;
  const number = typeof value === 'string' && value.trim() ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number)) return number;
  throw wrongKind('integer', name, value);
}

export function object(body: JsonObject, name: string): JsonObject | undefined {
  const value = body[name] ?? undefined;
  if (value === undefined || isObject(value)) return value;
  throw wrongKind('object', name, value);
}

export function list(body: JsonObject, name: string): Json[] {
  const value = body[name] ?? [];
  if (Array.isArray(value)) return value;
  throw wrongKind('array', name, value);
}

/** A map from string to string: Databricks turns nothing else into a string by itself. */
export function stringMap(body: JsonObject, name: string): Record<string, string> {
  const map = object(body, name) ?? {};
  for (const value of Object.values(map))
    if (typeof value !== 'string') throw wrongKind('string', name, value ?? null);
  return map as Record<string, string>;
}
