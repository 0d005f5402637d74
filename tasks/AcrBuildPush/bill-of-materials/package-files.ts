import {
  type ReadPackages,
  readApkDatabase,
  readCondaMetadata,
  readDpkgStatus,
  readPythonMetadata,
} from './packages';

/** A file that tells of packages. */
export type PackageFile =
  | {
      readonly kind: 'packages';
      readonly read: ReadPackages;
      /** Bytes of it that are read at most. */
      readonly limit: number;
      /** Whether a longer one is read as far as that; otherwise it is not read at all. */
      readonly isCut: boolean;
    }
  | { readonly kind: 'system' }
  /** One whose format is not read here. */
  | { readonly kind: 'foreign'; readonly manager: string };

/** What is looked for in an image, for people. */
export const LOOKED_FOR = 'dpkg, apk, Python, conda';

const LARGEST_DATABASE = 32 * 1024 * 1024;

/** What counts of Python's metadata stands at its begin; a description follows. */
const LONGEST_HEADERS = 256 * 1024;

const database = (read: ReadPackages): PackageFile => ({
  kind: 'packages',
  read,
  limit: LARGEST_DATABASE,
  isCut: false,
});

const PYTHON: PackageFile = {
  kind: 'packages',
  read: readPythonMetadata,
  limit: LONGEST_HEADERS,
  isCut: true,
};

/** The ends of paths, and what lies there. An image may have another one's files in a folder of it. */
const FILES: readonly (readonly [RegExp, PackageFile])[] = [
  [/(?:^|\/)var\/lib\/dpkg\/status$/, database(readDpkgStatus)],
  [/(?:^|\/)var\/lib\/dpkg\/status\.d\/[^/]+(?<!\.md5sums)$/, database(readDpkgStatus)],
  [/(?:^|\/)lib\/apk\/db\/installed$/, database(readApkDatabase)],
  [/\.dist-info\/metadata$/i, PYTHON],
  [/(?:\.egg-info|(?:^|\/)egg-info)(?:\/pkg-info)?$/i, PYTHON],
  [/(?:^|\/)conda-meta\/[^/]+\.json$/, database(readCondaMetadata)],
  [/^(?:etc|usr\/lib)\/os-release$/, { kind: 'system' }],
  [
    /(?:^|\/)(?:var\/lib|usr\/lib\/sysimage|usr\/share)\/rpm\/(?:rpmdb\.sqlite|Packages(?:\.db)?)$/,
    { kind: 'foreign', manager: 'rpm' },
  ],
];

/** Words of which one is in each of these paths: most files of an image are none of them. */
const HINT = /dpkg|apk\/db|-info|conda-meta|os-release|\/rpm\//i;

/** What a file of an image tells of packages; undefined for one that tells nothing. */
export function packageFileAt(path: string): PackageFile | undefined {
  if (!HINT.test(path)) return undefined;
  return FILES.find(([pattern]) => pattern.test(path))?.[1];
}
