import { readInstructions } from './docker/dockerfile';

/** The image that a Dockerfile's last stage is built on. */
export interface BaseImage {
  /** As the Dockerfile names it, with its registry: `docker.io/library/python:3.12`. */
  readonly name: string;
  readonly digest: string | undefined;
}

interface Stage {
  readonly from: string;
  readonly name: string | undefined;
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
  const stages = readStages(recipe, buildArguments);
  const isTarget = ({ name }: Stage, index: number) =>
    target === undefined
      ? index === stages.length - 1
      : name === target.toLowerCase() || String(index) === target;
  let index = stages.findIndex(isTarget);
  while (index >= 0) {
    const { from } = stages[index]!;
    const below = stages.slice(0, index).findLastIndex(({ name }) => name === from.toLowerCase());
    if (below < 0) return /\$/.test(from) || from === 'scratch' ? undefined : describe(from);
    index = below;
  }
  return undefined;
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
      stages.push({ from: expand(from, values), name: /^as$/i.test(as) ? name?.toLowerCase() : undefined });
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

function describe(reference: string): BaseImage {
  const [name = '', digest] = reference.split('@');
  return { name: withRegistry(name, digest === undefined), digest };
}

/** Docker's short names are names on Docker Hub, and stand for the tag `latest` where there is no digest. */
function withRegistry(name: string, needsTag: boolean): string {
  const [first = '', ...rest] = name.split('/');
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const full = hasRegistry ? name : `docker.io/${rest.length > 0 ? name : `library/${name}`}`;
  return !needsTag || /:[^/]*$/.test(full) ? full : `${full}:latest`;
}
