const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** A request to a container of the image, and what is expected of its answer. */
export interface SmokeCheck {
  /** As it is written, without its body: what messages call it. */
  readonly title: string;
  readonly method: (typeof METHODS)[number];
  /** Undefined: the one that the image exposes. */
  readonly port: number | undefined;
  /** With its query. */
  readonly path: string;
  /** JSON, as it is written. */
  readonly body: string | undefined;
  readonly status: number;
  /** JSON pointers (RFC 6901) to what the answer must have. */
  readonly pointers: readonly string[];
}

/**
 * Reads a line such as `GET /api/health 200` or `POST :8000/api/predict {"class": "1st"} 200 /prediction`: a method, a
 * path with or without a port, a body or none, the expected status, and pointers into the answer.
 *
 * @returns otherwise what is wrong with it, as a clause without a full stop
 */
export function parseSmokeCheck(line: string): SmokeCheck | string {
  const words = line.trim().split(/\s+/);
  const [method = '', target = ''] = words.splice(0, 2);
  const known = METHODS.find((one) => one === method.toUpperCase());
  if (!known) return `begins with '${method}', which is none of ${METHODS.join(', ')}`;
  const [, port, path] = /^(?::(\d{1,5}))?(\/.*)$/.exec(target) ?? [];
  if (path === undefined) return `has '${target}' where its path must stand, such as /api/health`;
  if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535)) {
    return `has the port ${port}, but ports are from 1 to 65535`;
  }

  const pointers = words.splice(words.findLastIndex((word) => !word.startsWith('/')) + 1);
  const status = words.pop() ?? '';
  if (!/^[1-5]\d\d$/.test(status)) {
    return 'does not say which status it expects, such as 200, before any pointers into the answer';
  }
  const body = bodyOf(line, words.length);
  if (body !== undefined && !isJson(body)) return 'has a body that is no JSON';
  return {
    title: `${known} ${target}`,
    method: known,
    port: port === undefined ? undefined : Number(port),
    path,
    body,
    status: Number(status),
    pointers,
  };
}

/** The words between the path and the status, as they are written: white space in them may count. */
function bodyOf(line: string, words: number): string | undefined {
  if (words === 0) return undefined;
  const parts = line.trim().split(/(\s+)/);
  return parts.slice(4, 4 + 2 * words - 1).join('');
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
