import { bound, stripControls } from './foreign-text';
import { redact } from './secrets';

/** The longest code block in a summary; the page shows summaries whole. */
const LONGEST_BLOCK = 20_000;

/** What a cell of a table shows: a text, or one that leads to a page. */
export type Cell = string | { readonly label: string; readonly url: string };

/** A Markdown page about the step, built part by part. All texts may be foreign: they are made safe here. */
export class Summary {
  private readonly parts: string[] = [];

  heading(text: string): this {
    return this.add(`## ${inline(text)}`);
  }

  /** What came out, in the first line. The page shows the summary's title above it, which need not be said again. */
  lead(text: string): this {
    return this.add(`**${inline(text)}**`);
  }

  paragraph(text: string): this {
    return this.add(inline(text));
  }

  /** A table; columns of numbers are named in `right` and aligned there. */
  table(header: readonly string[], rows: readonly (readonly Cell[])[], right: readonly string[] = []): this {
    const line = (cells: readonly Cell[]) => `| ${cells.map(show).join(' | ')} |`;
    const ruler = `|${header.map((name) => (right.includes(name) ? ' ---: |' : ' --- |')).join('')}`;
    return this.add([line(header), ruler, ...rows.map(line)].join('\n'));
  }

  /** Names and values, as a table without headings. */
  facts(rows: readonly (readonly [name: string, value: Cell])[]): this {
    return this.table(
      ['', ''],
      rows.map(([name, value]) => [name, value]),
    );
  }

  code(text: string, language = ''): this {
    const clean = bound(text, LONGEST_BLOCK);
    const longestRun = Math.max(2, ...[...clean.matchAll(/`+/g)].map(([run]) => run.length));
    const fence = '`'.repeat(longestRun + 1);
    return this.add(`${fence}${language}\n${clean}\n${fence}`);
  }

  link(label: string, url: string): this {
    return this.add(show({ label, url }));
  }

  toString(): string {
    return redact(`${this.parts.join('\n\n')}\n`);
  }

  private add(part: string): this {
    this.parts.push(part);
    return this;
  }
}

/**
 * The address in a text of others, where it is one that a page may link to: of the web, and without a name or a password in
 * it. Undefined for everything else.
 */
export function webAddress(text: string): string | undefined {
  if (!/^https?:\/\/\S+$/i.test(text) || !URL.canParse(text)) return undefined;
  const { username, password, href } = new URL(text);
  return username || password ? undefined : href;
}

function show(cell: Cell): string {
  if (typeof cell === 'string') return inline(cell);
  const encode = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  // What ends a link, or a cell of a table.
  const { origin, href } = new URL(cell.url);
  const address = origin + href.slice(origin.length).replace(/[()|\\[\]`]/g, encode);
  return `[${inline(cell.label)}](${address})`;
}

/** Text for one line of Markdown: what Markdown or HTML would act on is shown as it is, and secrets not at all. */
function inline(text: string): string {
  return redact(stripControls(text))
    .split('\n')
    .map((line, _, { length }) => (length === 1 ? line : line.trim()))
    .join(' ')
    .replace(/[\\`*_[\]<>|#~]/g, '\\$&');
}
