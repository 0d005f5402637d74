import { isObject, type JsonObject, parseJson } from './json';

/**
 * The fields in a body: JSON whatever its type is called, since `curl --data` calls it a form and Databricks' own
 * documents use just that, or the parts of a form with files, which count as base64 text. A GET may have a body too.
 *
 * @throws when they cannot be read
 */
export async function readFields(body: Buffer, type = ''): Promise<JsonObject> {
  if (body.length === 0) return {};
  if (type.startsWith('multipart/form-data')) return readParts(body, type);
  const parsed = parseJson(body.toString('utf8'));
  if (!isObject(parsed)) throw new Error('Expected object');
  return parsed;
}

/** What OAuth sends, and nothing else here. */
export function readForm(body: Buffer): JsonObject {
  return Object.fromEntries(new URLSearchParams(body.toString()));
}

async function readParts(body: Buffer, type: string): Promise<JsonObject> {
  const form = await new Response(new Uint8Array(body), { headers: { 'Content-Type': type } }).formData();
  const fields: JsonObject = {};
  for (const [name, value] of form) {
    fields[name] =
      typeof value === 'string' ? value : Buffer.from(await value.arrayBuffer()).toString('base64');
  }
  return fields;
}
