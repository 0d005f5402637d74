import { closeSync, openSync, readSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileContent } from '../tasks/ModelRegistryDownload/pickles/byte-reader';
import { inspectFile } from '../tasks/ModelRegistryDownload/pickles/inspect-file';
import { Inspection } from '../tasks/ModelRegistryDownload/pickles/inspection';

/*
 * How long the inspection takes for a large pickle, and what memory, beside reading the same file and doing nothing. The
 * file has holes in place of its arrays, so it needs no room on the disk, and what is measured is the program.
 * Argument: gigabytes, 2 by default; 20 is the largest model that is promised.
 */

const gigabytes = Number(process.argv[2] ?? 2);
const size = gigabytes * 1024 ** 3;

/** A pickle of protocol 4 with one long payload, which loading takes as bytes, and what stands around it. */
function makePickle(file: string): void {
  const head = Buffer.alloc(11);
  head.write('\x80\x04\x8e', 'latin1');
  head.writeBigUInt64LE(BigInt(size), 3);
  const descriptor = openSync(file, 'w');
  writeSync(descriptor, head);
  truncateSync(file, head.length + size);
  writeSync(descriptor, '.', head.length + size);
  closeSync(descriptor);
}

function readOnly(file: string): void {
  const descriptor = openSync(file, 'r');
  const buffer = Buffer.alloc(1024 * 1024);
  while (readSync(descriptor, buffer) > 0);
  closeSync(descriptor);
}

async function inspect(file: string): Promise<number> {
  const descriptor = openSync(file, 'r');
  const inspection = new Inspection(new Set());
  const content = fileContent(descriptor, 0, size + 12);
  await inspectFile('model.pkl', content, inspection, new AbortController().signal);
  closeSync(descriptor);
  if (inspection.findings.length > 0) throw new Error('It was not read to its end.');
  return process.resourceUsage().maxRSS / 1024;
}

const folder = await mkdtemp(join(tmpdir(), 'pickles-'));
try {
  const file = join(folder, 'model.pkl');
  makePickle(file);
  const before = process.resourceUsage().maxRSS / 1024;
  const begin = performance.now();
  const peak = await inspect(file);
  const between = performance.now();
  readOnly(file);
  const end = performance.now();
  const [ours, floor] = [(between - begin) / 1000, (end - between) / 1000];
  console.log(
    `${gigabytes} GB: inspected in ${ours.toFixed(2)} s (${(gigabytes / ours).toFixed(1)} GB/s), read in ${floor.toFixed(2)} s`,
  );
  console.log(`Memory: ${peak.toFixed(0)} MB at most, ${(peak - before).toFixed(0)} MB more than before`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
