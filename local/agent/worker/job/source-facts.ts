import { basename, resolve } from 'node:path';
import { askGit } from '../steps/git';

/** What the server knows of the commit that a run is for. */
export interface SourceFacts {
  readonly branch: string;
  readonly version: string;
  readonly author: string;
  readonly message: string;
  readonly uri: string;
  readonly name: string;
}

/** Asks git about the sources; plausible values stand in where there is no git checkout. */
export async function describeSources(folder: string): Promise<SourceFacts> {
  const ask = async (...args: string[]) => (await askGit(folder, ...args))?.trim() ?? '';
  const [version, branch, author, message, uri] = await Promise.all([
    ask('rev-parse', 'HEAD'),
    ask('symbolic-ref', '-q', 'HEAD'),
    ask('log', '-1', '--format=%an'),
    ask('log', '-1', '--format=%s'),
    ask('remote', 'get-url', 'origin'),
  ]);
  return {
    version: version || '0'.repeat(40),
    branch: branch || 'refs/heads/main',
    author: author,
    message: message,
    uri: uri || `file://${resolve(folder)}`,
    name: basename(resolve(folder)),
  };
}
