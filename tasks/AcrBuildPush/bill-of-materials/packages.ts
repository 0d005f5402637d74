import { isRecord, readJson } from '../../common/json';

/*
 * What the files say by which package managers know what they have installed. Whatever is in them, reading takes time in
 * proportion to their size, and nothing of them is run.
 */

/** A package as its manager knows it. */
export interface Package {
  /** The type by the package URL specification. */
  readonly type: 'deb' | 'apk' | 'pypi' | 'conda';
  readonly name: string;
  readonly version: string;
  /** Of its package URL, apart from the distribution's name, which another file tells. */
  readonly qualifiers?: Readonly<Record<string, string>>;
}

const TYPES: readonly string[] = ['deb', 'apk', 'pypi', 'conda'] satisfies Package['type'][];

/** Whether a text is the type of a package that is known here. */
export function isPackageType(text: string): text is Package['type'] {
  return TYPES.includes(text);
}

/** What a package manager's file holds; an empty list where it is none. */
export type ReadPackages = (text: string) => Package[];

/** States by `dpkg` in which a package's files are not there. */
const GONE = ['not-installed', 'config-files'];

/** `/var/lib/dpkg/status`, and the files of `status.d` by which distroless images know theirs. */
export function readDpkgStatus(text: string): Package[] {
  return paragraphs(text).flatMap((fields) => {
    const name = fields.get('Package');
    const version = fields.get('Version');
    const state = fields.get('Status')?.split(' ').at(-1);
    if (!name || !version || (state !== undefined && GONE.includes(state))) return [];
    const [source, sourceVersion] = (fields.get('Source') ?? '').split(/[ ()]+/);
    const upstream = source && (sourceVersion ? `${source}@${sourceVersion}` : source);
    return { type: 'deb', name, version, ...qualified({ arch: fields.get('Architecture'), upstream }) };
  });
}

/** `/lib/apk/db/installed` of Alpine, whose fields have one letter. */
export function readApkDatabase(text: string): Package[] {
  return paragraphs(text).flatMap((fields) => {
    const name = fields.get('P');
    const version = fields.get('V');
    if (!name || !version) return [];
    const origin = fields.get('o');
    const upstream = origin === name ? undefined : origin;
    return { type: 'apk', name, version, ...qualified({ arch: fields.get('A'), upstream }) };
  });
}

/** `METADATA` and `PKG-INFO` of an installed Python package: headers as those of mail, then a description. */
export function readPythonMetadata(text: string): Package[] {
  const end = /\r?\n\r?\n/.exec(text)?.index ?? text.length;
  const [fields] = paragraphs(text.slice(0, end));
  const name = fields?.get('Name');
  const version = fields?.get('Version');
  return name && version ? [{ type: 'pypi', name, version }] : [];
}

/** A file of `conda-meta`. */
export function readCondaMetadata(text: string): Package[] {
  const content = readJson(Buffer.from(text));
  if (!isRecord(content)) return [];
  const read = (key: string) => (typeof content[key] === 'string' ? content[key] : undefined);
  const name = read('name');
  const version = read('version');
  if (!name || !version) return [];
  // In full it is the address that the package was loaded from.
  const channel = read('channel')?.replace(/^https?:\/\/(?:[^/@]*@)?/, '');
  const more = qualified({ build: read('build'), channel, subdir: read('subdir') });
  return [{ type: 'conda', name, version, ...more }];
}

/** An operating system's name for itself. */
export interface System {
  /** `debian` */
  readonly id: string;
  /** `13` */
  readonly version?: string;
  /** `Debian GNU/Linux 13 (trixie)` */
  readonly title?: string;
}

/** `/etc/os-release`: variables as a shell has them. */
export function readOsRelease(text: string): System | undefined {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^\s*([A-Z_]+)=(.*)$/.exec(line.trimEnd()) ?? [];
    if (name) values.set(name, value!.replace(/^(["'])(.*)\1$/, '$2').replace(/\\(.)/g, '$1'));
  }
  const id = values.get('ID');
  const version = values.get('VERSION_ID');
  const title = values.get('PRETTY_NAME');
  return id ? { id, ...(version && { version }), ...(title && { title }) } : undefined;
}

function qualified(values: Record<string, string | undefined>): Pick<Package, 'qualifiers'> {
  const given = Object.entries(values).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return given.length > 0 ? { qualifiers: Object.fromEntries(given) } : {};
}

/** The fields of paragraphs that empty lines divide. Lines that go on with a field are passed over; so is its second value. */
function paragraphs(text: string): ReadonlyMap<string, string>[] {
  const all: Map<string, string>[] = [];
  let fields = new Map<string, string>();
  const close = () => {
    if (fields.size > 0) all.push(fields);
    fields = new Map();
  };
  for (const line of text.split('\n')) {
    if (line.trim() === '') close();
    else if (line[0] !== ' ' && line[0] !== '\t') {
      const at = line.indexOf(':');
      const name = line.slice(0, at);
      if (at > 0 && !fields.has(name)) fields.set(name, line.slice(at + 1).trim());
    }
  }
  close();
  return all;
}
