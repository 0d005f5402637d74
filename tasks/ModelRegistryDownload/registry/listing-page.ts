import type { ListedBlob, Page } from './container';
import { BrokenAnswerError, bareEtag } from './errors';

/*
 * Reads what the service answers to List Blobs. The library's reader makes a tree of objects of any XML, which takes it
 * 0.2 ms a blob; this one knows what it is looking for.
 *
 * https://learn.microsoft.com/rest/api/storageservices/list-blobs
 */

/** @throws BrokenAnswerError for what is not a whole listing */
export function readListingPage(xml: string): Page<ListedBlob> {
  if (
    !/<EnumerationResults[\s>]/.test(xml.slice(0, 500)) ||
    !/<\/EnumerationResults>\s*$/.test(xml.slice(-100))
  ) {
    throw new BrokenAnswerError('the answer is not a whole listing');
  }
  const [begin, close] = ['<Blob>', '</Blob>'];
  const items: ListedBlob[] = [];
  const end = xml.indexOf('</Blobs>');
  for (let at = xml.indexOf(begin); at >= 0 && at < end; ) {
    const after = xml.indexOf(close, at);
    if (after < 0) throw new BrokenAnswerError('the listing has a blob without an end');
    items.push(readBlob(xml.slice(at + begin.length, after)));
    at = xml.indexOf(begin, after);
  }
  return { items, next: textOf(xml.slice(end < 0 ? 0 : end), 'NextMarker') || undefined };
}

/** The service encodes names that XML cannot hold. */
function readName(xml: string): string {
  const name = textOf(xml, 'Name') ?? '';
  if (!/^\s*<Name [^>]*Encoded="true"/i.test(xml)) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    throw new BrokenAnswerError('the listing has a name that it encodes wrongly');
  }
}

function readBlob(xml: string): ListedBlob {
  const end = xml.indexOf('</Properties>');
  const properties = xml.slice(0, end);
  const md5 = textOf(properties, 'Content-MD5');
  const [name, size] = [readName(properties), Number(textOf(properties, 'Content-Length') ?? 0)];
  if (name === '' || !Number.isSafeInteger(size) || size < 0) {
    throw new BrokenAnswerError('the listing has a blob without a name or a size');
  }
  return {
    name,
    size,
    etag: bareEtag(textOf(properties, 'Etag') ?? ''),
    md5: md5 ? Buffer.from(md5, 'base64').toString('hex') : null,
    lastModified: new Date(textOf(properties, 'Last-Modified') ?? ''),
    tier: textOf(properties, 'AccessTier') || undefined,
    rehydration: textOf(properties, 'ArchiveStatus') || undefined,
    isFolder: /<hdi_isfolder>\s*true\s*</i.test(xml.slice(end)),
  };
}

/**
 * The text of the first element of a name; undefined where there is none, or where it has no end tag. It is a text of its
 * own: a slice would keep all of the page in memory.
 */
function textOf(xml: string, name: string): string | undefined {
  const tag = xml.indexOf(`<${name}`);
  if (tag < 0) return undefined;
  const start = xml.indexOf('>', tag) + 1;
  const end = xml.indexOf(`</${name}>`, start);
  return end < 0 ? undefined : Buffer.from(decode(xml.slice(start, end))).toString();
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Of Unicode. */
const LAST_CHARACTER = 0x10ffff;

function decode(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name) return ENTITIES[name] ?? whole;
    const code = hex ? Number.parseInt(hex, 16) : Number(decimal);
    return code <= LAST_CHARACTER ? String.fromCodePoint(code) : whole;
  });
}
