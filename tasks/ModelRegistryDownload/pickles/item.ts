import { ByteReader, type Content, memoryContent, type Source, slice, sourceOf } from './byte-reader';

/** A file, or a part of one, that is inspected. It can be read as often as it takes. */
export interface Item {
  /** The file, and the way to the part of it. */
  readonly name: string;
  open(): Source;
  /** Where it can be read at any place. */
  readonly content: Content | undefined;
}

export function itemOf(name: string, content: Content): Item {
  return { name, content, open: () => sourceOf(content) };
}

/** A part of an item. */
export function partOf(item: Item, name: string, offset: number, size: number): Item {
  const whole = `${item.name}: ${name}`;
  if (item.content) return itemOf(whole, slice(item.content, offset, size));
  return { name: whole, content: undefined, open: () => limited(item.open(), offset, size) };
}

/** Reads an item to memory; undefined where it is larger than `most` bytes. */
export async function gather(item: Item, most: number): Promise<Buffer | undefined> {
  const source = item.open();
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for (let piece = await source.next(); piece; piece = await source.next()) {
      size += piece.length;
      if (size > most) return undefined;
      pieces.push(piece);
    }
  } finally {
    await source.close();
  }
  return Buffer.concat(pieces);
}

/** The same item in memory, so that it can be read at any place; undefined where it is larger than `most` bytes. */
export async function inMemory(item: Item, most: number): Promise<Item | undefined> {
  const bytes = await gather(item, most);
  return bytes && itemOf(item.name, memoryContent(bytes));
}

/** A part of what only comes in order. */
function limited(source: Source, offset: number, size: number): Source {
  const reader = new ByteReader(source);
  let rest = -1;
  return {
    async next() {
      if (rest === -1) rest = (await reader.skip(offset)) ? size : 0;
      if (rest === 0 || !(await reader.need(1))) return undefined;
      const piece = reader.take(Math.min(rest, reader.left));
      rest -= piece.length;
      return piece;
    },
    close: () => source.close(),
  };
}
