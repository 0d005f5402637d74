/** Where an image runs on this machine. */
export interface RunningImage {
  /** `127.0.0.1:<port>` of what it serves. */
  readonly host: string;
  stop(): Promise<void>;
}

/** Runs images, whether they serve anything or not. */
export interface ImageRunner {
  /** @throws when the image can't be had or started */
  start(image: string, args: readonly string[]): Promise<RunningImage>;
}

/** What Azure's command line says to a mistake of its caller, with its exit code. */
export class CliError extends Error {
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

/** The code with which az ends when a resource does not exist. */
const NOT_FOUND = 3;

export function notFound(kind: string, name: string): CliError {
  return new CliError(`(ResourceNotFound) The Resource '${kind}/${name}' was not found.`, NOT_FOUND);
}
