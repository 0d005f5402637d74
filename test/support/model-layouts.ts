import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { preparePython } from '../../local/python';
import { root } from '../../scripts/paths';
import type { BlobServer } from './blob-server';

/** How a library saves its models, and what it calls their versions. */
export interface ModelLayout {
  /** As test/layouts/models.py knows it. */
  readonly kind: string;
  /** The library's release, where there are tests of several. */
  readonly release?: string;
  /** The file in test/layouts that names what its Python has. Libraries that would not bear one another have one each. */
  readonly requirements: string;
  /** A program that the library needs besides. */
  readonly program?: string;
  /** Names of versions, as the tool or those who use it number them; the last is the newest. */
  readonly versions: readonly string[];
  /** A file without which the model would be a smaller one, where the model itself names it. */
  readonly shard?: string;
}

export const LAYOUTS: readonly ModelLayout[] = [
  { kind: 'ScikitLearn', requirements: 'requirements.txt', versions: ['1.0.0', '1.9.0', '1.10.0'] },
  { kind: 'MLflow', release: '2', requirements: 'requirements-mlflow2.txt', versions: ['1', '2', '10'] },
  { kind: 'MLflow', release: '3', requirements: 'requirements.txt', versions: ['1', '2', '10'] },
  {
    kind: 'HuggingFace',
    requirements: 'requirements.txt',
    versions: ['v1', 'v2', 'v10'],
    shard: 'model-00002-of-00002.safetensors',
  },
  { kind: 'Onnx', requirements: 'requirements.txt', versions: ['2024.10.15', '2024.11.30', '2025.01.02'] },
  { kind: 'Keras', requirements: 'requirements-tensorflow.txt', versions: ['run-2', 'run-9', 'run-10'] },
  { kind: 'LightGBM', requirements: 'requirements.txt', versions: ['20241015', '20241130', '20250102'] },
  { kind: 'XGBoost', requirements: 'requirements.txt', versions: ['1.0', '1.9', '1.10'] },
  {
    kind: 'SavedModel',
    requirements: 'requirements-tensorflow.txt',
    versions: ['00000009', '00000010', '00000011'],
  },
  {
    kind: 'SparkML',
    requirements: 'requirements-spark.txt',
    program: 'java',
    versions: ['2024-11-29T23-00', '2024-11-30T06-00', '2024-11-30T06-30'],
  },
];

/** Keras works on any of several libraries; what these print would be in the way. */
const ENVIRONMENT = {
  ...process.env,
  KERAS_BACKEND: 'tensorflow',
  TF_CPP_MIN_LOG_LEVEL: '3',
  GIT_PYTHON_REFRESH: 'quiet',
};

const PROGRAM = join(root, 'test/layouts/models.py');

/** The Python of a layout's library, which is got for the first test that needs it. */
export async function pythonOf({ requirements }: ModelLayout): Promise<string> {
  const { python } = await preparePython({
    folder: join(root, '.local/model-layouts', requirements.replace('.txt', '')),
    requirements: [join(root, 'test/layouts', requirements)],
    log: () => {},
  });
  return python;
}

/** Has the library make a model or load one, and tells what the model predicts. */
export async function askLibrary(
  python: string,
  action: 'make' | 'predict',
  { kind }: ModelLayout,
  folder: string,
): Promise<unknown> {
  const { stdout } = await promisify(execFile)(python, [PROGRAM, action, kind, folder], { env: ENVIRONMENT });
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

/** Stores a folder as a version of a model. */
export async function publishFolder(
  server: BlobServer,
  model: string,
  version: string,
  folder: string,
): Promise<Record<string, string>> {
  const files = await filesOf(folder);
  for (const path of Object.keys(files))
    server.put(model, `${version}/${path}`, await readFile(join(folder, path)));
  return files;
}

/** The SHA-256 of each file under a folder, by its path with slashes. */
export async function filesOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files: Record<string, string> = {};
  for (const entry of entries.filter((one) => one.isFile())) {
    const file = join(entry.parentPath, entry.name);
    const path = file.slice(folder.length + 1).replaceAll('\\', '/');
    files[path] = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
  }
  return files;
}
