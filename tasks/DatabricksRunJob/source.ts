import type { NotebookFormat } from './databricks/workspace';

/** The first line of a notebook in source format, as a comment of its language. */
const HEADER = /^(?:#|--|\/\/) Databricks notebook source[ \t]*(?:\r?\n|$)/;

/** What stands between the cells of a notebook in source format. */
const DIVIDER = /^(?:#|--|\/\/) COMMAND -{10}\s*$/m;

/** Whether a source begins as Databricks writes notebooks; otherwise its `COMMAND` lines divide nothing. */
export function hasHeader(source: string): boolean {
  return HEADER.test(source);
}

/**
 * Whether a notebook of the sources is what the workspace has. Databricks gives a notebook back with a header, with
 * line ends of its own, and a Jupyter notebook with metadata of its own; none of that makes it another notebook.
 */
export function isSameSource(source: string, exported: string, { format }: NotebookFormat): boolean {
  if (format === 'JUPYTER') {
    const [ours, theirs] = [readJupyter(source), readJupyter(exported)];
    if (!ours || !theirs) return false;
    const isOtherLanguage = ours.language && theirs.language && ours.language !== theirs.language;
    return !isOtherLanguage && ours.cells === theirs.cells;
  }
  // Without a header these lines divided nothing when the file was imported, but would in what was exported.
  const isAsWritten = hasHeader(source) ? hasHeader(exported) : !DIVIDER.test(source);
  return isAsWritten && plain(source) === plain(exported);
}

/** Without what Databricks may change; but the first line's indentation counts. */
function plain(source: string): string {
  const text = source.replace(HEADER, '').replaceAll('\r\n', '\n');
  return text.replace(/^(?:[ \t]*\n)+/, '').trimEnd();
}

interface JupyterNotebook {
  readonly cells: readonly { readonly cell_type: string; readonly source: string | string[] }[];
  readonly metadata?: { readonly language_info?: { readonly name?: string } };
}

/** Kind and text of each cell of a Jupyter notebook, in one string, and its language; undefined when it is none. */
function readJupyter(notebook: string): { cells: string; language: string | undefined } | undefined {
  try {
    const { cells, metadata } = JSON.parse(notebook) as JupyterNotebook;
    const texts = cells.map(({ cell_type, source }) => [cell_type, plain([source].flat().join(''))]);
    return { cells: JSON.stringify(texts), language: metadata?.language_info?.name?.toLowerCase() };
  } catch {
    return undefined;
  }
}
