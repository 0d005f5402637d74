import { TaskError } from '../../common/errors';
import { plural } from '../../common/text';

/** Names that Windows takes for devices, whatever extension follows. */
export const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)/i;

/** The longest name that the usual file systems can hold, in bytes. */
const LONGEST_SEGMENT = 255;

/** How many names a message shows. */
const MOST_SHOWN = 20;

/** The folders that a path goes through: `a` and `a/b` for `a/b/c`. */
export function ancestors(path: string): string[] {
  const folders: string[] = [];
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    folders.push(path.slice(0, slash));
  }
  return folders;
}

/** Sorts by the UTF-8 bytes of the paths, as `LC_ALL=C sort` does; JavaScript's own order differs beyond U+FFFF. */
export function sortByPath<T extends { readonly path: string }>(files: readonly T[]): T[] {
  return files
    .map((file) => ({ file, key: Buffer.from(file.path) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ file }) => file);
}

/** Whether a path has `.` or `..` between its slashes. */
export function hasDotSegment(path: string): boolean {
  return path.split('/').some((segment) => segment === '.' || segment === '..');
}

/**
 * Refuses names that would lead out of the model's folder, that some platform's disk cannot hold or takes for
 * something else, and names that would fall on the same file there. All platforms are treated alike: a model that
 * downloads on one agent downloads on every other.
 *
 * @param reserved a name that the task keeps for a file of its own
 * @throws TaskError with every refused name
 */
export function refuseHostileNames(paths: readonly string[], reserved: string): void {
  const faults = [...badNames(paths, reserved), ...collisions(paths)];
  if (faults.length === 0) return;
  const [first, ...others] = faults;
  throw new TaskError(
    `The version holds ${plural(faults.length, 'name')} that cannot be written safely: ${first}${others.length ? ', and others' : ''}. Nothing was downloaded. Rename them in the registry, or leave them out with 'patterns'.`,
    { details: faults.slice(0, MOST_SHOWN) },
  );
}

function badNames(paths: readonly string[], reserved: string): string[] {
  return paths.flatMap((path) => {
    const fault =
      fold(path) === fold(reserved) ? 'is the name of the manifest that this task writes' : faultOf(path);
    return fault ? [`${quote(path)} ${fault}`] : [];
  });
}

function faultOf(path: string): string | undefined {
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(path)) return 'holds control characters';
  if (path.includes('\\')) return 'holds a backslash, which is a path separator on Windows';
  if (path.startsWith('/')) return 'begins with a slash';
  if (hasDotSegment(path)) return "holds '.' or '..' between slashes";
  for (const segment of path.split('/')) {
    if (segment === '') return 'holds an empty name between slashes';
    if (/[<>:"|?*]/.test(segment)) return 'holds one of < > : " | ? *, which Windows cannot store';
    if (/[. ]$/.test(segment)) return 'ends a name with a dot or a space, which Windows drops';
    if (DEVICE.test(segment)) return `holds '${segment}', which is a device on Windows`;
    if (Buffer.byteLength(segment) > LONGEST_SEGMENT) return `holds a name of over ${LONGEST_SEGMENT} bytes`;
  }
  return undefined;
}

/** Paths that differ for the registry but not for every disk: in case, in Unicode form, or as file and folder. */
function collisions(paths: readonly string[]): string[] {
  const taken = new Map<string, { name: string; isFile: boolean }>();
  const faults = new Set<string>();
  const claim = (name: string, isFile: boolean) => {
    const other = taken.get(fold(name));
    if (!other) taken.set(fold(name), { name, isFile });
    else if (other.name !== name)
      faults.add(`${quote(name)} and ${quote(other.name)} are one name on some disks`);
    else if (other.isFile !== isFile) faults.add(`${quote(name)} is both a file and a folder`);
  };
  for (const path of paths) {
    for (const folder of ancestors(path)) claim(folder, false);
    claim(path, true);
  }
  return [...faults];
}

/** Equal for names that a case-insensitive or normalizing file system may take for one. */
function fold(name: string): string {
  return name.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}

/** In quotes, with control characters as escapes: a log would drop them, and show another name. */
function quote(path: string): string {
  return JSON.stringify(path).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
