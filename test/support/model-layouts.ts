import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../../scripts/paths';
import type { BlobServer } from './blob-server';

/** How a library saves its models, and what it calls their versions. */
export interface ModelLayout {
  /** As test/layouts/models.py knows it. */
  readonly kind: string;
  /** The Python module that it takes. */
  readonly module: string;
  /** Names of versions, as the tool or those who use it number them; the last is the newest. */
  readonly versions: readonly string[];
  /** A file without which the model would be a smaller one, where the model itself names it. */
  readonly shard?: string;
}

export const LAYOUTS: readonly ModelLayout[] = [
  { kind: 'ScikitLearn', module: 'sklearn', versions: ['1.0.0', '1.9.0', '1.10.0'] },
  { kind: 'MLflow', module: 'mlflow.sklearn', versions: ['1', '2', '10'] },
  {
    kind: 'HuggingFace',
    module: 'safetensors',
    versions: ['v1', 'v2', 'v10'],
    shard: 'model-00002-of-00002.safetensors',
  },
  { kind: 'Onnx', module: 'onnxruntime', versions: ['2024.10.15', '2024.11.30', '2025.01.02'] },
  { kind: 'Keras', module: 'keras', versions: ['run-2', 'run-9', 'run-10'] },
  { kind: 'LightGBM', module: 'lightgbm', versions: ['20241015', '20241130', '20250102'] },
  { kind: 'XGBoost', module: 'xgboost', versions: ['1.0', '1.9', '1.10'] },
  { kind: 'SavedModel', module: 'tensorflow', versions: ['00000009', '00000010', '00000011'] },
  {
    kind: 'SparkML',
    module: 'pyspark',
    versions: ['2024-11-29T23-00', '2024-11-30T06-00', '2024-11-30T06-30'],
  },
];

/** Keras works on any of several libraries; what these print would be in the way. */
const ENVIRONMENT = {
  ...process.env,
  KERAS_BACKEND: 'numpy',
  TF_CPP_MIN_LOG_LEVEL: '3',
  GIT_PYTHON_REFRESH: 'quiet',
};

const PROGRAM = join(root, 'test/layouts/models.py');

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

/** Whether a Python has what a layout takes. */
export async function hasLibrary(python: string, { module }: ModelLayout): Promise<boolean> {
  return promisify(execFile)(python, ['-c', `import ${module}`], { env: ENVIRONMENT }).then(
    () => true,
    () => false,
  );
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
