import { split } from '../files/file-tree';
import type { Sink, TarMember } from '../files/tar-reader';
import { packageFileAt } from './package-files';
import { type Package, readOsRelease, type System } from './packages';

/** What a file of a layer tells. */
export type Finding =
  | { readonly kind: 'packages'; readonly packages: readonly Package[] }
  | { readonly kind: 'system'; readonly system: System }
  /** It tells of packages, but is not read; a clause says why. */
  | { readonly kind: 'unread'; readonly why: string };

/** What a layer tells of packages, and what it takes away of those below it. */
export interface Findings {
  readonly files: ReadonlyMap<string, Finding>;
  /** Paths that the layer takes away, with all below them. */
  readonly removed: ReadonlySet<string>;
  /** Folders of which it takes away all that lower layers have. */
  readonly emptied: ReadonlySet<string>;
  /** Paths where it has something that is no folder, so that no file of a lower layer can lie below. */
  readonly covered: ReadonlySet<string>;
}

const LARGEST_OS_RELEASE = 64 * 1024;

/** Packages that are taken in from one layer: an image of all of Debian has fewer. */
const MOST_PACKAGES = 200_000;

/** Gathers what a layer tells while its tar is read. */
export class Collector {
  private readonly files = new Map<string, Finding>();
  private readonly removed = new Set<string>();
  private readonly emptied = new Set<string>();
  private readonly covered = new Set<string>();
  private count = 0;

  /** Takes note of a member, and takes in its bytes where they matter. */
  readonly onMember = (member: TarMember): Sink | undefined => {
    const { path, kind } = member;
    if (kind === 'directory') return undefined;
    const { folder, name } = split(path);
    if (name === '.wh..wh..opq') this.emptied.add(folder);
    else if (name.startsWith('.wh.')) this.removed.add(folder ? `${folder}/${name.slice(4)}` : name.slice(4));
    else {
      this.covered.add(path);
      if (kind === 'hardlink') this.link(path, member.link);
      if (kind === 'file') return this.file(member);
    }
    return undefined;
  };

  /** What was gathered, when the tar is at its end; undefined where it was too much. */
  findings(): Findings | undefined {
    const { files, removed, emptied, covered, count } = this;
    return count > MOST_PACKAGES ? undefined : { files, removed, emptied, covered };
  }

  private link(path: string, target: string): void {
    const found = this.files.get(target.replace(/^\.?\/+/, ''));
    if (found && packageFileAt(path)) this.files.set(path, found);
  }

  private file({ path, size }: TarMember): Sink | undefined {
    const known = packageFileAt(path);
    if (!known) return undefined;
    if (known.kind === 'foreign') {
      const why = `what ${known.manager} has installed is in a database that is not read`;
      this.files.set(path, { kind: 'unread', why });
      return undefined;
    }
    if (known.kind === 'system') {
      return taken(Math.min(size, LARGEST_OS_RELEASE), (text) => {
        const system = readOsRelease(text);
        if (system) this.files.set(path, { kind: 'system', system });
      });
    }
    if (size > known.limit && !known.isCut) {
      this.files.set(path, { kind: 'unread', why: `it has ${size} bytes` });
      return undefined;
    }
    return taken(Math.min(size, known.limit), (text) => {
      const packages = known.read(text);
      this.count += packages.length;
      // Who reads the layer for something else must not be held up.
      if (this.count <= MOST_PACKAGES) this.files.set(path, { kind: 'packages', packages });
    });
  }
}

/** Takes in the first bytes of a file. */
function taken(size: number, use: (text: string) => void): Sink | undefined {
  if (size === 0) {
    use('');
    return undefined;
  }
  const parts: Buffer[] = [];
  let left = size;
  return (chunk) => {
    if (left === 0) return;
    const part = chunk.subarray(0, left);
    // What it is a part of may be much larger.
    parts.push(Buffer.from(part));
    left -= part.length;
    if (left === 0) use(Buffer.concat(parts).toString('utf8'));
  };
}
