/** A selector that the service is not known to take. */
export class SelectorError extends Error {}

/**
 * What a `resultSelector` finds in an answer: a small part of JSONPath that Newtonsoft's reader takes too, or a plain
 * XPath of elements' names.
 *
 * @throws SelectorError for anything else
 */
export function select(selector: string, answer: string): unknown[] {
  const [, kind, path = ''] = /^(jsonpath|xpath):(.*)$/s.exec(selector) ?? [];
  if (kind === 'jsonpath') return selectJson(path, parseExactly(answer));
  if (kind === 'xpath') return selectXml(path, answer);
  throw new SelectorError(`'${selector}' is neither JSONPath nor XPath`);
}

/** JSON with its long numbers as they are written: ids of 64 bits lose digits in JavaScript's numbers. */
export function parseExactly(json: string): unknown {
  const kept = json.replace(/"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
  return JSON.parse(kept);
}

function selectJson(path: string, root: unknown): unknown[] {
  if (!path.startsWith('$')) throw new SelectorError(`'${path}' does not begin with $`);
  let found: unknown[] = [root];
  let rest = path.slice(1);
  while (rest !== '') {
    const [step, name, index] = /^(?:\.(\w+)|\[(\*|\d+)\])/.exec(rest) ?? [];
    if (step === undefined) throw new SelectorError(`'${rest}' in '${path}' is not known`);
    rest = rest.slice(step.length);
    found = found.flatMap((value): unknown[] => {
      if (name !== undefined) return isObject(value) && name in value ? [value[name]] : [];
      if (!Array.isArray(value)) return [];
      return index === '*' ? value : value.slice(Number(index), Number(index) + 1);
    });
  }
  return found;
}

/** Elements become objects by their names, so that a template finds them there. */
function selectXml(path: string, xml: string): unknown[] {
  const names = path.split('/');
  if (!names.every((name) => /^\w+$/.test(name))) throw new SelectorError(`'${path}' is no path of elements`);
  let found = [xml];
  for (const name of names) {
    const element = new RegExp(`<${name}(?:\\s[^>]*)?>(.*?)</${name}>`, 'gs');
    found = found.flatMap((text) => [...text.matchAll(element)].map(([, content = '']) => content));
  }
  return found.map((text) => ({ [names.at(-1)!]: text }));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
