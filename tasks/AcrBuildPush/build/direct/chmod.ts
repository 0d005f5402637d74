/** What `--chmod` makes of a file's permissions. */
export type Chmod = (mode: number, isFolder: boolean) => number;

/** One change of permissions; whether somebody may execute the file is asked before the first. */
type Edit = (mode: number, isExecutable: boolean) => number;

/** The bits that each class of users may have. */
const CLASSES: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o0007, a: 0o6777 };

const LETTERS: Readonly<Record<string, number>> = {
  r: 0o444,
  w: 0o222,
  x: 0o111,
  X: 0o111,
  s: 0o6000,
  t: 0o1000,
};

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
  const edits = text.split(',').flatMap(readClause);
  return (mode, isFolder) => {
    const isExecutable = isFolder || (mode & EXECUTE) !== 0;
    return edits.reduce((result, edit) => edit(result, isExecutable), mode);
  };
}

function readClause(clause: string): Edit[] {
  const [classes = ''] = /^[ugoa]*/.exec(clause)!;
  const who = [...classes].reduce((bits, one) => bits | CLASSES[one]!, 0);
  return [...clause.matchAll(/([-+=])([rwxXstugo]*)/g)].flatMap(([, operator, letters]) =>
    readOperation(who, operator!, letters!),
  );
}

/**
 * Reads what follows the classes: an operator and its letters. BuildKit has BSD's rules here, to the letter: the name of a
 * class is a change of its own, which leaves the set-id bits alone, and what follows it with a `=` begins anew.
 *
 * @param named the bits of the classes; 0 where none is named, which means all
 */
function readOperation(named: number, operator: string, letters: string): Edit[] {
  const edits: Edit[] = [];
  let who = named;
  let bits = 0;
  let executeIfAny = 0;
  const change = (mustSet: boolean) => {
    if (bits !== 0 || mustSet) edits.push(changeBits(operator, who, bits));
    const more = reached(who, executeIfAny);
    if (more !== 0) edits.push((mode, isExecutable) => (isExecutable ? mode | more : mode));
    bits = 0;
    executeIfAny = 0;
  };
  let isSet = operator !== '=';
  for (const letter of letters) {
    const isForOthersOnly = who !== 0 && (who & ~CLASSES.o!) === 0;
    const shift = SHIFTS[letter];
    if (shift !== undefined) {
      change(false);
      edits.push(copyBits(operator, who, shift));
      isSet = true;
    } else if (letter === 'X' && operator !== '-') {
      executeIfAny = EXECUTE;
    } else if (!isForOthersOnly || !/[st]/.test(letter)) {
      if (letter === 't') who |= STICKY;
      bits |= LETTERS[letter]!;
    }
  }
  change(!isSet);
  return edits;
}

function reached(who: number, bits: number): number {
  return who === 0 ? bits : bits & who;
}

function changeBits(operator: string, who: number, bits: number): Edit {
  const change = reached(who, bits);
  if (operator === '+') return (mode) => mode | change;
  if (operator === '-') return (mode) => mode & ~change;
  return (mode) => (mode & ~(who || CLASSES.a!)) | change;
}

/** Copies the bits of a class to others. */
function copyBits(operator: string, who: number, shift: number): Edit {
  const reach = reached(who, 0o444);
  const spread = (bits: number) => (reach >> 2) * bits;
  return (mode) => {
    const copied = spread((mode >> shift) & 7);
    if (operator === '+') return mode | copied;
    if (operator === '-') return mode & ~copied;
    return (mode & ~spread(7)) | copied;
  };
}
