import { extname } from 'node:path';
import type { DatabricksClient } from '../common/databricks/client';
import { DatabricksError, isNotFound } from '../common/databricks/errors';
import { TaskError } from '../common/errors';
import { statOf } from '../common/files/paths';
import { readSourceFile, refuseStrayLink, SourceFileError } from '../common/files/source-file';
import { formatBytes } from '../common/text';
import {
  createFolder,
  exportObject,
  type FileFormat,
  getObject,
  importObject,
  type NotebookFormat,
} from './databricks/workspace';
import { hasHeader, isSameSource } from './source';

/** The formats that `workspace/import` takes, by the extension of the file. */
const FORMATS: Readonly<Record<string, NotebookFormat>> = {
  '.py': { format: 'SOURCE', language: 'PYTHON' },
  '.sql': { format: 'SOURCE', language: 'SQL' },
  '.scala': { format: 'SOURCE', language: 'SCALA' },
  '.r': { format: 'SOURCE', language: 'R' },
  '.ipynb': { format: 'JUPYTER' },
};

export const NOTEBOOK_EXTENSIONS: readonly string[] = Object.keys(FORMATS);

/** The most that `workspace/import` takes, in bytes. */
export const MAX_SIZE = 10 * 1024 * 1024;

/** A notebook of the sources. */
export interface Notebook {
  readonly content: string;
  readonly format: NotebookFormat;
  /** Whether its file begins with a byte-order mark, which is no part of the content. */
  readonly hasMark?: boolean;
}

/** A notebook or a file, as it is to be in the workspace. */
export interface Importable {
  readonly content: string | Buffer;
  readonly format: NotebookFormat | FileFormat;
}

/** Why nothing can be imported from a path, as far as shows from outside; goes on from the input's name. */
export function notebookProblem(file: string): string | undefined {
  const found = statOf(file);
  if (!found) {
    return (
      `is '${file}', but there is no such file. Check the path, which begins at the root of the sources, and that ` +
      'the sources are checked out.'
    );
  }
  const stray = strayProblem(file);
  if (stray !== undefined) return stray;
  if (found.isDirectory()) return undefined;
  if (!found.isFile())
    return `is '${file}', which is no file. Give the path of the notebook, or of its folder.`;
  if (found.size === 0) return `is '${file}', which is empty. Commit the notebook's source.`;
  if (found.size > MAX_SIZE) {
    return (
      `is '${file}', which has ${formatBytes(found.size)}; Databricks takes notebooks of up to ${formatBytes(MAX_SIZE)}. Clear its ` +
      'outputs, or move data out of it.'
    );
  }
  if (!formatOf(file)) {
    return `is '${file}', which has no extension of a notebook: ${NOTEBOOK_EXTENSIONS.join(', ')}.`;
  }
  return undefined;
}

/**
 * Reads a notebook that has no {@link notebookProblem}. A byte-order mark is left out: it would become part of the
 * first cell.
 *
 * @throws TaskError when the text is not UTF-8
 */
export function readNotebook(file: string): Notebook {
  try {
    const decoded = decode(readSourceFile(file, MAX_SIZE));
    if (decoded !== undefined) return { ...decoded, format: formatOf(file)! };
  } catch (error) {
    if (!(error instanceof SourceFileError)) throw error;
    throw new TaskError(`Input 'notebookFile' is '${file}', ${error.message}`);
  }
  throw new TaskError(`Input 'notebookFile' is '${file}', which is not UTF-8 text. Save it as UTF-8.`);
}

/** A notebook's text; undefined when it is not UTF-8. */
export function decode(bytes: Buffer): Pick<Notebook, 'content' | 'hasMark'> | undefined {
  try {
    const content = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return bytes.subarray(0, 3).equals(MARK) ? { content, hasMark: true } : { content };
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function strayProblem(file: string): string | undefined {
  try {
    refuseStrayLink(file);
    return undefined;
  } catch (error) {
    if (error instanceof SourceFileError) return `is '${file}', ${error.message}`;
    throw error;
  }
}

const MARK = Buffer.from('\ufeff');

/** What a file's extension makes of it, if it is a notebook. */
export function formatOf(file: string): NotebookFormat | undefined {
  return FORMATS[extname(file).toLowerCase()];
}

/** Where Databricks may read a notebook otherwise than its author expects; undefined where it does not. */
export function notebookRemark({ content, format }: Notebook): string | undefined {
  if (format.format !== 'SOURCE' || hasHeader(content)) return undefined;
  return (
    "The notebook's first line is not 'Databricks notebook source' in a comment, as in files that Databricks exports. " +
    'It becomes a notebook all the same, but as a single cell.'
  );
}

/**
 * Makes sure that a notebook is at a path of the workspace. It is written only when it differs from what is there, and
 * the folder for it is created only when the service says that it is missing: a user may be allowed to write into a
 * folder without being allowed to create it.
 *
 * @returns whether it was written
 */
export async function placeNotebook(
  client: DatabricksClient,
  notebook: Notebook,
  path: string,
): Promise<'written' | 'unchanged'> {
  if (await isInPlace(client, notebook, path)) return 'unchanged';
  await writeObject(client, notebook, path);
  return 'written';
}

/**
 * Writes to a path of the workspace, in place of what is there, if that is of the same kind.
 *
 * @throws TaskError that says what is in the way
 */
export async function writeObject(
  client: DatabricksClient,
  { content, format }: Importable,
  path: string,
): Promise<void> {
  const place = () => importObject(client, path, content, format);
  try {
    await place().catch(async (error) => {
      if (isParentMissing(error)) await createFolder(client, parentOf(path));
      else if (!isConcurrentCreation(error)) throw error;
      await place();
    });
  } catch (error) {
    if (!(error instanceof DatabricksError)) throw error;
    const kind = format.format === 'RAW' ? 'file' : 'notebook';
    throw explainImport(error, path, kind, typeInError(error) ?? (await typeInTheWay(client, error, path)));
  }
}

/**
 * Whether the very notebook is there already. A file can hold the same text without being a notebook, so its kind is
 * asked for as well. When the service does not let itself be asked, the answer is no, and the import shows why.
 */
async function isInPlace(
  client: DatabricksClient,
  { content, format }: Notebook,
  path: string,
): Promise<boolean> {
  try {
    const present = await exportObject(client, path, format.format);
    if (!isSameSource(content, present.toString('utf8'), format)) return false;
    const { type, language } = await getObject(client, path);
    return type === 'NOTEBOOK' && (format.format === 'JUPYTER' || language === format.language);
  } catch (error) {
    if (error instanceof DatabricksError && !error.isTransient) return false;
    throw error;
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function isParentMissing(error: unknown): boolean {
  return error instanceof DatabricksError && error.answer.status === 404 && isNotFound(error);
}

/** Another import created the same notebook at the same moment; now there is one that can be overwritten. */
function isConcurrentCreation(error: unknown): boolean {
  return (
    error instanceof DatabricksError && error.answer.status === 409 && error.answer.code === 'ALREADY_EXISTS'
  );
}

/** The type of the object in the notebook's place, where the error tells it. */
function typeInError({ answer: { reason, metadata } }: DatabricksError): string | undefined {
  const words = /actual: (\w+)|existing node type \[(\w+)\]/i.exec(reason);
  return metadata.existing_type ?? words?.slice(1).find(Boolean);
}

/** The same, where the error says only that there is something. */
async function typeInTheWay(
  client: DatabricksClient,
  { answer }: DatabricksError,
  path: string,
): Promise<string | undefined> {
  if (!saysExists(answer)) return undefined;
  const found = await getObject(client, path).catch(() => undefined);
  return found?.type === 'NOTEBOOK' ? undefined : found?.type;
}

function saysExists({ code, reason }: DatabricksError['answer']): boolean {
  return /^(RESOURCE_)?ALREADY_EXISTS$/.test(code) || /already exists/i.test(reason);
}

function explainImport(
  error: DatabricksError,
  path: string,
  kind: 'notebook' | 'file',
  existing: string | undefined,
): TaskError {
  const { code, reason } = error.answer;
  if (existing || /type mismatch/i.test(reason)) {
    return new TaskError(
      `'${path}' in the workspace is ${existing ? `a ${existing}` : 'of another type'}, and a ${kind} can't take ` +
        "its place. Delete or rename it in Databricks, or choose another path for input 'notebookPath'.",
    );
  }
  if (saysExists(error.answer)) {
    return new TaskError(
      `Something in the way of '${path}' in the workspace can't be overwritten (${reason}). Delete or rename it in ` +
        "Databricks, or choose another path for input 'notebookPath'.",
    );
  }
  if (code === 'MAX_NOTEBOOK_SIZE_EXCEEDED') {
    return new TaskError(
      `Databricks finds the ${kind} for '${path}' too large (${reason}). Clear its outputs, or move data out of it.`,
    );
  }
  return error.answer.status === 400
    ? new TaskError(`${error.message} Check the file of input 'notebookFile'.`, { cause: error })
    : error;
}
