import { closeSync, fstatSync, readSync } from 'node:fs';
import { TaskError } from '../common/errors';
import type { Logger } from '../common/log';
import { enumerate, plural } from '../common/text';
import type { ModelFolder } from './folder/folder';
import type { ModelManifest } from './folder/manifest';
import type { Inputs } from './inputs';
import { type Content, fileContent, memoryContent } from './pickles/byte-reader';
import { inspectFile } from './pickles/inspect-file';
import { type Finding, Inspection } from './pickles/inspection';

/** Bytes of a file that is read at once, into the same memory as the one before it: thousands of them are no rarity. */
const SMALL = 64 * 1024;

/** Files after which other work gets its turn, as the end of a step that is cancelled: what is in memory is never waited for. */
const TURN = 64;

/** How many findings a message shows. */
const MOST_NAMED = 10;

/**
 * Looks into the files of a model that would run code when they are loaded, and loads none of them.
 *
 * @returns undefined where it is not asked for
 */
export async function inspectModel(
  { files }: ModelManifest,
  folder: ModelFolder,
  { pickleScan, pickleAllow }: Pick<Inputs, 'pickleScan' | 'pickleAllow'>,
  signal: AbortSignal,
): Promise<Inspection | undefined> {
  if (pickleScan === 'off') return undefined;
  const inspection = new Inspection(pickleAllow);
  const memory = Buffer.allocUnsafeSlow(SMALL);
  for (const [index, { path }] of files.entries()) {
    if (index % TURN === TURN - 1) await new Promise((resolve) => setImmediate(resolve));
    const file = folder.open(path);
    try {
      await inspectFile(path, contentOf(file, memory), inspection, signal);
    } finally {
      closeSync(file);
    }
  }
  return inspection;
}

/** @param memory holds a small file until the next one is read */
function contentOf(file: number, memory: Buffer): Content {
  const { size } = fstatSync(file);
  if (size > memory.length) return fileContent(file, 0, size);
  let done = 0;
  while (done < size) {
    const count = readSync(file, memory, done, size - done, done);
    if (count === 0) break;
    done += count;
  }
  return memoryContent(memory.subarray(0, done));
}

/**
 * Says what the inspection has found.
 *
 * @throws TaskError where the step is to fail on it
 */
export function judge(
  inspection: Inspection,
  { name, version }: ModelManifest,
  { pickleScan }: Pick<Inputs, 'pickleScan'>,
  log: Logger,
): void {
  const { findings } = inspection;
  if (findings.length === 0) return;
  const shown = findings.slice(0, MOST_NAMED).map(describeFinding);
  const more = findings.length - shown.length;
  const named = [...new Set(findings.flatMap((finding) => finding.name ?? []))];
  const remedy =
    named.length > 0
      ? `If you know ${named.length === 1 ? 'this name' : 'these names'} to be your own code or a library's, add ${enumerate(named, MOST_NAMED)} to 'pickleAllow'. Otherwise find out who published this version.`
      : 'No pickle of a library does that: find out who published this version.';
  const message = `Loading ${name} ${version} would do more than make a model. ${remedy}`;
  const details = [...shown, ...(more > 0 ? [`and ${plural(more, 'more finding')}`] : [])];
  if (pickleScan === 'fail') throw new TaskError(message, { details });
  log.warning(`${message} The example API, model-api, does not load it. ${details.join('; ')}.`);
}

/** A finding as the end of a list tells it: `model.pkl calls os.system (byte 12)`. */
export function describeFinding({ place, what, position }: Finding): string {
  return `${place} ${what}${position === undefined ? '' : ` (byte ${position})`}`;
}
