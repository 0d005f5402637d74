import { isRecord } from '../common/json';

/** Where the page of an executed notebook holds it: base64 of JSON that is encoded as in an address. */
const MODEL = /__DATABRICKS_NOTEBOOK_MODEL\s*=\s*'([A-Za-z0-9+/=]+)'/;

/** What older runtimes wrap printed text in. */
const BEGIN = '<div class="ansiout">';
const END = '</div>';

/** Parts of a cell's result lie within each other; deeper than this they are not looked for. */
const DEEPEST = 5;

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

/**
 * What the cells of an executed notebook printed, in the order of the cells. Tables, pictures and errors are left out.
 *
 * The API has no other way to it. What the page holds is not documented, but read alike by many tools for years.
 *
 * @param page as `runs/export` gives it
 * @returns undefined where the page has another form
 */
export function readPrinted(page: string): string | undefined {
  const [, encoded] = MODEL.exec(page) ?? [];
  if (encoded === undefined) return undefined;
  try {
    const model: unknown = JSON.parse(decodeURIComponent(Buffer.from(encoded, 'base64').toString('utf8')));
    if (!isRecord(model) || !Array.isArray(model.commands)) return undefined;
    const commands = model.commands.filter(isRecord);
    commands.sort((a, b) => Number(a.position ?? 0) - Number(b.position ?? 0));
    const texts = commands.map(({ results }) => textOf(results, DEEPEST).trimEnd());
    return texts.filter((text) => text !== '').join('\n');
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof URIError) return undefined;
    throw error;
  }
}

function textOf(result: unknown, depth: number): string {
  if (!isRecord(result) || depth === 0) return '';
  const { type, data } = result;
  if (Array.isArray(data) && type === 'listResults') {
    return data.map((part) => textOf(part, depth - 1)).join('');
  }
  if (typeof data !== 'string') return '';
  if (type === 'ansi') return data;
  if (type !== 'html') return '';
  return plain(printedIn(data));
}

/** Without a pattern, which would look for an end from every beginning. */
function printedIn(html: string): string {
  const texts: string[] = [];
  for (let begin = html.indexOf(BEGIN); begin >= 0; ) {
    const end = html.indexOf(END, begin);
    if (end < 0) break;
    texts.push(html.slice(begin + BEGIN.length, end));
    begin = html.indexOf(BEGIN, end);
  }
  return texts.join('');
}

function plain(html: string): string {
  return html
    .replace(/<[^<>]*>/g, '')
    .replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name]!);
}
