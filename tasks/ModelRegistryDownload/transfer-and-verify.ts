import { TaskError } from '../common/errors';
import { formatBytes, plural } from '../common/text';
import type { ModelFolder } from './folder/folder';
import type { Journal } from './folder/journal';
import type { Inputs } from './inputs';
import { Progress } from './progress';
import type { ModelContainer } from './registry/container';
import type { ModelFile } from './registry/listing';
import type { Connection } from './registry/persist';
import type { ModelSource } from './registry/source';
import { transferFiles } from './transfer/queue';
import { type Digests, type Fault, type Proof, verify } from './transfer/verify';
import type { StatedFile, Statement } from './version/statement';

/** What a download works with. */
export interface Download {
  readonly inputs: Inputs;
  readonly container: ModelContainer;
  /** Where the version's files come from. */
  readonly source: ModelSource;
  readonly folder: ModelFolder;
  readonly connection: Connection;
  /** File that digests when it is started as a thread. */
  readonly program: string | undefined;
  /** Told of every piece of the model that has reached the disk, in bytes. */
  onBytes(count: number): void;
}

export interface VerifiedFile {
  readonly sha256: string;
  readonly proof: Proof;
}

/** How often files are transferred in all, when they do not agree with what is said of them. */
const MOST_TRANSFERS = 2;

/**
 * Transfers files and compares them with what the registry and the version say; those that disagree are transferred
 * again. If the same bytes come once more, the checksum was never right; if others do, they were damaged on their way.
 *
 * @returns each file by its path
 */
export async function transferAndVerify(
  files: readonly ModelFile[],
  statement: Statement,
  journal: Journal,
  download: Download,
): Promise<Map<string, VerifiedFile>> {
  const { container } = download;
  const { log } = download.connection;
  // A listing may tell no checksum, and the answers that bring the files one all the same.
  const told = (file: ModelFile, own: Digests) => {
    const later = own.md5 === undefined ? undefined : container.toldMd5?.(file.name);
    return { ...file, md5: file.md5 ?? later ?? null };
  };
  const byParts = download.inputs.verify === 'crc64';
  const statedOf = ({ path }: ModelFile): Partial<StatedFile> => statement.get(path) ?? {};
  const isUnproven = (file: ModelFile) =>
    file.md5 === null && file.size > 0 && !statedOf(file).sha256 && !statedOf(file).md5;

  const verified = new Map<string, VerifiedFile>();
  const checked = new Set(byParts ? files.filter(isUnproven).map(({ path }) => path) : []);
  let before = new Map<string, Digests>();
  for (let transfers = 1, missing = files; missing.length > 0; transfers++) {
    // Where only the version states an MD5, it is worked out as well.
    const wanted = missing.map((file) => {
      const { md5 } = statedOf(file);
      return file.md5 === null && md5 !== undefined ? { ...file, md5 } : file;
    });
    const digests = await transfer(wanted, checked, journal, download);
    const doubtful: ModelFile[] = [];
    for (const file of missing) {
      const own = digests.get(file.path)!;
      const partsChecked = checked.has(file.path);
      const { leastProof } = container;
      const verdict = verify(told(file, own), own, statedOf(file), { partsChecked, leastProof });
      if ('proof' in verdict) {
        verified.set(file.path, { sha256: own.sha256, proof: verdict.proof });
        if (verdict.isStale)
          log.warning(`${staleMd5(told(file, own), own, download)} Another checksum proves the file.`);
      } else if (transfers < MOST_TRANSFERS) {
        log.warning(`'${file.path}' arrived damaged: ${verdict.fault}. It is downloaded again.`);
        doubtful.push(file);
        journal.forget(file);
        if (byParts && file.size > 0) checked.add(file.path);
      } else if (verdict.by === 'registry' && (checked.has(file.path) || (byParts && file.size === 0))) {
        // Of an empty file, there are no parts that could be damaged.
        verified.set(file.path, { sha256: own.sha256, proof: 'CRC64 of each part' });
        log.warning(`${staleMd5(told(file, own), own, download)} The CRC64 of each part proves the file.`);
      } else {
        throw refusal(told(file, own), own, verdict, before.get(file.path)?.sha256 === own.sha256, download);
      }
    }
    before = digests;
    missing = doubtful;
  }
  return verified;
}

/** @param isSame whether both transfers brought the same bytes */
function refusal(
  file: ModelFile,
  own: Digests,
  { fault, by }: Fault,
  isSame: boolean,
  download: Download,
): TaskError {
  if (!isSame) {
    return new TaskError(
      `'${file.path}' is damaged, after a second download too: ${fault}. Check the agent's memory and network, and what stands between it and the registry.`,
    );
  }
  if (by === 'version') {
    return new TaskError(
      `'${file.path}' is not the file that its version lists: ${fault}. It was not damaged on its way, since two downloads brought the same bytes. Publish the version again.`,
    );
  }
  const damage = `${staleMd5(file, own, download)} Two downloads brought the same bytes, so the file itself is not damaged.`;
  if (!('account' in download.source)) return new TaskError(damage);
  return new TaskError(
    `${damage} If you may only read the registry, set 'verify' to crc64: each part is then compared with its CRC64 instead.`,
  );
}

function staleMd5({ path, name, md5 }: ModelFile, own: Digests, { source }: Download): string {
  const fault = `The MD5 that is stored with '${path}' (${md5}) is not that of its content (${own.md5}): somebody replaced the content and left the MD5.`;
  if (!('account' in source)) return `${fault} Store the file again.`;
  const right = Buffer.from(own.md5!, 'hex').toString('base64');
  return `${fault} Correct it: az storage blob update --account-name ${source.account} --container-name ${source.container} --name ${shellQuote(name)} --content-md5 ${right}`;
}

/** As one word of a shell: a blob's name may hold quotes, and commands between them. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

async function transfer(
  files: readonly ModelFile[],
  checked: ReadonlySet<string>,
  journal: Journal,
  { inputs, container, folder, connection, program, onBytes }: Download,
): Promise<Map<string, Digests>> {
  const most = (await container.prepare?.(files, connection)) ?? inputs.concurrency;
  const size = files.reduce((sum, file) => sum + file.size - journal.bytesOf(file), 0);
  connection.log.info(`Downloading ${plural(files.length, 'file')}, ${formatBytes(size)}.`);
  const progress = new Progress(size, connection.log);
  const options = {
    files: folder.staging,
    concurrency: Math.min(most, inputs.concurrency),
    program,
    checked,
    record: journal,
    onBytes(count: number) {
      progress.add(count);
      onBytes(count);
    },
  };
  return transferFiles(container, files, options, connection);
}
