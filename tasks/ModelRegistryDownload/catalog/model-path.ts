import { hasDotSegment } from '../registry/names';

/** A model that is registered in Unity Catalog. */
export interface RegisteredModel {
  readonly kind: 'model';
  /** `catalog.schema.model` */
  readonly name: string;
  /** The folder that holds a folder for each version, as the Files API names it. */
  readonly root: string;
  /** What it takes to read it, as messages go on from "give that user". */
  readonly permission: string;
}

/** A folder in a volume, which holds a folder for each version. */
export interface VolumeFolder {
  readonly kind: 'volume';
  /** The last part of the path. */
  readonly name: string;
  readonly root: string;
  readonly permission: string;
}

/** Where the versions of a model are in Unity Catalog. */
export type ModelPath = RegisteredModel | VolumeFolder;

/** Unity Catalog's own rule: no dots, spaces, slashes and control characters, and 255 characters at most. */
const PART = /^[^\u0000-\u0020./\u007f]{1,255}$/;

const ADVICE =
  'Give catalog.schema.model, such as main.ml.titanic, or a folder in a volume, such as /Volumes/main/ml/registry/titanic.';

/**
 * Reads where a model is, as people copy it: `catalog.schema.model`, with or without SQL's backticks, or a path in a
 * volume.
 *
 * @returns what is wrong with it otherwise, going on from the input's name
 */
export function parseModelPath(text: string): ModelPath | string {
  if (/^models:/i.test(text)) {
    return `is '${text}', an address of MLflow. Give the model's name alone, such as main.ml.titanic; its version or alias goes into 'modelVersion'.`;
  }
  const path = text.replace(/^dbfs:(?=\/Volumes\/)/i, '');
  return path.startsWith('/') ? parseVolumePath(path, text) : parseModelName(text);
}

function parseModelName(text: string): RegisteredModel | string {
  const parts = text.split('.').map((part) => part.replace(/^`(.*)`$/, '$1'));
  const [catalog, schema, model] = parts;
  if (parts.length !== 3 || !parts.every((part) => PART.test(part))) {
    return `is '${text}', which is no model of Unity Catalog: a name of three parts with dots between them. ${ADVICE}`;
  }
  return {
    kind: 'model',
    name: parts.join('.'),
    root: `/Models/${parts.join('/')}/`,
    permission: `EXECUTE on model '${catalog}.${schema}.${model}', USE SCHEMA on '${catalog}.${schema}', and USE CATALOG on '${catalog}'`,
  };
}

function parseVolumePath(path: string, text: string): VolumeFolder | string {
  const [, volumes, ...parts] = path.replace(/\/+$/, '').split('/');
  const [catalog, schema, volume] = parts;
  const isPath = volumes === 'Volumes' && parts.length >= 3 && parts.every((part) => part !== '');
  if (!isPath || hasDotSegment(path) || /[\\\u0000-\u001f\u007f]/.test(path)) {
    return `is '${text}', which is no path in a volume. ${ADVICE}`;
  }
  return {
    kind: 'volume',
    name: parts.at(-1)!,
    root: `/Volumes/${parts.join('/')}/`,
    permission: `READ VOLUME on volume '${catalog}.${schema}.${volume}', USE SCHEMA on '${catalog}.${schema}', and USE CATALOG on '${catalog}'`,
  };
}
