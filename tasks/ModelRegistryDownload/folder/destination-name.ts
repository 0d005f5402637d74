import { posix, win32 } from 'node:path';
import { isInside } from '../../common/files/paths';
import { DEVICE } from '../registry/names';

const GIVE_ANOTHER = 'Give a folder for the model alone, such as model-api/pickles.';

/** What is wrong with a destination, as far as its path tells; goes on from the input's name. */
export function destinationProblem(
  destination: string,
  folders: {
    /** Where relative paths begin, and what the agent makes of an input that is left empty. */
    readonly roots: readonly string[];
    /** What a destination may not hold. */
    readonly kept: readonly string[];
  },
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  const path = platform === 'win32' ? win32 : posix;
  const holds = (folder: string) => isInside(folder, destination, path);
  if (folders.roots.some((root) => path.relative(root, destination) === '')) {
    return `is empty, or is the sources folder itself. ${GIVE_ANOTHER}`;
  }
  const held = folders.kept.find(holds);
  if (held !== undefined) {
    return `is '${destination}', which holds the pipeline's own folders or the user's ('${held}'). ${GIVE_ANOTHER}`;
  }
  const names = destination.split(platform === 'win32' ? /[\\/]+/ : /\/+/);
  if (names.some((name) => name.toLowerCase() === '.git')) {
    return `is '${destination}', where git keeps its own files. ${GIVE_ANOTHER}`;
  }
  return platform === 'win32' ? windowsProblem(destination) : undefined;
}

/** Paths that Windows understands otherwise than they are written, or most of its programs not at all. */
function windowsProblem(destination: string): string | undefined {
  // Such a path is taken as it is, and compares with no other.
  if (/^[\\/]{2}[?.][\\/]/.test(destination)) {
    return `is '${destination}', a path of the kind that Windows does not look at. Give it without '${destination.slice(0, 4)}'.`;
  }
  const below = destination.slice(win32.parse(destination).root.length);
  for (const name of below.split(/[\\/]+/)) {
    if (DEVICE.test(name)) return `has '${name}' in it, which is a device on Windows. Choose another name.`;
    if (/[. ]$/.test(name))
      return `has '${name}' in it: Windows drops a dot or a space at the end. Leave it out.`;
    if (/[<>:"|?*]/.test(name)) {
      return `has '${name}' in it, with one of < > : " | ? *, which Windows cannot store. Choose another name.`;
    }
  }
  return undefined;
}
