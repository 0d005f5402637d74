import { isTooMuch, readJson } from '../../common/json';
import { EACH, faultIn, type Shape, type Shaped } from '../../common/shape';
import type { Finding } from '../bill-of-materials/findings';
import type { Inventory } from '../bill-of-materials/inventory';
import { isPackageType, type Package } from '../bill-of-materials/packages';
import { byName, type FileNode, FileTree, join, split } from '../files/file-tree';
import { ATTRIBUTES, BrokenNote, LONGEST_PATH, makerOf, notedText } from '../files/noted-file';

/** What is in a base image, as far as builds ask: all its files, without their bytes, and its packages. */
export interface BaseContents {
  readonly files: FileTree;
  /** Of the image's layers, which it names. */
  readonly packages: Inventory;
}

/** Bytes of what is noted about one image, at most, and JSON values: one of 30,000 files has a tenth of either. */
export const LARGEST_CONTENTS = 8 * 1024 * 1024;
const MOST_VALUES = 400_000;

const PACKAGE = { type: 'text', name: 'text', version: 'text', qualifiers: { [EACH]: 'text' } } as const;

type NotedPackage = Shaped<typeof PACKAGE>;

const FINDING = {
  kind: 'text',
  why: 'text',
  system: { id: 'text', version: 'text', title: 'text' },
  packages: [PACKAGE],
} as const satisfies Shape;

/** Few combinations of owners and permissions occur in an image, so each stands there once, and files by their folders. */
const NOTE = {
  layers: ['text'],
  attributes: [ATTRIBUTES],
  /** The attributes of the root folder, and of all that is in each folder, by its name: numbers into the list. */
  root: 'number',
  folders: { [EACH]: 'object' },
  /** What links say, and files that tell users' names. */
  texts: { [EACH]: 'text' },
  packages: {
    unknown: 'number',
    hiding: ['number'],
    files: { [EACH]: { layer: 'number', finding: FINDING } },
  },
} as const satisfies Shape;

type Note = Shaped<typeof NOTE>;

/**
 * The same contents come to the same bytes, whoever writes them: so they are not compressed, which Node's versions do
 * differently.
 *
 * @returns undefined for more than is noted about one image
 */
export function encodeContents({ files, packages }: BaseContents): Buffer | undefined {
  const attributes = new Map<string, number>();
  const attributesOf = ({ kind, mode, uid, gid }: FileNode): number => {
    const key = JSON.stringify({ kind, mode, uid, gid });
    const known = attributes.get(key) ?? attributes.size;
    attributes.set(key, known);
    return known;
  };
  const folders = new Map<string, [string, number][]>();
  const texts: [string, string][] = [];
  const root = attributesOf(files.get('')!);
  for (const path of files.paths().sort(byName)) {
    const node = files.get(path)!;
    const { folder, name } = split(path);
    const names = folders.get(folder);
    const entry: [string, number] = [name, attributesOf(node)];
    if (names) names.push(entry);
    else folders.set(folder, [entry]);
    const text = notedText(path, node);
    if (text !== undefined) texts.push([path, text]);
  }
  const { layers, unknown, hiding } = packages;
  const found = [...packages.files].sort(([a], [b]) => byName(a, b));
  const note: Note = {
    layers,
    attributes: [...attributes.keys()].map((key) => JSON.parse(key)),
    root,
    folders: Object.fromEntries([...folders].map(([folder, names]) => [folder, Object.fromEntries(names)])),
    texts: Object.fromEntries(texts),
    packages: { unknown, hiding: [...hiding].sort((a, b) => a - b), files: Object.fromEntries(found) },
  };
  const json = JSON.stringify(note);
  const content = Buffer.from(json);
  return content.length > LARGEST_CONTENTS || isTooMuch(json, MOST_VALUES) ? undefined : content;
}

/**
 * Reads what somebody has noted about an image, and holds it against what an image can be.
 *
 * @param layers the diff ids of the image
 * @throws BrokenNote where it is about something else, or makes no sense
 */
export function decodeContents(content: Buffer, layers: readonly string[]): BaseContents {
  const note = readJson(content, MOST_VALUES);
  const fault = faultIn(note, NOTE);
  if (fault !== undefined) throw new BrokenNote(fault);
  const { layers: noted, packages, ...files } = note as Note;
  if (noted?.length !== layers.length || noted.some((layer, index) => layer !== layers[index])) {
    throw new BrokenNote('it is about other layers');
  }
  return { files: readFiles(files), packages: readPackages(packages, layers) };
}

function readFiles({
  attributes,
  root,
  folders,
  texts,
}: Pick<Note, 'attributes' | 'root' | 'folders' | 'texts'>): FileTree {
  const makers = (attributes ?? []).map(makerOf);
  const textAt = new Map(Object.entries(texts ?? {}));
  const nodeAt = (path: string, index: unknown): FileNode => {
    const make = typeof index === 'number' ? makers[index] : undefined;
    if (!make) throw new BrokenNote(`it does not say what '/${path}' is`);
    return make(path, textAt.get(path));
  };
  const tree = new FileTree();
  tree.set('', nodeAt('', root));
  for (const [folder, names] of Object.entries(folders ?? {}).sort(([a], [b]) => byName(a, b))) {
    // Folders come before what is in them.
    if (tree.get(folder)?.kind !== 'directory') throw new BrokenNote(`'/${folder}' is no folder`);
    for (const [name, index] of Object.entries(names ?? {})) {
      const path = join(folder, name);
      if (!isName(name) || path.length > LONGEST_PATH) throw new BrokenNote('it has a path that is none');
      tree.set(path, nodeAt(path, index));
    }
  }
  if (tree.get('')?.kind !== 'directory') throw new BrokenNote("'/' is no folder");
  return tree;
}

function isName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name);
}

function readPackages(packages: Note['packages'], layers: readonly string[]): Inventory {
  const { unknown, hiding, files } = packages ?? {};
  const isLayer = (one: unknown) => Number.isSafeInteger(one) && layers[one as number] !== undefined;
  const found = Object.entries(files ?? {}).map(([path, { layer, finding }]) => {
    const read = readFinding(finding);
    if (!isLayer(layer) || !read) throw new BrokenNote(`it does not say what '/${path}' tells of packages`);
    return [path, { layer: layer!, finding: read }] as const;
  });
  const isKnown = unknown === 0 || (typeof unknown === 'number' && isLayer(unknown - 1));
  if (!isKnown || !hiding?.every(isLayer))
    throw new BrokenNote('it has packages of layers that are not there');
  return { layers, unknown, hiding, files: new Map(found) };
}

function readFinding(finding: Shaped<typeof FINDING> | null | undefined): Finding | undefined {
  const { kind, why, system, packages } = finding ?? {};
  if (kind === 'unread' && why) return { kind, why };
  if (kind === 'system' && system?.id) {
    const { id, version, title } = system;
    return { kind, system: { id, ...(version && { version }), ...(title && { title }) } };
  }
  if (kind !== 'packages' || !packages) return undefined;
  const read = packages.map(readPackage).filter((one) => one !== undefined);
  return read.length === packages.length ? { kind, packages: read } : undefined;
}

function readPackage({ type, name, version, qualifiers }: NotedPackage): Package | undefined {
  if (!name || !version || !type || !isPackageType(type)) return undefined;
  const given = Object.entries(qualifiers ?? {}).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  );
  return { type, name, version, ...(given.length > 0 && { qualifiers: Object.fromEntries(given) }) };
}
