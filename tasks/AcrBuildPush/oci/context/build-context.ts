import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { TaskError } from '../../../common/errors';
import { byName, type Content, type FileNode, FileTree, join } from '../file-tree';
import { type Decision, IgnoreRules } from './ignore';

/**
 * Reads which files a build context has, as docker sees them: those that `<Dockerfile>.dockerignore`, or else the
 * context's `.dockerignore`, leaves in; all owned by root; links as they are, never followed here.
 *
 * @throws TaskError when a folder can't be read, or a pattern is wrong
 */
export function readBuildContext(folder: string, dockerfile: string): FileTree {
  const rules = new IgnoreRules(
    readIfThere(`${dockerfile}.dockerignore`) ?? readIfThere(joinPath(folder, '.dockerignore')) ?? '',
  );
  const tree = new FileTree();
  const linked = new Map<string, Content>();

  /** @returns whether anything of it was taken */
  const walk = (path: string, above: Decision | undefined): boolean => {
    let taken = false;
    for (const name of readdirSync(joinPath(folder, path)).sort(byName)) {
      const here = join(path, name);
      const decision = rules.decide(here, above);
      if (decision.ignored && !rules.entersIgnored(here)) continue;
      const node = readNode(joinPath(folder, here), linked);
      if (!node) continue;
      const below = node.kind === 'directory' && walk(here, decision);
      if (decision.ignored && !below) continue;
      tree.set(here, node);
      taken = true;
    }
    return taken;
  };

  try {
    walk('', undefined);
  } catch (error) {
    if (error instanceof TaskError) throw error;
    throw new TaskError(
      `The build context can't be read: ${(error as Error).message}. Check input 'buildContext'.`,
      {
        cause: error,
      },
    );
  }
  return tree;
}

function readNode(path: string, linked: Map<string, Content>): FileNode | undefined {
  const stat = lstatSync(path);
  const owned = { mode: stat.mode & 0o7777, uid: 0, gid: 0 };
  if (stat.isDirectory()) return { kind: 'directory', ...owned };
  if (stat.isSymbolicLink()) return { kind: 'symlink', ...owned, mode: 0o777, target: readlinkSync(path) };
  // Docker passes sockets over.
  if (stat.isSocket()) return undefined;
  if (!stat.isFile()) return { kind: 'special', ...owned };
  const key = `${stat.dev}:${stat.ino}`;
  const content = linked.get(key) ?? { kind: 'path', path, size: stat.size };
  if (stat.nlink > 1) linked.set(key, content);
  return { kind: 'file', ...owned, content };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
