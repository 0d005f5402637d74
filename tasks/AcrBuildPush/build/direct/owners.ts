import type { FileTree } from '../../files/file-tree';
import type { Owner } from './copy';

/**
 * Resolves `user[:group]` to numbers, with the image's own `/etc/passwd` and `/etc/group` where they are names. A user
 * without a group has the group that passwd gives to a name, and the same number as its own otherwise. A name that the
 * image does not know is root, as BuildKit has it.
 */
export function resolveOwner(text: string, tree: FileTree): Owner {
  const [user = '', group = ''] = splitOwner(text);
  const entry = isNumber(user) ? undefined : findEntry(tree, 'etc/passwd', user);
  const uid = isNumber(user) ? Number(user) : Number(entry?.[2] ?? 0);
  const own = isNumber(user) ? uid : Number(entry?.[3] ?? 0);
  if (group === '') return { uid, gid: own };
  if (isNumber(group)) return { uid, gid: Number(group) };
  return { uid, gid: Number(findEntry(tree, 'etc/group', group)?.[2] ?? own) };
}

/** Whether a user or group is named. */
export function hasName(text: string): boolean {
  const [user = '', group = ''] = splitOwner(text);
  return !isNumber(user) || (group !== '' && !isNumber(group));
}

function splitOwner(text: string): string[] {
  const at = text.indexOf(':');
  const parts = at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
  return parts.map(rootAsNumber);
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
