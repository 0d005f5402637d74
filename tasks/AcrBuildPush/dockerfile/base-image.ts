import { readInstructions } from '../docker/dockerfile';
import type { BaseImage } from '../image/image';
import { asBaseImage, readImageName } from '../image/image-name';

interface Stage {
  readonly from: string;
  readonly name: string | undefined;
  /** How many instructions it has besides `FROM`. */
  instructions: number;
}

/**
 * Finds the image at the bottom of the stage that is built, through all stages in between.
 *
 * @returns undefined for `scratch`, and where a name depends on what only the builder knows
 */
export function findBaseImage(
  recipe: string,
  target: string | undefined,
  buildArguments: Readonly<Record<string, string>>,
): BaseImage | undefined {
  const from = chainOfStages(recipe, target, buildArguments).at(-1)?.from;
  const name = from === undefined || from === 'scratch' ? undefined : readImageName(from);
  return name && asBaseImage(name);
}

/** How many instructions of a Dockerfile make up the image on top of its base image. */
export function countInstructions(recipe: string, target: string | undefined): number {
  return chainOfStages(recipe, target, {}).reduce((sum, { instructions }) => sum + instructions, 0);
}

/** The stage that is built, and those that it is built on, from the top. */
function chainOfStages(
  recipe: string,
  target: string | undefined,
  buildArguments: Readonly<Record<string, string>>,
): Stage[] {
  const stages = readStages(recipe, buildArguments);
  const isTarget = ({ name }: Stage, index: number) =>
    target === undefined
      ? index === stages.length - 1
      : name === target.toLowerCase() || String(index) === target;
  const chain: Stage[] = [];
  for (let index = stages.findIndex(isTarget); index >= 0; ) {
    const stage = stages[index]!;
    chain.push(stage);
    index = stages.slice(0, index).findLastIndex(({ name }) => name === stage.from.toLowerCase());
  }
  return chain;
}

function readStages(recipe: string, given: Readonly<Record<string, string>>): Stage[] {
  const values: Record<string, string> = {};
  const stages: Stage[] = [];
  for (const { text } of readInstructions(recipe)) {
    const [instruction = '', ...words] = text.split(' ');
    if (/^ARG$/i.test(instruction) && stages.length === 0) {
      for (const word of words) {
        const [name, ...value] = word.split('=');
        const text =
          given[name!] ?? (value.length > 0 ? value.join('=').replace(/^(["'])(.*)\1$/, '$2') : undefined);
        if (text !== undefined) values[name!] = expand(text, values);
      }
    } else if (/^FROM$/i.test(instruction)) {
      const [from = '', as = '', name] = words.filter((word) => !word.startsWith('--'));
      const stageName = /^as$/i.test(as) ? name?.toLowerCase() : undefined;
      stages.push({ from: expand(from, values), name: stageName, instructions: 0 });
    } else if (stages.length > 0) {
      stages.at(-1)!.instructions += 1;
    }
  }
  return stages;
}

/** `$NAME`, `${NAME}` and `${NAME:-default}`; anything else stays, and makes the name one that is not known. */
function expand(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:(\w+)|\{(\w+)(?::-([^}$]*))?\})/g, (whole, plain, braced, fallback) => {
    const value = values[plain ?? braced];
    return value || (fallback ?? whole);
  });
}
