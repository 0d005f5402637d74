import { parseChmod } from '../../tasks/AcrBuildPush/build/direct/chmod';
import { findNeed, NeedsEngine } from '../../tasks/AcrBuildPush/build/needs-engine';
import { IgnoreRules } from '../../tasks/AcrBuildPush/context/ignore';
import {
  type Command,
  flagOf,
  flagsOf,
  type Instruction,
  isOn,
  parseDockerfile,
} from '../../tasks/AcrBuildPush/dockerfile/instructions';
import { readOpening } from '../../tasks/AcrBuildPush/dockerfile/lines';
import { checkDockerfile } from '../../tasks/AcrBuildPush/dockerfile/stages';
import { expand, WordError } from '../../tasks/AcrBuildPush/dockerfile/words';
import { compileGlob } from '../../tasks/AcrBuildPush/files/glob';
import { readImageName } from '../../tasks/AcrBuildPush/image/image-name';
import { parsePlatform } from '../../tasks/AcrBuildPush/image/platform';
import { TaskError } from '../../tasks/common/errors';
import type { Question } from './buildkit-questions';

/** Why nothing is answered. */
export interface Refused {
  readonly error: string;
  /** Whether an engine is left to judge. */
  readonly isLeft?: boolean;
}

/** What the step makes of a question, in the form of the judge's answers. */
export function answerOf(question: Question): unknown {
  try {
    const answer = answerTo(question);
    return answer === undefined ? { error: 'not readable' } : answer;
  } catch (error) {
    if (error instanceof NeedsEngine) return { error: error.message, isLeft: true } satisfies Refused;
    if (error instanceof TaskError || error instanceof WordError)
      return { error: error.message } satisfies Refused;
    throw error;
  }
}

function answerTo(question: Question): unknown {
  const { text } = question;
  switch (question.kind) {
    case 'dockerfile':
      return describeDockerfile(text);
    case 'document':
      return readOpening(text) ?? null;
    case 'word': {
      const { env, plain } = question;
      const lookup = (name: string) => (Object.hasOwn(env, name) ? env[name] : undefined);
      return expand(text, lookup, question.escape, { plainQuotes: plain });
    }
    case 'ignore':
      return question.paths.map(new IgnoreRules(text).ignores);
    case 'glob': {
      // What can't be read matches nothing, and docker says no more of it.
      return question.paths.map(compileGlob(text) ?? (() => false));
    }
    case 'chmod':
      return parseChmod(text)?.(question.mode, question.folder);
    case 'image': {
      const name = readImageName(text);
      // No server has such a port.
      if (!name && /:\d{6,}\//.test(text)) throw new NeedsEngine(1, 'FROM', 'it has a long port');
      return name;
    }
    case 'platform': {
      const platform = parsePlatform(text);
      return platform && [platform.os, platform.architecture, platform.variant ?? ''];
    }
  }
}

function describeDockerfile(text: string) {
  const parsed = parseDockerfile(text);
  checkDockerfile(parsed);
  if (parsed.instructions.length === 0) throw new TaskError('There is nothing to build.');
  return { escape: parsed.escapeChar, instructions: parsed.instructions.map(describe) };
}

function describe(instruction: Instruction) {
  const { line, keyword } = instruction;
  const need = findNeed(instruction);
  // A command without options, in its shell form, is nothing to misread.
  if (need && (keyword !== 'RUN' || /--|\[/.test(instruction.text))) throw need;
  return { line, keyword, ...argumentsOf(instruction) };
}

function argumentsOf(instruction: Instruction): Record<string, unknown> {
  const flag = (name: string) => flagOf(instruction, name) ?? '';
  switch (instruction.keyword) {
    case 'FROM':
      return { image: instruction.image, name: instruction.name ?? '', platform: flag('platform') };
    case 'ARG':
    case 'ENV':
    case 'LABEL':
      return {
        pairs: instruction.assignments.map(({ name, value }) =>
          value === undefined ? [name] : [name, value],
        ),
      };
    case 'COPY':
    case 'ADD': {
      const { sources, documents, destination, keyword } = instruction;
      return {
        files: {
          ...{ sources, destination },
          documents: documents.map((document) => [document.name, document.text, document.expand]),
        },
        ...{ chown: flag('chown'), chmod: flag('chmod'), link: isOn(instruction, 'link') },
        exclude: flagsOf(instruction, 'exclude'),
        ...(keyword === 'COPY' && { from: flag('from'), parents: isOn(instruction, 'parents') }),
      };
    }
    case 'CMD':
    case 'ENTRYPOINT':
      return { command: lineOf(instruction.command) };
    case 'HEALTHCHECK': {
      const { command } = instruction;
      if (!command) return { test: ['NONE'] };
      return { test: command.form === 'exec' ? ['CMD', ...command.words] : ['CMD-SHELL', command.text] };
    }
    case 'EXPOSE':
      return { words: [...instruction.words].sort() };
    case 'VOLUME':
    case 'SHELL':
      return { words: instruction.words };
    case 'USER':
    case 'WORKDIR':
    case 'STOPSIGNAL':
    case 'MAINTAINER':
      return { value: instruction.value };
    default:
      return {};
  }
}

function lineOf(command: Command) {
  if (command.form === 'exec') return { words: command.words, shell: false };
  return { words: command.text === '' ? [] : [command.text], shell: true };
}
