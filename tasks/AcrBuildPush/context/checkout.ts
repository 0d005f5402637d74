import { join, resolve } from 'node:path';
import { gitFolders, isCommit, readGitFile } from './git-folder';

/** A checkout of git, as its own files tell. */
export interface Checkout {
  /** Its topmost folder. */
  readonly top: string;
  /** The commit that is checked out. */
  readonly commit: string;
  /** Where it was fetched from, as it stands there: there may be a user in it. */
  readonly origin: string | undefined;
}

/** Bytes of one of git's small files, at most: `packed-refs` has a line for each branch and tag. */
const LARGEST = 32 * 1024 * 1024;

/** The checkout that a folder is part of; undefined where there is none, or none that is understood. */
export function findCheckout(folder: string): Checkout | undefined {
  for (const { top, git } of gitFolders(folder)) {
    const head = readText(join(git, 'HEAD'));
    if (head === undefined) continue;
    const shared = resolve(git, readText(join(git, 'commondir'))?.trim() ?? '.');
    const commit = commitOf(head, [git, shared]);
    return commit === undefined ? undefined : { top, commit, origin: originOf(shared) };
  }
  return undefined;
}

/** @param folders where references may lie: a worktree shares most of them with others */
function commitOf(head: string, folders: readonly string[]): string | undefined {
  const name = /^ref: (refs\/\S+)\s*$/.exec(head)?.[1];
  if (name === undefined) return asCommit(head);
  if (name.split('/').includes('..')) return undefined;
  for (const folder of folders) {
    const loose = asCommit(readText(join(folder, name)));
    if (loose !== undefined) return loose;
    const packed = readText(join(folder, 'packed-refs'))?.split('\n') ?? [];
    const line = packed.find((one) => one.trimEnd().endsWith(` ${name}`));
    if (line !== undefined) return asCommit(line.split(' ')[0]);
  }
  return undefined;
}

function asCommit(text: string | undefined): string | undefined {
  const commit = text?.trim();
  return commit !== undefined && isCommit(commit) ? commit : undefined;
}

function originOf(folder: string): string | undefined {
  let isOrigin = false;
  for (const line of readText(join(folder, 'config'))?.split('\n') ?? []) {
    if (/^\s*\[/.test(line)) isOrigin = /^\s*\[remote "origin"\]/.test(line);
    const url = isOrigin && /^\s*url\s*=\s*(\S+)\s*$/.exec(line)?.[1];
    if (url) return url;
  }
  return undefined;
}

function readText(file: string): string | undefined {
  return readGitFile(file, LARGEST)?.toString('utf8');
}
