import type { FileTree } from '../../files/file-tree';
import type { Owner } from './copy';

/**
 * Resolves `user[:group]` to numbers, with the image's own `/etc/passwd` and `/etc/group` where they are names. A user
 * without a group has the group that passwd gives to a name, and the same number as its own otherwise.
 *
 * @returns undefined for a name that the image does not know
 */
export function resolveOwner(text: string, tree: FileTree): Owner | undefined {
  const [user = '', group] = text.split(':', 2).map(rootAsNumber);
  const entry = isNumber(user) ? undefined : findEntry(tree, 'etc/passwd', user);
  if (!entry && !isNumber(user)) return undefined;
  const uid = Number(entry?.[2] ?? user);
  if (group === undefined) return { uid, gid: Number(entry?.[3] ?? uid) };
  if (isNumber(group)) return { uid, gid: Number(group) };
  const gid = findEntry(tree, 'etc/group', group)?.[2];
  return gid === undefined ? undefined : { uid, gid: Number(gid) };
}

/** BuildKit knows the name `root` in every image, also in one without users. */
function rootAsNumber(name: string): string {
  return name === 'root' ? '0' : name;
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}

function findEntry(tree: FileTree, path: string, name: string): string[] | undefined {
  const node = tree.get(tree.resolve(path));
  if (node?.kind !== 'file' || node.content.kind !== 'text') return undefined;
  const lines = node.content.data.toString('utf8').split('\n');
  return lines.map((line) => line.split(':')).find((fields) => fields[0] === name);
}
