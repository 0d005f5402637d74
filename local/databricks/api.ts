import type { JsonObject } from './json';

export interface ApiRequest {
  /** `2.0`, `2.1` or `2.2`. */
  readonly version: string;
  /** The query, the members of a body that is JSON, and what stands in the path. */
  readonly fields: JsonObject;
  /** Who asks: a user's name, or the application id of a service principal. */
  readonly user: string;
}

/** An answer that is no JSON: a file as it is. */
export class FileAnswer {
  constructor(
    readonly name: string,
    readonly content: Buffer,
  ) {}
}

export type HandlerAnswer = JsonObject | FileAnswer | undefined;

/** Answers a request with a JSON object, with a file, or with nothing: an empty body is an answer too. */
export type Handler = (request: ApiRequest) => HandlerAnswer | Promise<HandlerAnswer>;

/** One part of the API: its versions, and its handlers by method and path, such as `GET /permissions/jobs/{id}`. */
export interface Api {
  readonly versions: readonly string[];
  readonly routes: Record<string, Handler>;
}

export interface Route {
  readonly version: string;
  readonly handler: Handler;
  /** What stands in the path where the route has names in braces. */
  readonly fields: JsonObject;
}

/** Finds who answers a request; undefined where there is no such API. */
export function findRoute(apis: readonly Api[], method: string, path: string): Route | undefined {
  const [, version = '', route = ''] = /^\/api\/(\d\.\d)(\/.*)$/.exec(path) ?? [];
  for (const { versions, routes } of apis) {
    if (!versions.includes(version)) continue;
    for (const [pattern, handler] of Object.entries(routes)) {
      const fields = match(pattern, `${method} ${route}`);
      if (fields) return { version, handler, fields };
    }
  }
  return undefined;
}

function match(pattern: string, asked: string): JsonObject | undefined {
  const wanted = pattern.split('/');
  const given = asked.split('/');
  if (wanted.length !== given.length) return undefined;
  const fields: JsonObject = {};
  for (const [index, part] of wanted.entries()) {
    const name = /^\{(.+)\}$/.exec(part)?.[1];
    if (name) fields[name] = decodeURIComponent(given[index]!);
    else if (part !== given[index]) return undefined;
  }
  return fields;
}
