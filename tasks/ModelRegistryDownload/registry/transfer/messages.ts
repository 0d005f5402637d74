import { BrokenAnswerError, MovedError, RestError } from '../errors';
import type { Place, RangeRequest } from './receive';
import type { Digests } from './verify';

/** What a worker thread is asked to do. */
export type Job =
  | { readonly kind: 'receive'; readonly request: RangeRequest; readonly place: Place }
  /** Gives up the `receive` of the same number. */
  | { readonly kind: 'stop' }
  /** Goes on with the digests of an open file, up to a position. */
  | {
      readonly kind: 'digest';
      readonly file: number;
      readonly md5: boolean;
      readonly end: number;
      readonly isLast: boolean;
    };

/** What it answers; each job but `stop` ends with a result or an error. */
export type Answer =
  | { readonly id: number; readonly received: number }
  | { readonly id: number; readonly result: Digests | undefined }
  | { readonly id: number; readonly error: PackedError };

/** An error as it goes from one thread to another, which would lose its class and all that is its own. */
interface PackedError {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly blob: string;
  readonly statusCode: number;
  readonly headers: ReadonlyMap<string, string>;
}

export function packError(error: Error): PackedError {
  const { name, message, code, blob, statusCode, headers } = error as Error & Partial<PackedError>;
  return {
    name,
    message,
    code,
    blob: blob ?? '',
    statusCode: statusCode ?? 0,
    headers: headers ?? new Map<string, string>(),
  };
}

export function unpackError({ name, message, code, blob, statusCode, headers }: PackedError): Error {
  if (name === 'MovedError') return new MovedError(blob);
  if (name === 'RestError') return new RestError(message, statusCode, code, headers);
  if (name === 'BrokenAnswerError') return new BrokenAnswerError(message, code);
  return Object.assign(new Error(message), { name, code });
}
