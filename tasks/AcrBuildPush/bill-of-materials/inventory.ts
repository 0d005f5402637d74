import { split } from '../files/file-tree';
import type { Finding, Findings } from './findings';

/** Where something was found: in which layer, counted from 0 at the bottom, the uppermost that has it. */
export interface Found {
  readonly layer: number;
  readonly finding: Finding;
}

/** What an image's layers, laid over each other, tell of its packages. */
export interface Inventory {
  /** Diff ids of the image's layers, from the bottom. */
  readonly layers: readonly string[];
  /** How many of the lowest layers are not known: nothing is told of these. */
  readonly unknown: number;
  /** By path. */
  readonly files: ReadonlyMap<string, Found>;
  /** The layers that have taken away or replaced something that lower ones have. */
  readonly hiding: readonly number[];
}

/** What layers tell, by diff id, as far as it is known. */
export type KnownFindings = ReadonlyMap<string, Findings>;

/**
 * Lays layers over each other.
 *
 * What lies below a layer that is not known is not told: that layer may have taken it away.
 *
 * @param noted inventories of other images, which may have begun with the same layers
 */
export function takeInventory(
  layers: readonly string[],
  known: KnownFindings,
  noted: readonly Inventory[],
): Inventory {
  const start = noteFor(layers, known, noted);
  const begun = start?.layers.length ?? 0;
  const files = new Map(start?.files);
  const hiding = new Set(start?.hiding);
  let unknown = start?.unknown ?? 0;
  for (let layer = begun; layer < layers.length; layer++) {
    const findings = known.get(layers[layer]!);
    if (!findings) {
      files.clear();
      hiding.clear();
      unknown = layer + 1;
      continue;
    }
    for (const path of files.keys()) {
      if (!isHidden(path, findings)) continue;
      files.delete(path);
      hiding.add(layer);
    }
    for (const [path, finding] of findings.files) files.set(path, { layer, finding });
  }
  return { layers, unknown, files, hiding: [...hiding] };
}

/** The layers of which it takes more to know before the inventory can be taken. */
export function layersToRead(
  layers: readonly string[],
  known: KnownFindings,
  noted: readonly Inventory[],
): readonly string[] {
  const begun = noteFor(layers, known, noted)?.layers.length ?? 0;
  return layers.slice(begun).filter((layer) => !known.has(layer));
}

/** The note that spares the most reading, as far as it is true of these layers; none where reading is done. */
function noteFor(
  layers: readonly string[],
  known: KnownFindings,
  noted: readonly Inventory[],
): Inventory | undefined {
  let best: Inventory | undefined;
  for (const note of noted) {
    const common = commonBegin(layers, note);
    const isNew = layers.slice(0, common?.layers.length).some((layer) => !known.has(layer));
    if (common && isNew && common.layers.length > (best?.layers.length ?? 0)) best = common;
  }
  return best;
}

/** The part of a note that is about the layers with which another image begins, too. */
function commonBegin(layers: readonly string[], note: Inventory): Inventory | undefined {
  const differs = note.layers.findIndex((layer, index) => layer !== layers[index]);
  const length = differs < 0 ? note.layers.length : differs;
  // What a layer beyond has hidden is not noted any more.
  if (length <= note.unknown || note.hiding.some((layer) => layer >= length)) return undefined;
  const files = [...note.files].filter(([, { layer }]) => layer < length);
  return { ...note, layers: layers.slice(0, length), files: new Map(files) };
}

/** Whether a layer takes away what lower ones have at a path. */
function isHidden(path: string, { removed, emptied, covered }: Findings): boolean {
  for (let at = path; at; at = split(at).folder) {
    if (removed.has(at) || covered.has(at) || emptied.has(split(at).folder)) return true;
  }
  return false;
}
