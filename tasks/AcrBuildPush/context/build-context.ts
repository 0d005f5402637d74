import { basename, join as joinPath } from 'node:path';
import { codeOf, describeError, TaskError } from '../../common/errors';
import { OpenFolder } from '../../common/files/open-folder';
import { realPath } from '../../common/files/paths';
import { readSourceFile, SourceFileError } from '../../common/files/source-file';
import { byName, type Content, type FileNode, FileTree, join } from '../files/file-tree';
import { IgnoreRules } from './ignore';
import type { Decision } from './pattern-list';
import { permissionsIn } from './permissions';

/** The rules for a build: those beside the Dockerfile, which docker's legacy builder never looks at, or the context's. */
export function readIgnoreRules(
  context: string,
  dockerfile: string,
  builder: { isLegacy: boolean },
): IgnoreRules {
  const beside = `${dockerfile}.dockerignore`;
  const own = builder.isLegacy ? undefined : readIfThere(beside);
  if (own !== undefined) return new IgnoreRules(own, { ...builder, file: basename(beside) });
  return new IgnoreRules(readIfThere(joinPath(context, '.dockerignore')) ?? '', builder);
}

/** Something in a build context; its path is relative to it. */
export interface ContextEntry {
  readonly path: string;
  readonly node: FileNode;
}

/**
 * Goes through a build context as docker sees it: what the rules leave in, all owned by root, links as they are and
 * never followed, folders before what is in them, names in order.
 *
 * @throws TaskError when a folder can't be read, or a rule
 */
export function* walkContext(
  folder: string,
  rules: IgnoreRules,
  platform: NodeJS.Platform = process.platform,
): Generator<ContextEntry> {
  const readNode = nodeReader(folder, platform);
  /** @param withheld folders that are left out, unless something in them is not */
  function* walk(
    open: OpenFolder,
    path: string,
    above: Decision | undefined,
    withheld: ContextEntry[],
  ): Generator<ContextEntry> {
    for (const name of open.names().sort(byName)) {
      const here = join(path, name);
      const decision = rules.decide(here, above);
      if (decision.matches && !rules.entersIgnored(here)) continue;
      const node = readNode(open, name, joinPath(folder, here));
      if (!node) continue;
      const entry = { path: here, node };
      if (!decision.matches) {
        yield* withheld.splice(0);
        yield entry;
      }
      if (node.kind === 'directory') {
        const below = decision.matches ? [...withheld, entry] : withheld;
        const inner = open.folder(name);
        try {
          yield* walk(inner, here, decision, below);
        } finally {
          inner.close();
        }
        // What was withheld with this folder has gone out with it.
        if (below !== withheld && below.length === 0) withheld.length = 0;
      }
    }
  }
  let root: OpenFolder | undefined;
  try {
    root = OpenFolder.open(realPath(folder));
    yield* walk(root, '', undefined, []);
  } catch (error) {
    // A rule that docker does not take.
    if (error instanceof TaskError) throw error;
    throw new TaskError(
      `The build context can't be read: ${describeError(error)}. Check input 'buildContext'.`,
      { cause: error },
    );
  } finally {
    root?.close();
  }
}

/** The files of a build context, all of them. */
export function readBuildContext(folder: string, rules: IgnoreRules): FileTree {
  const tree = new FileTree();
  for (const { path, node } of walkContext(folder, rules)) tree.set(path, node);
  return tree;
}

/** Reads what a name of an open folder stands for, as docker sees it; nothing where docker passes it over. */
type NodeReader = (folder: OpenFolder, name: string, path: string) => FileNode | undefined;

function nodeReader(context: string, platform: NodeJS.Platform): NodeReader {
  const permissions = permissionsIn(context, platform);
  const linked = new Map<string, Content>();
  return (folder, name, path) => {
    // Ids of files have 64 bits on NTFS, XFS and network file systems: as ordinary numbers, some would be the same.
    const stat = folder.stats(name);
    if (!stat) return isMangled(name) ? mangled(`'${name}', whose name is not in UTF-8`) : undefined;
    const mode = permissions(path, { mode: Number(stat.mode), isDirectory: () => stat.isDirectory() });
    const owned = { mode, uid: 0, gid: 0 };
    if (stat.isDirectory()) return { kind: 'directory', ...owned };
    if (stat.isSymbolicLink()) {
      const target = folder.readLink(name);
      if (isMangled(target)) return mangled(`the link '${name}', whose target is not in UTF-8`);
      const inImage = platform === 'win32' ? target.replaceAll('\\', '/') : target;
      return { kind: 'symlink', ...owned, mode: 0o777, target: inImage };
    }
    // Docker passes sockets over.
    if (stat.isSocket()) return undefined;
    if (!stat.isFile()) return { kind: 'special', ...owned };
    const id = `${stat.dev}:${stat.ino}`;
    const content: Content = { kind: 'path', path, size: Number(stat.size), id };
    if (stat.nlink === 1n) return { kind: 'file', ...owned, content };
    const shared = linked.get(id) ?? content;
    linked.set(id, shared);
    return { kind: 'file', ...owned, content: shared };
  };
}

/** Whether Node may have put its sign for what it can't read into a name: nothing is to be found by such a one. */
function isMangled(name: string): boolean {
  return name.includes('\uFFFD');
}

function mangled(what: string): FileNode {
  return { kind: 'special', mode: 0, uid: 0, gid: 0, what };
}

/** Bytes of an ignore file, at most. */
const LARGEST_RULES = 16 * 1024 * 1024;

/** An ignore file's text; undefined where there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readSourceFile(path, LARGEST_RULES).toString('utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (error instanceof SourceFileError)
      throw new TaskError(`'${path}' can't be read: it is a file ${error.message}`);
    throw error;
  }
}
