import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../../scripts/paths';
import { parseExactly, select } from './select';
import { render, type Values } from './templates';

/** A service connection as somebody has made it in the designer's dialog. */
export interface Endpoint {
  /** As it was typed. */
  readonly url: string;
  readonly scheme: 'token' | 'basic' | 'none' | 'workload-identity-federation';
  /** What was typed under the scheme, and the connection's data, by their ids. */
  readonly values: Readonly<Record<string, string>>;
}

export interface EndpointType {
  readonly name: string;
  readonly dataSources: readonly DataSource[];
  readonly authenticationSchemes: readonly {
    readonly type: string;
    readonly headers?: readonly Header[];
  }[];
}
interface Header {
  readonly name: string;
  readonly value: string;
}

export interface DataSource {
  readonly name: string;
  readonly endpointUrl: string;
  readonly resultSelector?: string;
  readonly headers?: readonly Header[];
  readonly initialContextTemplate?: string;
  readonly callbackRequiredTemplate?: string;
  readonly callbackContextTemplate?: string;
}

/** A list of a task's input, from `dataSourceBindings`. */
export interface Binding {
  readonly target: string;
  readonly endpointId: string;
  readonly dataSourceName?: string;
  readonly endpointUrl?: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly resultSelector?: string;
  readonly resultTemplate?: string;
}

/** What a list offers: what is written into the input, and what the reader sees. */
export interface Option {
  readonly value: string;
  readonly text: string;
}

export type Send = (url: string, init: RequestInit) => Promise<Response>;

/** The service asks this often, and takes no longer answers. */
const MOST_CALLS = 5;
const LONGEST_ANSWER = 2 * 1024 * 1024;

/** Schemes whose own header is of use; a type replaces it by its own. */
const SCHEME_HEADERS: Readonly<Record<string, readonly Header[]>> = {
  token: [{ name: 'Authorization', value: '{{endpoint.apitoken}}' }],
  basic: [{ name: 'Authorization', value: 'Basic {{ #base64 endpoint.username ":" endpoint.password }}' }],
  none: [],
};

/** The extension's own type of service connection. */
export function databricksType(): EndpointType {
  const manifest = JSON.parse(readFileSync(join(root, 'vss-extension.json'), 'utf8'));
  return manifest.contributions.find(({ id }: { id: string }) => id === 'databricks-workspace').properties;
}

/** The lists of a task's inputs. */
export function bindingsOf(task: string): Binding[] {
  return JSON.parse(readFileSync(join(root, 'tasks', task, 'task.json'), 'utf8')).dataSourceBindings;
}

/** Whether the dialog's button Verify is content: with an answer of 200 to the source of that name. */
export async function verify(type: EndpointType, endpoint: Endpoint, send: Send = fetch): Promise<boolean> {
  const source = type.dataSources.find(({ name }) => name === 'TestConnection')!;
  const { status } = await ask(source, type, endpoint, {}, send).catch(() => ({ status: 0 }));
  return status === 200;
}

/**
 * What the designer offers for an input.
 *
 * @param inputs what the form's other inputs hold
 * @throws when a service answers with an error, which the designer shows
 */
export async function listOptions(
  binding: Binding,
  type: EndpointType,
  endpoint: Endpoint,
  inputs: Readonly<Record<string, string>> = {},
  send: Send = fetch,
): Promise<Option[]> {
  const parameters = Object.entries(binding.parameters ?? {}).map(([name, value]) => [
    name,
    value.replace(/\$\((\w+)\)/g, (_, input: string) => inputs[input] ?? ''),
  ]);
  const source = sourceOf(binding, type);
  let context: Values = { ...Object.fromEntries(parameters) };
  context = { ...context, ...(await contextFrom(source.initialContextTemplate, context)) };
  const options: Option[] = [];
  for (let call = 1; call <= MOST_CALLS; call++) {
    const { status, text, headers } = await ask(source, type, endpoint, context, send);
    if (status !== 200) throw new Error(`The service answered with HTTP ${status}: ${text.slice(0, 200)}`);
    const found = select(source.resultSelector ?? 'jsonpath:$', text);
    for (const element of found) options.push(...(await optionsOf(element, context, binding.resultTemplate)));
    const response = text.startsWith('{') ? parseExactly(text) : {};
    const seen = { ...context, response, headers, result: { count: found.length } };
    const isMore = await render(source.callbackRequiredTemplate ?? '', seen);
    if (isMore.trim().toLowerCase() !== 'true') break;
    context = { ...context, ...(await contextFrom(source.callbackContextTemplate, seen)) };
  }
  return options;
}

function sourceOf(binding: Binding, type: EndpointType): DataSource {
  const { dataSourceName, endpointUrl, resultSelector } = binding;
  const named = type.dataSources.find(({ name }) => name === dataSourceName);
  if (!named && endpointUrl === undefined) throw new Error(`There is no data source '${dataSourceName}'.`);
  if (named && 'resultTemplate' in named) throw new Error('The service looks for no template at a source.');
  const own = {
    name: binding.target,
    endpointUrl: endpointUrl ?? '',
    ...(resultSelector && { resultSelector }),
  };
  return named ? { ...named, ...(resultSelector && { resultSelector }) } : own;
}

async function contextFrom(template: string | undefined, values: Values): Promise<Values> {
  return template ? JSON.parse(await render(template, values)) : {};
}

async function ask(
  source: DataSource,
  type: EndpointType,
  endpoint: Endpoint,
  context: Values,
  send: Send,
): Promise<{ status: number; text: string; headers: Values }> {
  const values = { ...context, endpoint: { ...endpoint.values, url: endpoint.url } };
  const scheme = type.authenticationSchemes.find((one) => one.type.endsWith(`-${endpoint.scheme}`));
  if (!scheme) throw new Error(`Connections of this type do not sign in by ${endpoint.scheme}.`);
  const headers: Record<string, string> = {};
  for (const { name, value } of source.headers ?? scheme.headers ?? SCHEME_HEADERS[endpoint.scheme] ?? []) {
    headers[name] = await render(value, values, (request) => tokenByPassword(request, endpoint, send));
  }
  const url = await render(source.endpointUrl, values);
  const response = await send(url, { headers });
  const text = await response.text();
  if (text.length > LONGEST_ANSWER) throw new Error('The answer is longer than the service takes.');
  return { status: response.status, text, headers: Object.fromEntries(response.headers) };
}

/** Whether the body goes as a form is not documented; Databricks takes nothing else. */
async function tokenByPassword(
  request: Readonly<Record<string, unknown>>,
  endpoint: Endpoint,
  send: Send,
): Promise<string> {
  const filled = (value: unknown) =>
    String(value).replace(/endpoint\.(\w+)/g, (_, name: string) =>
      name === 'url' ? endpoint.url : (endpoint.values[name] ?? ''),
    );
  const basic = Buffer.from(`${filled(request.username)}:${filled(request.password)}`).toString('base64');
  const answer = await send(filled(request.authServerUrl), {
    method: String(request.method),
    headers: { Authorization: `Basic ${basic}`, 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(request.body as Record<string, string>).toString(),
  });
  if (!answer.ok) throw new Error(`No token: HTTP ${answer.status}`);
  return String(select(String(request.resultSelector), await answer.text())[0]);
}

/** A text that is no object with these two members is shown as it is, braces and all. */
async function optionsOf(element: unknown, context: Values, template: string | undefined): Promise<Option[]> {
  const plain = typeof element === 'string' ? element : JSON.stringify(element);
  if (template === undefined) return [{ value: plain, text: plain }];
  const fields = typeof element === 'object' ? (element as Values) : { defaultResultKey: element };
  const text = await render(template, { ...context, ...fields });
  try {
    const { Value, DisplayValue } = JSON.parse(text);
    return [{ value: String(Value), text: String(DisplayValue) }];
  } catch {
    return [{ value: text, text }];
  }
}
