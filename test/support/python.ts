import { join } from 'node:path';
import { type Python, prepareExamplePython, preparePython } from '../../local/python';
import { root } from '../../scripts/paths';

/** The Python of the example: its notebooks, its API, and the tests of that. */
export function examplePython(log: (line: string) => void = () => {}): Promise<Python> {
  return prepareExamplePython({ log }, ['model-api/tests/requirements.txt']);
}

/** A Python with what the API's image has, and nothing else. */
export function apiPython(log: (line: string) => void = () => {}): Promise<Python> {
  return preparePython({
    folder: join(root, '.local/api-python'),
    requirements: [join(root, 'model-api/requirements.txt')],
    log,
  });
}

/** A Python with Databricks' own client. */
export function sdkPython(log: (line: string) => void = () => {}): Promise<Python> {
  return preparePython({
    folder: join(root, '.local/databricks-sdk'),
    requirements: [join(root, 'test/requirements.txt')],
    log,
  });
}

/** A Python with Databricks' former command line. */
export function cliPython(log: (line: string) => void = () => {}): Promise<Python> {
  return preparePython({
    folder: join(root, '.local/databricks-cli'),
    requirements: [join(root, 'test/requirements-cli.txt')],
    log,
  });
}

/** A Python that reads Bicep. */
export function bicepPython(log: (line: string) => void = () => {}): Promise<Python> {
  return preparePython({
    folder: join(root, '.local/bicep'),
    requirements: [join(root, 'test/requirements-bicep.txt')],
    log,
  });
}
