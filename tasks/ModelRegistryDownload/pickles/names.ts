import { MAKERS, PARAMETERS } from './known-names';
import { Call, Global, type Value } from './values';

/** How Python 3 renames what Python 2 knew, when it reads protocols 0 to 2; only of names that models hold. */
const OLD_MODULES: Readonly<Record<string, string>> = { __builtin__: 'builtins', copy_reg: 'copyreg' };
const OLD_BUILTINS: Readonly<Record<string, string>> = { xrange: 'range', unicode: 'str', long: 'int' };

/** The name that Python 3 imports for one of Python 2. */
export function renamed(
  module: string,
  attribute: string,
): { module: string; attribute: string } | undefined {
  const today = Object.hasOwn(OLD_MODULES, module) ? OLD_MODULES[module] : undefined;
  if (today === undefined) return undefined;
  const isOld = today === 'builtins' && Object.hasOwn(OLD_BUILTINS, attribute);
  return { module: today, attribute: isOld ? OLD_BUILTINS[attribute]! : attribute };
}

/** Whole names: that a package is known says nothing of what can be reached through it. Read for the first pickle. */
let known: { readonly makers: ReadonlySet<string>; readonly parameters: ReadonlySet<string> } | undefined;

/** Whether models of the well-known libraries hold a name, or its user allows it. */
export function isKnown(
  { name, attribute }: Global,
  isCalled: boolean,
  allowed: ReadonlySet<string>,
): boolean {
  if (attribute.includes('.') || (name === GETATTR && !isCalled)) return false;
  known ??= { makers: readNames(MAKERS), parameters: readNames(PARAMETERS) };
  return known.makers.has(name) || allowed.has(name) || (!isCalled && known.parameters.has(name));
}

function readNames(text: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const line of text.trim().split('\n')) {
    const [modules, attributes] = line.replaceAll('~', 'sklearn.').split(':') as [string, string];
    for (const module of modules.split('|')) {
      for (const attribute of attributes.split(',')) names.add(`${module}.${attribute}`);
    }
  }
  return names;
}

/** An array of joblib, as its wrapper describes it. */
export const ARRAY_WRAPPER = 'joblib.numpy_pickle.NumpyArrayWrapper';

/** The class of what a call makes; old protocols make all of them by one function. */
export function madeOf({ callee, args }: Call): Global | undefined {
  const [first] = args;
  return callee?.name === 'copyreg._reconstructor' && first instanceof Global ? first : callee;
}

/** How a pickle names a method of an object. */
const GETATTR = 'builtins.getattr';

/** What an object can be based on when it is made anew from its parts. */
const BASES = [
  'object',
  'dict',
  'list',
  'tuple',
  'float',
  'int',
  'str',
  'set',
  'frozenset',
  'complex',
  'bytes',
];

/**
 * Known names that do more than make an object, when they are called in a way that no pickle is written in.
 *
 * @returns what is wrong; undefined for a call as honest pickles have it
 */
export function misuse(name: string, args: readonly Value[]): string | undefined {
  switch (name) {
    case '_codecs.encode':
      return args[1] === 'latin1' ? undefined : 'encodes a text in another way than pickles do';
    case 'copyreg._reconstructor':
      return args[1] instanceof Global &&
        BASES.some((base) => (args[1] as Global).name === `builtins.${base}`)
        ? undefined
        : 'makes an object from the parts of another';
    case 'numpy.core.multiarray.scalar':
    case 'numpy._core.multiarray.scalar': {
      const type = args[0] instanceof Call ? args[0].args[0] : undefined;
      return args[0] instanceof Call && !(typeof type === 'string' && type.startsWith('O'))
        ? undefined
        : 'hides an object in a number';
    }
    case GETATTR: {
      // A frozen distribution of scipy refers to its own methods; nothing can call what this gives.
      const [owner, method] = args;
      const isOwn = owner instanceof Call && madeOf(owner)?.module.startsWith('scipy.stats.');
      return isOwn && typeof method === 'string' && /^_[a-z]\w*$/.test(method)
        ? undefined
        : 'reaches into an object (builtins.getattr)';
    }
    default:
      // They are made empty and get their state: as functions, they read files, or have more than their state tells.
      return (/^(lightgbm|xgboost)\./.test(name) || name === ARRAY_WRAPPER) && args.length > 0
        ? `calls ${name} with arguments`
        : undefined;
  }
}
