import { posix } from 'node:path';
import { type Decision, PatternList } from '../../context/pattern-list';
import { mistake } from '../../dockerfile/instructions';
import { type FileTree, join, split } from '../../files/file-tree';
import { compileGlob, hasWildcard } from '../../files/glob';
import { NeedsEngine } from '../needs-engine';

/** A pattern that nothing matches. */
interface Unmatched {
  readonly pattern: string;
  /** Where it looks: the folder before its first wildcard. */
  readonly folder: string;
  readonly line: number;
}

/**
 * What a build takes from its context. BuildKit is sent no more than the sources of all lines, so it has the folder of a
 * pattern that nothing matches only where another line takes something of it, or all of it; else it refuses the pattern.
 */
export class ContextUse {
  private readonly sources = new Set<string>();
  private readonly unmatched: Unmatched[] = [];

  /** Told of every source that a line names. */
  take(source: string): void {
    this.sources.add(posix.normalize(`/${source}`));
  }

  miss(unmatched: Unmatched): void {
    this.unmatched.push(unmatched);
  }

  /**
   * Looks at the patterns that nothing matches, when all lines are known.
   *
   * @param isBegun whether an engine has carried out other lines, of which nothing is known here
   * @throws TaskError where BuildKit refuses one
   */
  check(context: () => FileTree, isBegun: boolean): void {
    if (this.sources.has('/')) return;
    const missing = this.unmatched.find(({ folder, line }) => !this.isSent(context(), folder, line));
    if (!missing) return;
    const { pattern, folder, line } = missing;
    if (isBegun) throw new NeedsEngine(line, 'COPY', `nothing matches '${pattern}'`);
    throw mistake(line, `nothing matches '${pattern}', and nothing else is copied from '${folder}'`);
  }

  private isSent(context: FileTree, folder: string, line: number): boolean {
    if (folder === '') return true;
    const sources = new Followed(context);
    // A link is followed for the first only of those that go through it. BuildKit looks at them in this order.
    for (const source of [...this.sources].sort()) sources.add(source);
    const list = new PatternList([...sources.patterns], (problem) => mistake(line, `its COPY ${problem}`));
    return isTaken(context, list, folder, decideOn(list, folder));
  }
}

function decideOn(list: PatternList, path: string): Decision | undefined {
  return path === '' ? undefined : list.decide(path, decideOn(list, split(path).folder));
}

/** Whether a file or folder is taken, or something in it. */
function isTaken(
  context: FileTree,
  list: PatternList,
  path: string,
  decision: Decision | undefined,
): boolean {
  if (decision?.matches) return true;
  if (context.get(path)?.kind !== 'directory') return false;
  return context.list(path).some((name) => {
    const inner = join(path, name);
    return isTaken(context, list, inner, list.decide(inner, decision));
  });
}

/** Sources with what links among them lead to, as BuildKit follows them before it has anything sent. */
class Followed {
  readonly patterns = new Set<string>();

  constructor(private readonly context: FileTree) {}

  add(source: string): void {
    const names = source.split('/').filter(Boolean);
    for (let count = 1; count <= names.length; count++) {
      const path = names.slice(0, count).join('/');
      const targets = this.targetsOf(path);
      if (count < names.length && !targets) continue;
      if (this.patterns.has(path)) return;
      this.patterns.add(path);
      for (const target of targets ?? []) this.add(posix.join(target, ...names.slice(count)));
      return;
    }
  }

  /** Where the links lead that a path names, or a pattern in its last part; undefined where it names none. */
  private targetsOf(path: string): readonly string[] | undefined {
    const { folder, name } = split(path);
    const target = (inner: string): readonly string[] => {
      const node = this.context.get(inner);
      return node?.kind === 'symlink' ? [posix.resolve(`/${split(inner).folder}`, node.target)] : [];
    };
    const matches = hasWildcard(name) ? compileGlob(name) : undefined;
    const targets = matches
      ? this.context
          .list(folder)
          .filter(matches)
          .flatMap((match) => target(join(folder, match)))
      : target(path);
    return targets.length > 0 ? targets : undefined;
  }
}
