import type { IncomingHttpHeaders } from 'node:http';
import type { CatalogFile } from './store';

/** What answers a request for a file or a part of it. */
export interface ContentAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly content: Buffer;
}

/** Answers a request for a file as HTTP has it: parts, and conditions on its state. */
export function answerWith(
  file: CatalogFile,
  headers: IncomingHttpHeaders,
  knowsEtags: boolean,
): ContentAnswer {
  const { content, etag } = file;
  const time = new Date(file.lastModified);
  const about = {
    'Last-Modified': time.toUTCString(),
    'Accept-Ranges': 'bytes',
    ...(knowsEtags && { ETag: `"${etag}"` }),
  };
  const since = Date.parse(headers['if-unmodified-since'] ?? '');
  const isOther = knowsEtags && headers['if-match'] !== undefined && headers['if-match'] !== `"${etag}"`;
  if (isOther || since < Math.floor(file.lastModified / 1000) * 1000) {
    return { status: 412, headers: about, content: Buffer.alloc(0) };
  }
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  if (first === undefined) return { status: 200, headers: about, content };
  const [start, end] = [
    Number(first),
    last ? Math.min(Number(last), content.length - 1) : content.length - 1,
  ];
  if (start >= content.length || end < start) {
    return {
      status: 416,
      headers: { 'Content-Range': `bytes */${content.length}` },
      content: Buffer.alloc(0),
    };
  }
  const place = { 'Content-Range': `bytes ${start}-${end}/${content.length}` };
  return { status: 206, headers: { ...about, ...place }, content: content.subarray(start, end + 1) };
}
