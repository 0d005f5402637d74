import { TaskError } from '../../common/errors';
import { NeedsEngine } from '../build/needs-engine';
import { type HereDocument, type LogicalLine, type Recipe, readRecipe } from './lines';
import { splitRawWords } from './words';

export interface Assignment {
  readonly name: string;
  /** Missing in an `ARG` without a default. */
  readonly value: string | undefined;
}

/** A command in its shell form or its exec form. */
export type Command =
  | { readonly form: 'shell'; readonly text: string }
  | { readonly form: 'exec'; readonly words: readonly string[] };

interface Place {
  readonly line: number;
  /** As it is written, continued lines joined. */
  readonly text: string;
}

export interface From extends Place {
  readonly keyword: 'FROM';
  readonly image: string;
  readonly name: string | undefined;
  readonly platform: string | undefined;
}

export interface Copy extends Place {
  readonly keyword: 'COPY' | 'ADD';
  readonly sources: readonly string[];
  readonly documents: readonly HereDocument[];
  readonly destination: string;
  readonly flags: ReadonlyMap<string, string>;
}

/** An instruction that is understood, its words not yet expanded. */
export type Instruction =
  | From
  | Copy
  | (Place & { readonly keyword: 'ARG' | 'ENV' | 'LABEL'; readonly assignments: readonly Assignment[] })
  | (Place & { readonly keyword: 'CMD' | 'ENTRYPOINT'; readonly command: Command })
  | (Place & { readonly keyword: 'SHELL'; readonly words: readonly string[] })
  | (Place & {
      readonly keyword: 'HEALTHCHECK';
      readonly flags: ReadonlyMap<string, string>;
      readonly command: Command | undefined;
    })
  | (Place & { readonly keyword: 'EXPOSE' | 'VOLUME'; readonly words: readonly string[] })
  | (Place & { readonly keyword: 'MAINTAINER' | 'STOPSIGNAL' | 'USER' | 'WORKDIR'; readonly value: string })
  /** One that needs an engine, which matters only where its stage does. */
  | (Place & { readonly keyword: 'ENGINE'; readonly needs: NeedsEngine });

export interface ParsedDockerfile {
  readonly instructions: readonly Instruction[];
  readonly escapeChar: Recipe['escapeChar'];
}

/**
 * Reads a Dockerfile into a list of typed instructions.
 *
 * @throws TaskError naming the line of a mistake
 */
export function parseDockerfile(text: string): ParsedDockerfile {
  const { lines, escapeChar } = readRecipe(text);
  return { instructions: lines.map((line) => parseInstruction(line, escapeChar)), escapeChar };
}

/** The error for a Dockerfile that docker would refuse too. */
export function mistake(line: number, problem: string): TaskError {
  return new TaskError(`The Dockerfile has a mistake in line ${line}: ${problem}.`);
}

function parseInstruction({ line, text, documents }: LogicalLine, escapeChar: string): Instruction {
  const [, word, after] = /^(\S+)\s*([\s\S]*)$/.exec(text)!;
  const keyword = word!.toUpperCase();
  const { flags, rest } = takeFlags((after ?? '').trim());
  const place = { line, text };
  const engine = (reason: string): Instruction => ({
    ...place,
    keyword: 'ENGINE',
    needs: new NeedsEngine(line, keyword, reason),
  });
  const need = (what: string) => mistake(line, `${keyword} needs ${what}`);
  if (!rest && keyword !== 'CMD' && keyword !== 'ENTRYPOINT') throw need('an argument');
  const allowed = FLAGS[keyword] ?? [];
  const stranger = [...flags.keys()].find((flag) => !allowed.includes(flag));

  if (keyword === 'RUN') return engine('it runs a command');
  if (keyword === 'ONBUILD') return engine('what it delays runs in another build');
  if (stranger !== undefined) return engine(`the option --${stranger} is not one that this builder knows`);
  switch (keyword) {
    case 'FROM': {
      const words = rest.split(/\s+/);
      if (words.length !== 1 && !(words.length === 3 && /^as$/i.test(words[1]!))) {
        throw need("an image, and a stage's name after AS or nothing");
      }
      const name = words[2]?.toLowerCase();
      if (name && !/^[a-z][a-z0-9-_.]*$/.test(name)) throw mistake(line, `'${name}' is no name for a stage`);
      return { ...place, keyword, image: words[0]!, name, platform: flags.get('platform') };
    }
    case 'ARG':
      return { ...place, keyword, assignments: argumentsOf(rest, escapeChar, line) };
    case 'ENV':
    case 'LABEL':
      return { ...place, keyword, assignments: pairsOf(keyword, rest, escapeChar, line) };
    case 'COPY':
    case 'ADD': {
      const words = jsonWords(rest, line) ?? rest.split(/\s+/);
      if (words.length < 2) throw need('at least one source, and a destination');
      const destination = words.pop()!;
      const opened = new Set(documents.map((document) => document.word));
      const sources = words.filter((source) => !opened.has(source));
      return { ...place, keyword, sources, documents, destination, flags };
    }
    case 'CMD':
    case 'ENTRYPOINT':
      return { ...place, keyword, command: commandOf(rest, line) };
    case 'SHELL': {
      const words = jsonWords(rest, line);
      if (!words?.length) throw need('its words in the form of a JSON list');
      return { ...place, keyword, words };
    }
    case 'HEALTHCHECK': {
      const [, kind, command] = /^(\S+)\s*([\s\S]*)$/.exec(rest)!;
      if (/^none$/i.test(kind!)) return { ...place, keyword, flags, command: undefined };
      if (!/^cmd$/i.test(kind!) || !command) throw need("'NONE', or 'CMD' and a command");
      return { ...place, keyword, flags, command: commandOf(command, line) };
    }
    case 'EXPOSE':
      return { ...place, keyword, words: rest.split(/\s+/) };
    case 'VOLUME':
      return { ...place, keyword, words: jsonWords(rest, line) ?? rest.split(/\s+/) };
    case 'MAINTAINER':
    case 'STOPSIGNAL':
    case 'USER':
    case 'WORKDIR':
      return { ...place, keyword, value: rest };
    default:
      throw mistake(line, `there is no instruction ${keyword}`);
  }
}

const FLAGS: Readonly<Record<string, readonly string[]>> = {
  FROM: ['platform'],
  COPY: ['chown', 'chmod', 'from', 'link'],
  ADD: ['chown', 'chmod', 'link'],
  HEALTHCHECK: ['interval', 'timeout', 'start-period', 'start-interval', 'retries'],
};

/** Takes the options from the front of an instruction's arguments; quotes in them go, as docker has it. */
function takeFlags(text: string): { flags: Map<string, string>; rest: string } {
  const flags = new Map<string, string>();
  let rest = text;
  for (;;) {
    const found = /^--(?=\S)(?:'(?:\\.|[^'])*'|"(?:\\.|[^"])*"|\\.|[^\s'"\\])+/.exec(rest);
    if (!found) return { flags, rest };
    const plain = found[0].replace(/\\(.)|['"]/g, '$1');
    const [, name, value] = /^--([^=]*)=?([\s\S]*)$/.exec(plain)!;
    flags.set(name!.toLowerCase(), plain.includes('=') ? value! : 'true');
    rest = rest.slice(found[0].length).trimStart();
  }
}

/** The words of a JSON list; undefined for what is not one, which docker then reads as plain words. */
function jsonWords(text: string, line: number): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  if (!value.every((word) => typeof word === 'string')) {
    throw mistake(line, 'only strings may be in the list');
  }
  return value;
}

function commandOf(text: string, line: number): Command {
  const words = jsonWords(text, line);
  return words ? { form: 'exec', words } : { form: 'shell', text };
}

function argumentsOf(text: string, escapeChar: string, line: number): Assignment[] {
  return splitRawWords(text, escapeChar).map((word) => {
    const [name, value] = splitAtEquals(word);
    if (!name) throw mistake(line, 'an argument has no name');
    return { name, value };
  });
}

/** `name=value …`, or the old form of one name and all that follows. */
function pairsOf(keyword: string, text: string, escapeChar: string, line: number): Assignment[] {
  const words = splitRawWords(text, escapeChar);
  if (!words[0]?.includes('=')) {
    const [, name, value] = /^(\S+)\s+([\s\S]+)$/.exec(text) ?? [];
    if (!name) throw mistake(line, `${keyword} needs a name and a value`);
    return [{ name, value }];
  }
  return words.map((word) => {
    const [name, value] = splitAtEquals(word);
    if (value === undefined) throw mistake(line, `'${word}' is not of the form name=value`);
    if (!name) throw mistake(line, `a name is missing before '='`);
    return { name, value };
  });
}

function splitAtEquals(word: string): [string, string | undefined] {
  const at = word.indexOf('=');
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}
