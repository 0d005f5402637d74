import { TaskError } from '../../common/errors';
import { bound } from '../../common/foreign-text';
import { plural } from '../../common/text';

/** Names that Windows takes for devices, whatever extension follows. */
export const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)/i;

/** Unicode's marks for the direction of writing: `fdp.ledom` may be shown for `model.pdf`. */
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

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

/** Characters of a blob's name, by the service's own limit. */
const LONGEST_PATH = 1_024;

/** Whose rules names must keep. */
export interface NameRules {
  /** What Windows can't store, or takes for something else, is refused. */
  readonly ofWindows: boolean;
  /** Names that differ only in case or in Unicode form are refused, since the disk takes them for one. */
  readonly asOne: boolean;
}

/** The rules of every platform: what downloads here downloads on every other agent. */
export const PORTABLE: NameRules = { ofWindows: true, asOne: true };

/** The rules of an agent's own disks. */
export function rulesOf(platform: NodeJS.Platform): NameRules {
  return { ofWindows: platform === 'win32', asOne: platform === 'win32' || platform === 'darwin' };
}

/**
 * Refuses names that would lead out of the model's folder, that a disk cannot hold or takes for something else, and names
 * that would fall on the same file there.
 *
 * @param reserved a name that the task keeps for a file of its own
 * @returns what other agents would refuse
 * @throws TaskError with every refused name
 */
export function refuseHostileNames(
  paths: readonly string[],
  reserved: string,
  rules: NameRules = PORTABLE,
): string[] {
  const faults = [...badNames(paths, reserved, rules), ...collisions(paths, rules)];
  if (faults.length === 0) {
    return rules === PORTABLE
      ? []
      : [...badNames(paths, reserved, PORTABLE), ...collisions(paths, PORTABLE)].slice(0, MOST_SHOWN);
  }
  const [first, ...others] = faults;
  throw new TaskError(
    `The version holds ${plural(faults.length, 'name')} that cannot be written safely: ${first}${others.length ? ', and others' : ''}. Nothing was downloaded. Rename them in the registry, or leave them out with 'patterns'.`,
    { details: faults.slice(0, MOST_SHOWN) },
  );
}

/** Paths that some disks take for one file, in groups. */
export function sameOnSomeDisks(paths: readonly string[]): string[][] {
  const groups = new Map<string, string[]>();
  for (const path of paths) groups.set(fold(path), [...(groups.get(fold(path)) ?? []), path]);
  return [...groups.values()].filter(({ length }) => length > 1);
}

function badNames(paths: readonly string[], reserved: string, rules: NameRules): string[] {
  const nameOf = (path: string) => (rules.asOne ? fold(path) : path);
  return paths.flatMap((path) => {
    const own = nameOf(path);
    const ofManifest = nameOf(reserved);
    const fault =
      own === ofManifest
        ? 'is the name of the manifest that this task writes'
        : own.startsWith(`${ofManifest}/`)
          ? 'is in a folder with the name of the manifest that this task writes'
          : (faultOf(path) ?? (rules.ofWindows ? faultOnWindows(path) : undefined));
    return fault ? [`${bound(quote(path), LONGEST_PATH)} ${fault}`] : [];
  });
}

/** What is wrong with a path everywhere. */
function faultOf(path: string): string | undefined {
  if (path.length > LONGEST_PATH)
    return `has over ${LONGEST_PATH} characters, which Blob storage does not allow`;
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(path)) return 'holds control characters';
  if (DIRECTION.test(path))
    return 'holds a mark that turns the direction of writing, so that it looks like another name';
  if (path.startsWith('/')) return 'begins with a slash';
  // Whoever handles the folder later may take a backslash for a slash.
  if (hasDotSegment(path.replaceAll('\\', '/'))) return "holds '.' or '..' between slashes";
  for (const segment of path.split('/')) {
    if (segment === '') return 'holds an empty name between slashes';
    if (Buffer.byteLength(segment) > LONGEST_SEGMENT) return `holds a name of over ${LONGEST_SEGMENT} bytes`;
  }
  return undefined;
}

function faultOnWindows(path: string): string | undefined {
  if (path.includes('\\')) return 'holds a backslash, which is a path separator on Windows';
  for (const segment of path.split('/')) {
    if (/[<>:"|?*]/.test(segment)) return 'holds one of < > : " | ? *, which Windows cannot store';
    if (/[. ]$/.test(segment)) return 'ends a name with a dot or a space, which Windows drops';
    if (DEVICE.test(segment)) return `holds '${segment}', which is a device on Windows`;
  }
  return undefined;
}

/** Paths that differ for the registry but not for the disk: in case, in Unicode form, or as file and folder. */
function collisions(paths: readonly string[], { asOne }: NameRules): string[] {
  const keyOf = asOne ? fold : (name: string) => name;
  const taken = new Map<string, { name: string; isFile: boolean }>();
  const faults = new Set<string>();
  const claim = (name: string, isFile: boolean) => {
    const other = taken.get(keyOf(name));
    if (!other) taken.set(keyOf(name), { name, isFile });
    else if (other.name !== name)
      faults.add(`${quote(name)} and ${quote(other.name)} are one name on some disks`);
    else if (other.isFile !== isFile) faults.add(`${quote(name)} is both a file and a folder`);
  };
  for (const path of paths) {
    // It is refused anyway, and may have folders without number.
    if (path.length > LONGEST_PATH) continue;
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
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
