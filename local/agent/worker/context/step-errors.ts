/** A step was ended early because the run was canceled or its own time was up. */
export class OperationCanceled extends Error {
  constructor() {
    super('The operation was canceled.');
  }
}

/** A process of a step ended with a code other than 0: to the agent, a fault of the machine. */
export class ExitCodeError extends Error {
  constructor(exitCode: number, file: string, args: string[]) {
    const shown = args.map((arg) => `"${arg}"`).join(' ');
    super(`Exit code ${exitCode} returned from process: file name '${file}', arguments '${shown}'.`);
  }
}
