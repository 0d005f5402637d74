import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { root } from './paths';

type Schema = Readonly<Record<string, unknown>>;

/**
 * Compares a value with a JSON schema; a keyword that is none is a fault of the schema.
 *
 * @returns one line a fault, which begins with the place: `$.files[0].size must be integer`
 * @throws when the schema is none
 */
export function schemaFaults(value: unknown, schema: Schema): string[] {
  const validate = new Ajv2020({ allErrors: true, strictRequired: false, strictTypes: false }).compile(
    schema,
  );
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) => {
    const extra = params.additionalProperty ?? params.allowedValues?.join(', ');
    return `${placeOf(instancePath)} ${message}${extra === undefined ? '' : `: ${extra}`}`;
  });
}

/** A schema of this project, by its file's name before `.schema.json`. */
export function readSchema(name: 'task' | 'extension'): Schema {
  return JSON.parse(readFileSync(join(root, 'scripts/schemas', `${name}.schema.json`), 'utf8'));
}

function placeOf(pointer: string): string {
  const parts = pointer.split('/').slice(1);
  return parts.reduce((place, part) => place + (/^\d+$/.test(part) ? `[${part}]` : `.${part}`), '$');
}
