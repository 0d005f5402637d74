/** An option at the front of an instruction; `--link` alone has no value. */
export interface Flag {
  readonly name: string;
  readonly value: string | undefined;
}

/** What an option takes: a text, a text each time that it stands there, or nothing but yes or no. */
type FlagKind = 'text' | 'texts' | 'switch';

const COPYING = { chown: 'text', chmod: 'text', exclude: 'texts', link: 'switch' } as const;

/** The options that instructions have, of those that need no engine. */
export const FLAGS: Readonly<Record<string, Readonly<Record<string, FlagKind>>>> = {
  FROM: { platform: 'text' },
  COPY: { ...COPYING, from: 'text', parents: 'switch' },
  ADD: COPYING,
  HEALTHCHECK: {
    interval: 'text',
    timeout: 'text',
    'start-period': 'text',
    'start-interval': 'text',
    retries: 'text',
  },
};

/** What is wrong with an instruction's options, as a clause. Of those that are not known, a newer docker may know better. */
export function faultInFlags(keyword: string, flags: readonly Flag[]): string | undefined {
  if (flags.length === 0) return undefined;
  const kinds = FLAGS[keyword] ?? {};
  const seen = new Set<string>();
  for (const { name, value } of flags) {
    const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
    if (kind === undefined) return undefined;
    if (seen.has(name) && kind !== 'texts') return `the option --${name} stands there twice`;
    seen.add(name);
    if (kind !== 'switch') {
      if (value === undefined) return `the option --${name} has no value`;
    } else if (value !== undefined && !/^(?:true|false)$/i.test(value)) {
      return `the option --${name} can be true or false, and not '${value}'`;
    }
  }
  return undefined;
}

/** Takes the options from the front of an instruction's arguments; quotes in them go, as docker has it. */
export function takeFlags(text: string, escapeChar: string): { flags: Flag[]; rest: string } {
  const flags: Flag[] = [];
  let rest = text.trim();
  while (rest.startsWith('--')) {
    const { word, length } = takeFlag(rest, escapeChar);
    rest = rest.slice(length).trimStart();
    if (word === '--') break;
    const at = word.indexOf('=');
    const name = word.slice(2, at < 0 ? undefined : at);
    flags.push({ name, value: at < 0 ? undefined : word.slice(at + 1) });
  }
  return { flags, rest };
}

/** The word that a text begins with, and how long it is as it is written. */
function takeFlag(text: string, escapeChar: string): { word: string; length: number } {
  let word = '';
  let quote = '';
  let at = 0;
  for (; at < text.length && (quote || !/\s/.test(text[at]!)); at++) {
    const char = text[at]!;
    if (char === escapeChar) word += text[++at] ?? '';
    else if (char === quote) quote = '';
    else if (!quote && (char === "'" || char === '"')) quote = char;
    else word += char;
  }
  return { word, length: at };
}
