import { basename } from 'node:path';
import { TaskError } from '../../common/errors';
import { bound } from '../../common/foreign-text';
import { type BuildPlan, stageRequest } from '../build-plan';
import { readIgnoreRules } from '../context/build-context';
import type { BuilderKind } from '../docker/engine';
import { explainDockerError } from '../docker/errors';
import { explainBaseName } from '../dockerfile/base-image';
import { parseDockerfile } from '../dockerfile/instructions';
import type { BuildFailure } from './build-output';

/** How much of an instruction fits into a message. */
const LONGEST_INSTRUCTION = 120;

/** A build that failed at no line of its Dockerfile, for a reason that is not known here. */
export class UnexplainedBuildError extends TaskError {}

/**
 * What to say of a build that failed.
 *
 * @param ending how it ended, where nothing more is known
 */
export function buildError(
  failure: BuildFailure,
  { plan, builder }: { readonly plan: BuildPlan; readonly builder: BuilderKind },
  ending: string,
): TaskError {
  const { instruction, lastLines, dockerWords } = failure;
  const file = basename(plan.dockerfile);
  const line = lineOf(failure, plan.recipe);
  const place = line === undefined ? file : `${file} line ${line}`;
  const commandExit = /(?:non-zero code|exit code): (\d+)/.exec(dockerWords)?.[1];
  const details = instruction ? [`${place}: ${instruction}`, ...lastLines] : [];

  // What a command of the Dockerfile printed is not docker's word, with one exception: both share the disk.
  const rules = readIgnoreRules(plan.context, plan.dockerfile, { isLegacy: builder === 'legacy' });
  const known =
    explainHereDocument(dockerWords, plan.recipe) ??
    explainDockerError(dockerWords, rules) ??
    (/no space left on device/i.test(lastLines.join('\n'))
      ? explainDockerError(lastLines.join('\n'))
      : undefined);
  if (known) {
    const origin = explainBaseName(plan.recipe, stageRequest(plan), known);
    const message = origin ? `${known} ${origin}` : known;
    return new TaskError(line === undefined ? message : `${place}: ${message}`, { details });
  }
  if (!instruction) {
    return new UnexplainedBuildError(
      `The image was not built: ${ending}. What it said stands above this message.`,
      { details },
    );
  }
  return new TaskError(
    `The image was not built: ${place} failed${commandExit ? ` with exit code ${commandExit}` : ''}: ` +
      `${bound(instruction, LONGEST_INSTRUCTION)}. The last lines of its output stand above this message.`,
    { details },
  );
}

/** Builders of old read the lines of a here-document as instructions. */
function explainHereDocument(dockerWords: string, recipe: string): string | undefined {
  const [, at] = /dockerfile parse error(?: on)? line (\d+): unknown instruction/i.exec(dockerWords) ?? [];
  const around = parseDockerfile(recipe).instructions.findLast(({ line }) => line <= Number(at));
  if (!around || around.line === Number(at) || !around.text.includes('<<')) return undefined;
  return `The Dockerfile has a here-document in line ${around.line}, which this builder is too old for. Have input 'buildxVersion' bring a newer one, and begin the Dockerfile with '# syntax=docker/dockerfile:1' where the engine is older than 23; or write the line without a here-document.`;
}

/** The line of the failing instruction: as reported, or found by its number, or by its text. */
function lineOf({ line, number, instruction }: BuildFailure, recipe: string): number | undefined {
  if (line !== undefined || instruction === undefined) return line;
  const text = singleSpaced(instruction);
  const instructions = parseDockerfile(recipe).instructions.map((one) => ({
    line: one.line,
    text: singleSpaced(one.text),
  }));
  const numbered = number === undefined ? undefined : instructions[number - 1];
  const found =
    numbered?.text === text ? numbered : instructions.find((candidate) => candidate.text === text);
  return found?.line;
}

function singleSpaced(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}
