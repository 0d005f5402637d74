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
    const cells = cellsOf(source);
    return cells !== undefined && cells === cellsOf(exported);
  }
  // Without a header these lines divided nothing when the file was imported, but would in what was exported.
  const isAsWritten = hasHeader(source) ? hasHeader(exported) : !DIVIDER.test(source);
  return isAsWritten && plain(source) === plain(exported);
}

function plain(source: string): string {
  return source.replace(HEADER, '').replaceAll('\r\n', '\n').trim();
}

/** Kind and text of each cell of a Jupyter notebook, in one string; undefined when it is none. */
function cellsOf(notebook: string): string | undefined {
  try {
    const { cells } = JSON.parse(notebook) as { cells: { cell_type: string; source: string | string[] }[] };
    return JSON.stringify(cells.map(({ cell_type, source }) => [cell_type, [source].flat().join('').trim()]));
  } catch {
    return undefined;
  }
}
