import { TaskError } from '../../common/errors';
import { type Flag, faultInFlags, takeFlags } from './flags';
import {
  type Directive,
  type EscapeChar,
  type HereDocument,
  type LogicalLine,
  type Opening,
  readOpening,
  readRecipe,
} from './lines';
import { splitRawWords, WordError } from './words';

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
  /** Where it begins, counted from 1. */
  readonly line: number;
  /** As it is written, continued lines joined. */
  readonly text: string;
  readonly flags: readonly Flag[];
}

export interface From extends Place {
  readonly keyword: 'FROM';
  readonly image: string;
  readonly name: string | undefined;
}

export interface Copy extends Place {
  readonly keyword: 'COPY' | 'ADD';
  readonly sources: readonly string[];
  readonly documents: readonly HereDocument[];
  readonly destination: string;
}

export interface Declaration extends Place {
  readonly keyword: 'ARG' | 'ENV' | 'LABEL';
  readonly assignments: readonly Assignment[];
}

/** An instruction, its words not yet expanded. What may be done with it is for a builder to say. */
export type Instruction =
  | From
  | Copy
  | Declaration
  | (Place & { readonly keyword: 'CMD' | 'ENTRYPOINT'; readonly command: Command })
  | (Place & { readonly keyword: 'SHELL'; readonly words: readonly string[] })
  | (Place & { readonly keyword: 'HEALTHCHECK'; readonly command: Command | undefined })
  | (Place & { readonly keyword: 'EXPOSE' | 'VOLUME'; readonly words: readonly string[] })
  | (Place & { readonly keyword: 'MAINTAINER' | 'STOPSIGNAL' | 'USER' | 'WORKDIR'; readonly value: string })
  | (Place & { readonly keyword: 'RUN' | 'ONBUILD' })
  /** One that is not known, or can't be read: what is wrong with it, as a clause without a full stop. */
  | (Place & { readonly keyword: 'MISTAKE'; readonly problem: string });

export interface ParsedDockerfile {
  readonly instructions: readonly Instruction[];
  readonly escapeChar: EscapeChar;
  readonly directives: readonly Directive[];
}

/** Reads a Dockerfile into a list of typed instructions. Mistakes are instructions too: a newer docker may know better. */
export function parseDockerfile(text: string): ParsedDockerfile {
  const { lines, escapeChar, directives } = readRecipe(text);
  return { instructions: lines.map((line) => parseInstruction(line, escapeChar)), escapeChar, directives };
}

/** The error for a Dockerfile that docker would refuse too. */
export function mistake(line: number, problem: string): TaskError {
  return new TaskError(`The Dockerfile has a mistake in line ${line}: ${problem}.`);
}

/** The value of an option; of one that stands there several times, the last. */
export function flagOf({ flags }: Pick<Instruction, 'flags'>, name: string): string | undefined {
  return flags.findLast((flag) => flag.name === name)?.value;
}

/** The values of an option that may stand there several times. */
export function flagsOf({ flags }: Pick<Instruction, 'flags'>, name: string): string[] {
  return flags.flatMap((flag) => (flag.name === name && flag.value !== undefined ? [flag.value] : []));
}

/** Whether an option that is a switch is on. */
export function isOn({ flags }: Pick<Instruction, 'flags'>, name: string): boolean {
  const flag = flags.findLast((one) => one.name === name);
  return flag !== undefined && (flag.value ?? 'true').toLowerCase() === 'true';
}

/** What is wrong with a line. Not thrown: in a file of nothing but mistakes, that would take most of the time. */
class Problem {
  constructor(readonly message: string) {}
}

function parseInstruction(row: LogicalLine, escapeChar: string): Instruction {
  const [, word = '', after = ''] = /^(\S+)\s*([\s\S]*)$/.exec(row.text)!;
  const keyword = word.toUpperCase();
  const { flags, rest } = takeFlags(after, escapeChar);
  const fault = row.problem ?? faultInFlags(keyword, flags);
  const read =
    fault === undefined ? parseArguments(keyword, rest, row.documents, escapeChar) : new Problem(fault);
  const { line, text } = row;
  if (read instanceof Problem) return { line, text, flags, keyword: 'MISTAKE', problem: read.message };
  return { line, text, flags, ...read } as Instruction;
}

/** What an instruction has besides its place. */
type Arguments<T = Instruction> = T extends Instruction ? Omit<T, keyof Place> : never;

function parseArguments(
  keyword: string,
  rest: string,
  documents: readonly HereDocument[],
  escapeChar: string,
): Arguments | Problem {
  switch (keyword) {
    case 'RUN':
    case 'ONBUILD':
      return { keyword };
    case 'CMD':
    case 'ENTRYPOINT':
      return withCommand(keyword, rest);
    default:
      if (!KEYWORDS.has(keyword)) return new Problem(`there is no instruction ${keyword}`);
      if (!rest) return lack(keyword, 'an argument');
  }
  switch (keyword) {
    case 'FROM': {
      const words = rest.split(/\s+/);
      if (words.length !== 1 && !(words.length === 3 && /^as$/i.test(words[1]!))) {
        return lack(keyword, "an image, and a stage's name after AS or nothing");
      }
      const name = words[2]?.toLowerCase();
      if (name && !/^[a-z][a-z0-9-_.]*$/.test(name)) return new Problem(`'${name}' is no name for a stage`);
      return { keyword, image: words[0]!, name };
    }
    case 'ARG':
      return withAssignments(keyword, argumentsOf(rest, escapeChar));
    case 'ENV':
    case 'LABEL':
      return withAssignments(keyword, pairsOf(keyword, rest, escapeChar));
    case 'COPY':
    case 'ADD': {
      const read = sourcesOf(keyword, rest, documents);
      return read instanceof Problem ? read : { keyword, ...read };
    }
    case 'SHELL': {
      const words = jsonWords(rest);
      if (words instanceof Problem) return words;
      if (!words?.length) return lack(keyword, 'its words in the form of a JSON list');
      return { keyword, words };
    }
    case 'HEALTHCHECK': {
      const [, kind = '', command] = /^(\S+)\s*([\s\S]*)$/.exec(rest)!;
      if (/^none$/i.test(kind) && !command) return { keyword, command: undefined };
      if (!/^cmd$/i.test(kind) || !command || /^\[\s*\]$/.test(command)) {
        return lack(keyword, "'NONE' alone, or 'CMD' and a command");
      }
      return withCommand(keyword, command);
    }
    case 'EXPOSE':
      return { keyword, words: rest.split(/\s+/) };
    case 'VOLUME': {
      const words = jsonWords(rest) ?? rest.split(/\s+/);
      if (words instanceof Problem) return words;
      return words.length === 0 ? lack(keyword, 'an argument') : { keyword, words };
    }
    default:
      return { keyword: keyword as 'MAINTAINER' | 'STOPSIGNAL' | 'USER' | 'WORKDIR', value: rest };
  }
}

function lack(keyword: string, what: string): Problem {
  return new Problem(`${keyword} needs ${what}`);
}

const KEYWORDS = new Set(
  'ADD ARG COPY ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER SHELL STOPSIGNAL USER VOLUME WORKDIR'.split(' '),
);

function sourcesOf(
  keyword: string,
  rest: string,
  documents: readonly HereDocument[],
): Pick<Copy, 'sources' | 'documents' | 'destination'> | Problem {
  const words = jsonWords(rest) ?? rest.split(/\s+/);
  if (words instanceof Problem) return words;
  if (words.length < 2) return new Problem(`${keyword} needs at least one source, and a destination`);
  const destination = words.pop()!;
  if (openingOf(destination)) return new Problem(`${keyword} can't have a document for its destination`);
  return {
    sources: words.filter((word) => !openingOf(word)),
    documents: words.flatMap((word) => {
      const opening = openingOf(word);
      if (!opening) return [];
      // A line with a quote that nothing ends opens none, and then this one is empty.
      const written = documents.findLast(({ name }) => name === opening.name)?.text ?? '';
      return { ...opening, text: opening.chomp ? written.replace(/^\t+/gm, '') : written };
    }),
    destination,
  };
}

/** A word that can't be read introduces no document here. */
function openingOf(word: string): Opening | undefined {
  try {
    return readOpening(word);
  } catch (error) {
    if (error instanceof WordError) return undefined;
    throw error;
  }
}

/** How a JSON list begins and ends: to have JSON's own parser refuse what is none takes long. */
const LIST = /^\[\s*["\]\d\-tfn{[].*\]$|^\[\s*\]$/s;

/** The words of a JSON list; undefined for what is not one, which docker then reads as plain words. */
function jsonWords(text: string): string[] | Problem | undefined {
  if (!LIST.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  return value.every((word) => typeof word === 'string')
    ? value
    : new Problem('only strings may be in the list');
}

function withCommand(keyword: 'CMD' | 'ENTRYPOINT' | 'HEALTHCHECK', text: string): Arguments | Problem {
  const words = jsonWords(text);
  if (words instanceof Problem) return words;
  return { keyword, command: words ? { form: 'exec', words } : { form: 'shell', text } };
}

function withAssignments(
  keyword: Declaration['keyword'],
  assignments: Assignment[] | Problem,
): Arguments | Problem {
  return assignments instanceof Problem ? assignments : { keyword, assignments };
}

function argumentsOf(text: string, escapeChar: string): Assignment[] | Problem {
  const words = splitRawWords(text, escapeChar);
  if (words.length === 0) return new Problem('ARG needs an argument');
  const assignments: Assignment[] = [];
  for (const word of words) {
    const [name, value] = splitAtEquals(word);
    if (!name) return new Problem('an argument has no name');
    assignments.push({ name, value });
  }
  return assignments;
}

/** `name=value …`, or the old form of one name and all that follows. */
function pairsOf(keyword: string, text: string, escapeChar: string): Assignment[] | Problem {
  const words = splitRawWords(text, escapeChar);
  if (!words[0]?.includes('=')) {
    const [, name, value] = /^(\S+)\s+(\S[\s\S]*)$/.exec(text) ?? [];
    if (!name) return new Problem(`${keyword} needs a name and a value`);
    return [{ name, value }];
  }
  const assignments: Assignment[] = [];
  for (const word of words) {
    const [name, value] = splitAtEquals(word);
    if (value === undefined) return new Problem(`'${word}' is not of the form name=value`);
    if (!name) return new Problem(`a name is missing before '='`);
    assignments.push({ name, value });
  }
  return assignments;
}

function splitAtEquals(word: string): [string, string | undefined] {
  const at = word.indexOf('=');
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}
