/**
 * A failure that its reader can act on: the message says what failed, why, and what to do next, in one or two
 * sentences. Details follow it in the log, a line each.
 */
export class TaskError extends Error {
  override readonly name = 'TaskError';
  readonly details: readonly string[];
  /** What the message is made of, where several things are wrong: each is an error of its own to the agent. */
  readonly issues: readonly string[];

  constructor(
    message: string,
    options: { details?: readonly string[]; issues?: readonly string[]; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.details = options.details ?? [];
    this.issues = options.issues ?? [];
  }
}

/** The step was cancelled by a person, a timeout of the pipeline, or the agent. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';

  constructor(message = 'The step was canceled.', options: { cause?: unknown } = {}) {
    super(message, options);
  }
}

/** The code of whatever was thrown, such as the system's (`ENOSPC`, `ECONNRESET`); undefined where it has none. */
export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** The message of whatever was thrown, with its code where there is one. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = codeOf(error);
  return code && !error.message.includes(code) ? `${error.message} (${code})` : error.message;
}
