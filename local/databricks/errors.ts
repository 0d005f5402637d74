import type { Json, JsonObject } from './json';

/** An answer other than 200, in the shape that Databricks gives its errors. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    /** Usually a name such as `RESOURCE_DOES_NOT_EXIST`; some of Databricks' errors have a number, some an empty text. */
    readonly errorCode: string | number,
    message: string,
    readonly details?: JsonObject[],
  ) {
    super(message);
  }

  get body(): JsonObject {
    return { error_code: this.errorCode, message: this.message, details: this.details };
  }
}

export const invalid = (message: string, details?: JsonObject[]) =>
  new ApiError(400, 'INVALID_PARAMETER_VALUE', message, details);

export const malformed = (message: string) =>
  new ApiError(400, 'MALFORMED_REQUEST', `Could not parse request object: ${message}`);

export const notFound = (message: string) => new ApiError(404, 'RESOURCE_DOES_NOT_EXIST', message);

/** A field that is of another kind than the API wants. */
export function wrongKind(expected: string, name: string, value: Json) {
  return malformed(`Expected ${expected} for field '${name}', found ${kindOf(value)}`);
}

function kindOf(value: Json): string {
  if (value === null) return 'NULL';
  if (Array.isArray(value)) return 'ARRAY';
  return typeof value === 'bigint' ? 'NUMBER' : (typeof value).toUpperCase();
}
