/*
 * The template language of service connections and data sources, as Microsoft's documents and its own connection types
 * show it: Handlebars-like, with helpers of its own that stand in one pair of braces. What is not known there is an error
 * here, where the service would show nothing.
 */

export type Values = Readonly<Record<string, unknown>>;

/** A helper that answers with a text. Its arguments are texts in quotes, or what names stand for. */
type Helper = (args: readonly Argument[], values: Values) => string | Promise<string>;
interface Argument {
  /** As it is written, without quotes. */
  readonly text: string;
  readonly value: string;
}

/** Gets a token with a user and password, as {@link https://github.com/microsoft/azure-pipelines-extensions/issues/630} shows. */
export type TokenByPassword = (request: Readonly<Record<string, unknown>>) => Promise<string>;

export class TemplateError extends Error {}

const INLINE: Readonly<Record<string, Helper>> = {
  base64: (args) => Buffer.from(args.map(({ value }) => value).join('')).toString('base64'),
  jsonEscape: ([field]) => JSON.stringify(field!.value).slice(1, -1),
  regex: ([pattern, field]) => new RegExp(pattern!.text).exec(field!.value)?.[1] ?? '',
  isTokenPresent: ([field]) => String(field!.value !== ''),
  isEqualNumber: ([one, other]) => String(Number(one!.value) === Number(other!.text)),
  add: ([one, other]) => String(Number(one!.value) + Number(other!.value)),
};

/** Conditions, by what stands between their name and the closing one. */
const BLOCKS: Readonly<Record<string, (args: readonly Argument[]) => boolean>> = {
  if: ([field]) => field!.value !== '' && field!.value !== 'false',
  unless: ([field]) => field!.value === '' || field!.value === 'false',
  equals: ([one, other]) => one!.value === other!.text,
  notEquals: ([one, other]) => one!.value !== other!.text,
};

/** Fills in a template. @throws TemplateError for what the service is not known to take */
export async function render(
  template: string,
  values: Values,
  tokenByPassword?: TokenByPassword,
): Promise<string> {
  let rest = template;
  let text = '';
  while (rest !== '') {
    const start = rest.indexOf('{{');
    if (start < 0) return text + rest;
    text += rest.slice(0, start);
    const isRaw = rest.startsWith('{{{', start);
    const close = isRaw ? '}}}' : '}}';
    const from = start + close.length;
    const end = endOf(rest, from, close);
    const tag = rest.slice(from, end).trim();
    rest = rest.slice(end + close.length);

    const [, name = ''] = /^#?\s*(\w+)/.exec(tag) ?? [];
    if (tag.startsWith('#') && name in BLOCKS) {
      const closing = new RegExp(`\\{\\{\\s*/\\s*${name}\\s*\\}\\}`, 'i').exec(rest);
      if (!closing) throw new TemplateError(`{{${tag}}} is never closed`);
      const [yes = '', no = ''] = rest.slice(0, closing.index).split(/\{\{\s*else\s*\}\}/);
      rest = rest.slice(closing.index + closing[0].length);
      text += await render(BLOCKS[name]!(argumentsOf(tag, values)) ? yes : no, values, tokenByPassword);
      continue;
    }
    const value = await valueIn(tag, name, values, tokenByPassword);
    text += isRaw ? value : escapeHtml(value);
  }
  return text;
}

/** Braces may stand inside of a tag, as around an object. */
function endOf(template: string, from: number, close: string): number {
  let depth = 0;
  for (let at = from; at < template.length; at++) {
    if (depth === 0 && template.startsWith(close, at)) return at;
    if (template[at] === '{') depth++;
    if (template[at] === '}') depth--;
  }
  throw new TemplateError(`'${template.slice(from - 2, from + 30)}' is never closed`);
}

async function valueIn(
  tag: string,
  name: string,
  values: Values,
  tokenByPassword?: TokenByPassword,
): Promise<string> {
  if (name === 'getTokenUsingBasicAuth') {
    if (!tokenByPassword) throw new TemplateError(`{{${tag}}} stands where no token is to be had`);
    const request = JSON.parse(tag.slice(tag.indexOf('{')).replaceAll("'", '"'));
    return tokenByPassword(request);
  }
  if (name in INLINE) return INLINE[name]!(argumentsOf(tag, values), values);
  if (tag.startsWith('#') || /\s/.test(tag)) throw new TemplateError(`there is no helper for {{${tag}}}`);
  return lookUp(tag, values);
}

function argumentsOf(tag: string, values: Values): Argument[] {
  const words = tag.replace(/^#?\s*\w+\s*/, '').match(/'[^']*'|"[^"]*"|\S+/g) ?? [];
  return words.map((word) => {
    const quoted = /^(['"])(.*)\1$/s.exec(word)?.[2];
    return { text: quoted ?? word, value: quoted ?? lookUp(word, values) };
  });
}

/** The value at a path such as `endpoint.url`; empty where there is none. */
function lookUp(path: string, values: Values): string {
  let value: unknown = values;
  for (const name of path.split('.')) {
    value = typeof value === 'object' && value !== null ? (value as Values)[name] : undefined;
  }
  return value === undefined || value === null ? '' : String(value);
}

function escapeHtml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '&': 'amp',
    '<': 'lt',
    '>': 'gt',
    '"': 'quot',
    "'": '#39',
  };
  return text.replace(/[&<>"']/g, (character) => `&${names[character]};`);
}
