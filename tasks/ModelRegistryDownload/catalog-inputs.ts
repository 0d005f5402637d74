import { AUTH_TYPES, readSignIn, type SignIn } from '../common/databricks/sign-in';
import type { InputReader } from '../common/inputs';
import { type ModelPath, parseModelPath } from './catalog/model-path';
import { parseVersionWish, type VersionWish } from './catalog/version-wish';

/** Which workspace has the model, and how the step signs in to it. */
export interface CatalogInputs {
  readonly kind: 'unityCatalog';
  readonly signIn: SignIn;
  readonly path: ModelPath;
  /** Undefined for a folder in a volume, whose versions are those of any folder. */
  readonly wish: VersionWish | undefined;
}

/** What the form has `authType` at to begin with, which stands for each registry's own default. */
const DEFAULT_AUTH_TYPE = 'accountKey';

/**
 * Reads the inputs that say which model of Unity Catalog is meant, and how the step signs in.
 *
 * @returns undefined after a mistake, which the reader then has
 */
export function readCatalogInputs(inputs: InputReader): CatalogInputs | undefined {
  const isDefault = inputs.optional('authType')?.toLowerCase() === DEFAULT_AUTH_TYPE.toLowerCase();
  const signIn = readSignIn(inputs, isDefault ? 'token' : inputs.choice('authType', AUTH_TYPES, 'token'));
  const path = readPath(inputs);
  const wish = path?.kind === 'model' ? readWish(inputs) : undefined;
  if (inputs.optional('verify')?.toLowerCase() === 'crc64') {
    inputs.reject('verify', 'is crc64, which only Blob storage tells. Leave it at stored.');
  }
  return signIn && path && { kind: 'unityCatalog', signIn, path, wish };
}

function readPath(inputs: InputReader): ModelPath | undefined {
  const text = inputs.required('modelName');
  if (!text) return undefined;
  const path = parseModelPath(text);
  if (typeof path === 'string') inputs.reject('modelName', path);
  else if (path.kind === 'volume' || inputs.optional('pathPrefix') === undefined) return path;
  else inputs.reject('pathPrefix', 'is for folders: a model of Unity Catalog lies in none. Leave it empty.');
  return undefined;
}

function readWish(inputs: InputReader): VersionWish | undefined {
  const text = inputs.required('modelVersion');
  const wish = text ? parseVersionWish(text) : undefined;
  if (typeof wish !== 'string') return wish;
  inputs.reject('modelVersion', wish);
  return undefined;
}
