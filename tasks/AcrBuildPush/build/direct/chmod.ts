/** What `--chmod` makes of a file's permissions. */
export type Chmod = (mode: number, isFolder: boolean) => number;

/** The bits that each class of users may have. */
const CLASSES: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o0007, a: 0o6777 };

const LETTERS: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111, s: 0o6000, t: 0o1000 };

/** How far the bits of a class are from the right. */
const SHIFTS: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };

const EXECUTE = 0o111;
const STICKY = 0o1000;

/**
 * Reads permissions as `chmod` has them: `755`, or `u=rwx,go+rX`.
 *
 * @returns undefined for what is none
 */
export function parseChmod(text: string): Chmod | undefined {
  if (/^[0-7]+$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    return mode <= 0o7777 ? () => mode : undefined;
  }
  if (!/^[ugoa]*(?:[-+=][rwxXstugo]*)+(?:,[ugoa]*(?:[-+=][rwxXstugo]*)+)*$/.test(text)) return undefined;
  const steps = text.split(',').flatMap((clause) => {
    const [who = ''] = /^[ugoa]*/.exec(clause)!;
    return [...clause.matchAll(/([-+=])([rwxXstugo]*)/g)].map(([, operator, letters]) => ({
      ...{ who, operator: operator!, letters: letters! },
    }));
  });
  return (mode, isFolder) => {
    const isExecutable = isFolder || (mode & EXECUTE) !== 0;
    return steps.reduce((result, step) => change(result, step, isExecutable), mode);
  };
}

interface Step {
  readonly who: string;
  readonly operator: string;
  readonly letters: string;
}

function change(mode: number, { who, operator, letters }: Step, isExecutable: boolean): number {
  const named = [...who].reduce((bits, one) => bits | CLASSES[one]!, 0);
  const isForOthersOnly = named === CLASSES.o;
  let bits = 0;
  let sticky = 0;
  for (const letter of letters) {
    const shift = SHIFTS[letter];
    if (shift !== undefined) bits |= ((mode >> shift) & 7) * EXECUTE;
    else if (letter === 'X') bits |= isExecutable || operator === '-' ? EXECUTE : 0;
    else if (letter === 't') sticky = isForOthersOnly ? 0 : STICKY;
    else if (letter !== 's' || !isForOthersOnly) bits |= LETTERS[letter]!;
  }
  const reach = named || CLASSES.a!;
  const change = (bits & reach) | sticky;
  if (operator === '+') return mode | change;
  if (operator === '-') return mode & ~change;
  return (mode & ~(reach | sticky)) | change;
}
