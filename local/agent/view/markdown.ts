import { escapeHtml } from './html';

/**
 * Renders the Markdown that task summaries are written in: headings, paragraphs, lists, tables, block quotes, fenced
 * code, rules, and `<details>` with `<summary>`. Any other HTML in it is shown as text.
 */
export function renderMarkdown(markdown: string): string {
  return renderBlocks(markdown.replace(/\r\n?/g, '\n').split('\n'));
}

/** One kind of block: whether it starts at the first of these lines, and then its HTML and how many lines it took. */
type BlockReader = (lines: string[]) => { html: string; taken: number } | undefined;

const READERS: BlockReader[] = [blank, fence, heading, rule, details, quote, table, list];

function renderBlocks(lines: string[]): string {
  let html = '';
  for (let at = 0; at < lines.length; ) {
    const block = startOfBlock(lines.slice(at)) ?? paragraph(lines.slice(at));
    html += block.html;
    at += block.taken;
  }
  return html;
}

function startOfBlock(lines: string[]): ReturnType<BlockReader> {
  for (const read of READERS) {
    const block = read(lines);
    if (block) return block;
  }
  return undefined;
}

function blank([line]: string[]): ReturnType<BlockReader> {
  return line?.trim() === '' ? { html: '', taken: 1 } : undefined;
}

function fence(lines: string[]): ReturnType<BlockReader> {
  const opening = /^(`{3,}|~{3,})/.exec(lines[0]!)?.[1];
  if (!opening) return undefined;
  const end = lines.findIndex((line, index) => index > 0 && line.startsWith(opening));
  const body = lines.slice(1, end < 0 ? undefined : end);
  return { html: `<pre><code>${escapeHtml(body.join('\n'))}</code></pre>\n`, taken: body.length + 2 };
}

function heading([line = '']: string[]): ReturnType<BlockReader> {
  const [, marks, text] = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line) ?? [];
  if (!marks) return undefined;
  // The page has headings of its own above these.
  const level = Math.min(marks.length + 2, 6);
  return { html: `<h${level}>${renderInline(text!)}</h${level}>\n`, taken: 1 };
}

function rule([line = '']: string[]): ReturnType<BlockReader> {
  return /^\s*([-*_])(\s*\1){2,}\s*$/.test(line) ? { html: '<hr>\n', taken: 1 } : undefined;
}

function details(lines: string[]): ReturnType<BlockReader> {
  if (!/^\s*<details( open)?>/i.test(lines[0]!)) return undefined;
  let depth = 0;
  const end = lines.findIndex((line) => {
    depth += (line.match(/<details/gi) ?? []).length - (line.match(/<\/details>/gi) ?? []).length;
    return depth === 0;
  });
  const whole = lines.slice(0, end + 1).join('\n');
  const [, open = '', inner] = /^\s*<details( open)?>([\s\S]*)<\/details>/i.exec(whole) ?? [];
  if (inner === undefined) return undefined;
  const [titleTag = '', title = 'Details'] = /<summary>([\s\S]*?)<\/summary>/i.exec(inner) ?? [];
  const body = renderBlocks(inner.replace(titleTag, '').split('\n'));
  return {
    html: `<details${open}><summary>${renderInline(title)}</summary>${body}</details>\n`,
    taken: end + 1,
  };
}

function quote(lines: string[]): ReturnType<BlockReader> {
  const quoted = takeWhile(lines, (line) => /^\s*>/.test(line));
  if (quoted.length === 0) return undefined;
  const body = renderBlocks(quoted.map((line) => line.replace(/^\s*> ?/, '')));
  return { html: `<blockquote>${body}</blockquote>\n`, taken: quoted.length };
}

function table(lines: string[]): ReturnType<BlockReader> {
  const [header = '', separator = ''] = lines;
  if (!header.includes('|') || !/^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(separator))
    return undefined;
  const alignments = cells(separator).map((cell) =>
    cell.endsWith(':') ? (cell.startsWith(':') ? 'center' : 'right') : undefined,
  );
  const row = (line: string, tag: 'th' | 'td') =>
    `<tr>${cells(line)
      .map((cell, column) => {
        const alignment = alignments[column];
        return `<${tag}${alignment ? ` class="${alignment}"` : ''}>${renderInline(cell)}</${tag}>`;
      })
      .join('')}</tr>`;
  const body = takeWhile(lines.slice(2), (line) => line.includes('|'));
  const rows = body.map((line) => row(line, 'td')).join('');
  return {
    html: `<div class="wide"><table><thead>${row(header, 'th')}</thead><tbody>${rows}</tbody></table></div>\n`,
    taken: body.length + 2,
  };
}

function cells(line: string): string[] {
  const inner = line
    .trim()
    .replace(/^\|/, '')
    .replace(/(?<!\\)\|$/, '');
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
}

const BULLET = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;

function list(lines: string[]): ReturnType<BlockReader> {
  const first = BULLET.exec(lines[0]!);
  if (!first) return undefined;
  const indent = first[1]!.length;
  const tag = /\d/.test(first[2]!) ? 'ol' : 'ul';
  // Whatever is indented deeper than the first mark belongs to the item above it.
  const items: string[][] = [];
  let taken = 0;
  for (const line of lines) {
    const mark = BULLET.exec(line);
    const depth = /^\s*/.exec(line)![0].length;
    if (mark && mark[1]!.length === indent) items.push([mark[3]!]);
    else if (line.trim() !== '' && depth > indent) items.at(-1)!.push(line);
    else break;
    taken++;
  }
  const html = items.map(
    ([text = '', ...rest]) => `<li>${renderInline(text)}${renderBlocks(unindent(rest))}</li>`,
  );
  return { html: `<${tag}>${html.join('')}</${tag}>\n`, taken };
}

function unindent(lines: string[]): string[] {
  const indent = Math.min(...lines.map((line) => /^\s*/.exec(line)![0].length));
  return lines.map((line) => line.slice(indent));
}

function paragraph(lines: string[]): { html: string; taken: number } {
  const text = takeWhile(lines, (_, index) => index === 0 || !startOfBlock(lines.slice(index)));
  const html = text.map((line) => renderInline(line.trim()) + (/ {2}$/.test(line) ? '<br>' : '')).join('\n');
  return { html: `<p>${html}</p>\n`, taken: text.length };
}

function takeWhile(lines: string[], test: (line: string, index: number) => boolean): string[] {
  const end = lines.findIndex((line, index) => !test(line, index));
  return end < 0 ? lines : lines.slice(0, end);
}

/** Code spans first, since nothing inside of them means anything. */
function renderInline(text: string): string {
  return text
    .split(/(`+)(.+?)\1(?!`)/)
    .map((part, index) => {
      if (index % 3 === 0) return renderSpans(part);
      return index % 3 === 2 ? `<code>${escapeHtml(part.trim())}</code>` : '';
    })
    .join('');
}

function renderSpans(text: string): string {
  const escaped: string[] = [];
  const kept = text.replace(/\\([\\`*_{}[\]()#+\-.!|<>~])/g, (_, character: string) => {
    escaped.push(escapeHtml(character));
    return `\0${escaped.length - 1}\0`;
  });
  return escapeHtml(kept)
    .replace(/\[([^\]]*)\]\((https?:\/\/[^\s)]+)\)/g, '<a href="$2" rel="noreferrer">$1</a>')
    .replace(/&lt;(https?:\/\/[^\s&]+)&gt;/g, '<a href="$1" rel="noreferrer">$1</a>')
    .replace(/\*\*(?=\S)(.+?)(?<=\S)\*\*/g, '<strong>$1</strong>')
    .replace(/(?<![\w*])[*_](?=\S)([^*_]+?)(?<=\S)[*_](?![\w*])/g, '<em>$1</em>')
    .replace(/~~(.+?)~~/g, '<del>$1</del>')
    .replace(/&lt;br ?\/?&gt;/gi, '<br>')
    .replace(/\0(\d+)\0/g, (_, index: string) => escaped[Number(index)]!);
}
