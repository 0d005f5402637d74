import { Lanes } from '../../../common/lanes';
import type { LayerPackages } from '../../bill-of-materials/layer-packages';
import { type Content, FileTree, join, LinkLoop, split, USER_FILES } from '../../files/file-tree';
import { readLayer } from '../../files/layer-reader';
import type { TarMember } from '../../files/tar-reader';
import type { Layer } from '../../image/image';

/** Bytes of a file whose text is kept, at most. */
const LARGEST_KEPT = 1024 * 1024;

interface Member extends TarMember {
  readonly data: Buffer | undefined;
}

/**
 * Lists the files of an image by reading its layers as they stream by: their names, owners and permissions, not
 * their bytes.
 *
 * @param packages takes in what the layers tell of packages on the way
 * @throws TaskError when a layer can't be read or is not what its digest says
 */
export async function readLayerFiles(
  layers: readonly Layer[],
  signal: AbortSignal,
  packages?: LayerPackages,
): Promise<FileTree> {
  const lanes = new Lanes(signal);
  try {
    const lists = layers.map((layer) => lanes.run((signal) => listMembers(layer, signal, packages)));
    const tree = new FileTree();
    for (const members of await Promise.all(lists)) applyLayer(tree, members);
    return tree;
  } catch (error) {
    throw await lanes.firstError(error);
  }
}

async function listMembers(
  layer: Layer,
  signal: AbortSignal,
  packages: LayerPackages | undefined,
): Promise<Member[]> {
  const members: Member[] = [];
  const collector = packages?.collector();
  const onMember = (member: TarMember) => {
    const parts: Buffer[] = [];
    const kept = USER_FILES.has(member.path) && member.size <= LARGEST_KEPT;
    members.push({
      ...member,
      get data() {
        return kept ? Buffer.concat(parts) : undefined;
      },
    });
    const sink = collector?.onMember(member);
    return kept ? (chunk: Buffer) => parts.push(Buffer.from(chunk)) : sink;
  };
  await readLayer(layer, onMember, signal);
  if (collector) packages?.keep(layer.diffId, collector);
  return members;
}

/** Lays one layer over those below it. A whiteout takes away what lower layers have, never what its own layer has. */
function applyLayer(tree: FileTree, members: readonly Member[]): void {
  for (const { path } of members) {
    const { folder: written, name } = split(path);
    const folder = leadsTo(tree, written);
    if (name === '.wh..wh..opq') for (const child of tree.list(folder)) tree.remove(join(folder, child));
    else if (name.startsWith('.wh.')) tree.remove(join(folder, name.slice(4)));
  }
  for (const member of members) {
    if (!split(member.path).name.startsWith('.wh.')) place(tree, member);
  }
}

/** Where a folder's links lead; those that lead in a circle lead nowhere. */
function leadsTo(tree: FileTree, folder: string): string {
  try {
    return tree.resolve(folder);
  } catch (error) {
    if (error instanceof LinkLoop) return folder;
    throw error;
  }
}

/** What a layer has in a folder that is a link below goes to where the link leads, unless the layer has the folder too. */
function place(tree: FileTree, member: Member): void {
  const { kind, mode, uid, gid, link, data } = member;
  const { folder, name } = split(member.path);
  const path = join(leadsTo(tree, folder), name);
  makeFolders(tree, split(path).folder);
  const owned = { mode, uid, gid };
  if (kind === 'directory') {
    if (tree.get(path)?.kind !== 'directory') tree.remove(path);
    tree.set(path, { kind, ...owned });
  } else if (kind === 'symlink') {
    tree.set(path, { kind, ...owned, target: link });
  } else if (kind === 'hardlink') {
    const { folder: linked, name: linkedName } = split(link.replace(/^\.?\/+/, ''));
    const origin = tree.get(join(leadsTo(tree, linked), linkedName));
    if (origin) tree.set(path, origin);
  } else if (kind === 'file') {
    const content: Content = data ? { kind: 'text', data } : { kind: 'base' };
    tree.set(path, { kind, ...owned, content });
  } else {
    tree.set(path, { kind, ...owned });
  }
}

/** Layers may leave out the folders above a file; engines make them then. */
function makeFolders(tree: FileTree, folder: string): void {
  if (!folder || tree.get(folder)) return;
  makeFolders(tree, split(folder).folder);
  tree.set(folder, { kind: 'directory', mode: 0o755, uid: 0, gid: 0 });
}
