import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { tarHeader } from '../../../../tasks/AcrBuildPush/files/tar';
import type { LocalLayer } from '../../../../tasks/AcrBuildPush/image/image';

/** What a layer has at a path: a file's text, a folder, or a link. */
export type LayerEntry =
  | string
  | Buffer
  | { readonly link: string }
  | { readonly hardlink: string }
  | undefined;

const OWNED = { mode: 0o644, uid: 0, gid: 0 };

/** The tar of a layer, in the order of its entries; `undefined` is a folder. */
export function layerTar(entries: Readonly<Record<string, LayerEntry>>): Buffer {
  const parts = Object.entries(entries).flatMap(([path, entry]) => {
    if (entry === undefined)
      return [tarHeader({ path, node: { kind: 'directory', ...OWNED }, linkTo: undefined, size: 0 })];
    if (typeof entry === 'object' && 'link' in entry) {
      return [
        tarHeader({
          path,
          node: { kind: 'symlink', target: entry.link, ...OWNED },
          linkTo: undefined,
          size: 0,
        }),
      ];
    }
    const data = typeof entry === 'string' || Buffer.isBuffer(entry) ? Buffer.from(entry) : Buffer.alloc(0);
    const linkTo = typeof entry === 'object' && 'hardlink' in entry ? entry.hardlink : undefined;
    const node = { kind: 'file', content: { kind: 'text', data }, ...OWNED } as const;
    const rest = Buffer.alloc((512 - (data.length % 512)) % 512);
    return [tarHeader({ path, node, linkTo, size: data.length }), data, rest];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

export function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** A layer whose tar is at hand. */
export function localLayer(
  entries: Readonly<Record<string, LayerEntry>>,
): LocalLayer & { readonly tar: Buffer } {
  const tar = layerTar(entries);
  return {
    kind: 'local',
    tar,
    diffId: digestOf(tar),
    size: tar.length,
    open: (start = 0) => Readable.from([tar.subarray(start)], { objectMode: false }),
  };
}

export function gzipped(content: Buffer): Buffer {
  return gzipSync(content);
}

/** A paragraph of dpkg's. */
export function debian(name: string, version: string, more = ''): string {
  return `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\n${more}Version: ${version}\nDescription: it\n does: much\n .\n Package: nothing\n\n`;
}

export function python(name: string, version: string): string {
  return `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n\nName: not-this\n`;
}
