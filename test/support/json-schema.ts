type Schema = Readonly<Record<string, unknown>>;

/** Each keyword of a JSON schema that {@link schemaFaults} knows: what is wrong with a value, if anything. */
const KEYWORDS: Readonly<Record<string, (value: unknown, keyword: never, path: string) => string[]>> = {
  const: (value, wanted: unknown) => (value === wanted ? [] : [`is not ${JSON.stringify(wanted)}`]),
  type: (value, types: string | string[]) =>
    [types].flat().some((type) => isOfType(value, type)) ? [] : [`is no ${[types].flat().join(' or ')}`],
  required: (value, names: string[]) =>
    names.filter((name) => isObject(value) && !(name in value)).map((name) => `lacks ${name}`),
  pattern: (value, pattern: string) =>
    typeof value !== 'string' || new RegExp(pattern, 'u').test(value) ? [] : [`does not match ${pattern}`],
  minLength: (value, least: number) =>
    typeof value !== 'string' || value.length >= least ? [] : ['is too short'],
  minItems: (value, least: number) =>
    !Array.isArray(value) || value.length >= least ? [] : ['has too few items'],
  minimum: (value, least: number) => (typeof value !== 'number' || value >= least ? [] : ['is too small']),
  properties: (value, schemas: Record<string, Schema>, path) =>
    Object.entries(schemas).flatMap(([name, schema]) =>
      isObject(value) && name in value ? schemaFaults(value[name], schema, `${path}.${name}`) : [],
    ),
  items: (value, schema: Schema, path) =>
    Array.isArray(value) ? value.flatMap((item, n) => schemaFaults(item, schema, `${path}[${n}]`)) : [],
};

const ANNOTATIONS = ['$schema', 'title', 'description'];

/**
 * Compares a value with a JSON schema, as far as this project's schemas go; a keyword that is not known here is a fault
 * of the schema, not passed over.
 *
 * @returns one line a fault
 */
export function schemaFaults(value: unknown, schema: Schema, path = '$'): string[] {
  return Object.entries(schema).flatMap(([keyword, argument]) => {
    if (ANNOTATIONS.includes(keyword)) return [];
    const check = KEYWORDS[keyword];
    if (!check) return [`${path}: the schema's keyword '${keyword}' is not known`];
    const faults = check(value, argument as never, path);
    return faults.map((fault) => (fault.startsWith('$') ? fault : `${path} ${fault}`));
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'null':
      return value === null;
    default:
      return typeof value === type;
  }
}
