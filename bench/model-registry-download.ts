import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { startAzurite } from '../local/azurite';
import { buildExtension } from '../scripts/build';
import { isInstalled, median, printTable, type Run, run } from './measure';
import {
  azcopy,
  azureCli,
  azureCliBatch,
  type Client,
  catalogTask,
  curl,
  parallelCurl,
  programOf,
  type Registry,
  task,
  toBuffer,
  toFile,
} from './model-registry-download/clients';
import { download, OtherFilesError, verify } from './model-registry-download/download';
import { certificate, makeCertificate, makeFolder, work } from './model-registry-download/place';
import {
  ACCOUNT,
  buildServer,
  CONTAINER,
  expectedSha256,
  KEY,
  type RangeServer,
  type ServerSettings,
  startServer,
  VERSION,
} from './model-registry-download/protocol';

/*
 * How fast ModelRegistryDownload is, beside what else downloads blobs: `npx tsx bench/model-registry-download.ts`, and
 * after it names of scenarios and `--rounds=n`. All clients run in turns, each as a process of its own, against a
 * server of their own kind; a ratio compares runs of the same turn. A client that is not on the PATH is left out: npm has
 * azcopy as @azure-tools/azcopy-linux, which needs Debian's libsecret-1-0. Files go to the system's folder for
 * temporary files (TMPDIR), which had better be in memory.
 */

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

const scenarios: Record<string, (rounds: number) => Promise<void>> = {
  async tls(rounds) {
    await withServer({ tls: certificate, size: GIB }, (registry) =>
      compare('1 GiB, TLS, loopback', registry, [curl, task, toFile, toBuffer, azcopy, azureCli], rounds, {
        amount: GIB / 1e6,
        unit: 'MB/s',
      }),
    );
  },

  async link(rounds) {
    await withServer({ tls: certificate, size: GIB, delay: 20, rate: 60e6 }, (registry) =>
      compare(
        '1 GiB, TLS, 20 ms a request, 60 MB/s a connection',
        registry,
        [curl, task, toFile, toBuffer, azcopy, azureCli],
        rounds,
        { amount: GIB / 1e6, unit: 'MB/s' },
      ),
    );
  },

  async small(rounds) {
    for (const [delay, where] of [
      [0, 'loopback'],
      [20, '20 ms a request'],
    ] as const) {
      await withServer({ count: 2_000, size: 16 * 1024, delay }, (registry) =>
        compare(
          `2,000 blobs of 16 KiB, ${where}`,
          registry,
          [parallelCurl(delay > 0 ? 96 : 16), task, toFile, azcopy, azureCliBatch],
          rounds,
          { amount: 2_000, unit: 'blobs/s' },
        ),
      );
    }
  },

  async many(rounds) {
    await withServer({ count: 10_000, size: 16 * 1024 }, (registry) =>
      compare('10,000 blobs of 16 KiB, loopback', registry, [task, catalogTask, azcopy], rounds, {
        amount: 10_000,
        unit: 'blobs/s',
      }),
    );
  },

  async catalog(rounds) {
    for (const links of [true, false]) {
      await withServer({ tls: certificate, size: GIB, links }, (registry) =>
        compare(
          `1 GiB, TLS, loopback, ${links ? 'by links' : 'through the workspace'}`,
          registry,
          [task, catalogTask, azcopy],
          rounds,
          { amount: GIB / 1e6, unit: 'MB/s' },
        ),
      );
    }
  },

  async pickles(rounds) {
    const azurite = await startAzurite();
    try {
      const { account, key, blobEndpoint: endpoint } = azurite;
      const container = new ContainerClient(
        `${endpoint}/titanic`,
        new StorageSharedKeyCredential(account, key),
      );
      await container.create({ access: 'container' });
      const sizes = { 'model.pkl': 50_000, 'lookup.pkl': 300, 'flags.pkl': 60 };
      for (const [name, size] of Object.entries(sizes)) {
        await container.getBlockBlobClient(`${VERSION}/${name}`).upload(Buffer.alloc(size, 1), size);
      }
      const blobs = Object.keys(sizes).map((name) => `${VERSION}/${name}`);
      await compare(
        'The three pickles of a model, Azurite',
        {
          endpoint,
          account,
          key,
          container: 'titanic',
          blobs,
          sha256: (size) => sha256Of(Buffer.alloc(size, 1)),
        },
        [curl, task, toFile, azcopy, azureCli],
        Math.max(rounds, 5),
      );
    } finally {
      await azurite.stop();
    }
  },

  async memory() {
    const rows: string[][] = [];
    for (const size of [1e6, 100e6, GIB, 5 * GIB, 20e9, 100e9]) {
      if (size > freeSpace()) {
        rows.push([`${size / 1e6} MB`, 'left out: the disk is too small']);
        continue;
      }
      await withServer({ tls: certificate, size }, async (registry) => {
        const { milliseconds, peakMemory } = await download(task, registry);
        rows.push([
          `${Math.round(size / 1e6)} MB`,
          inMegabytes(peakMemory),
          `${(milliseconds / 1000).toFixed(1)} s`,
        ]);
      });
    }
    printTable('Peak memory of the whole process, TLS, loopback', ['one blob of', 'peak', 'time'], rows);
  },

  async unchanged(rounds) {
    const rows: string[][] = [];
    for (const [name, settings] of [
      ['1 GiB in one blob', { size: GIB }],
      ['2,000 blobs of 16 KiB', { count: 2_000, size: 16 * 1024 }],
    ] as const) {
      await withServer(settings, async (registry, server) => {
        const folder = makeFolder();
        await run(task.command(registry, folder));
        const times: number[] = [];
        await server.served('reset');
        for (let n = 0; n < Math.max(rounds, 5); n++) {
          times.push((await run(task.command(registry, folder))).milliseconds);
        }
        const { reads } = await server.served('count');
        rows.push([name, `${median(times).toFixed(0)} ms`, spread(times), `${reads}`]);
        rmSync(folder, { recursive: true });
      });
    }
    printTable('A second run with nothing changed', ['version', 'median', 'spread', 'data requests'], rows);
  },

  async faults(rounds) {
    const link = { tls: certificate, size: GIB, delay: 20, rate: 60e6 };
    const faulty = { ...link, resetEvery: 60e6, stallEvery: 7 };
    const clean: number[] = [];
    const hurt: number[] = [];
    const again: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await withServer(link, async (registry) => {
        clean.push((await download(task, registry)).milliseconds);
      });
      await withServer(faulty, async (registry, server) => {
        hurt.push((await download(task, registry)).milliseconds);
        again.push(((await server.served('count')).bytes / GIB - 1) * 100);
      });
    }
    const ratios = hurt.map((time, round) => time / clean[round]!);
    const peers: string[][] = [];
    for (const client of [curl, toFile, toBuffer, azcopy, azureCli]) {
      if (!isInstalled(programOf(client))) continue;
      await withServer(faulty, async (registry) => {
        const came = await download(client, registry, GIVE_UP).then(
          ({ milliseconds }) => `${milliseconds.toFixed(0)} ms`,
          (error) => {
            if (error instanceof OtherFilesError) return 'brings other files';
            return error.message.includes('still running') ? `hangs for over ${GIVE_UP / 1000} s` : 'fails';
          },
        );
        peers.push([client.name, came]);
      });
    }
    printTable(
      '1 GiB, TLS, 20 ms, 60 MB/s a connection; a reset every 60 MB, a stall in every seventh connection',
      ['', 'median', 'spread'],
      [
        ['clean', `${median(clean).toFixed(0)} ms`, spread(clean)],
        ['with faults', `${median(hurt).toFixed(0)} ms`, spread(hurt)],
        ['times as long', median(ratios).toFixed(2), spread(ratios, 2)],
        ['sent again', `${median(again).toFixed(1)} %`, spread(again, 1)],
        ...peers,
      ],
    );
  },

  async killed(rounds) {
    const rows: string[][] = [];
    for (let round = 0; round < rounds; round++) {
      await withServer({ tls: certificate, size: GIB, delay: 20, rate: 20e6 }, async (registry, server) => {
        const folder = makeFolder();
        await run(task.command(registry, folder), (child) => {
          const look = setInterval(async () => {
            if ((await server.served('count')).bytes < GIB / 2) return;
            child.kill();
            clearInterval(look);
          }, 20);
        });
        const first = (await server.served('reset')).bytes;
        await run(task.command(registry, folder));
        await verify(task, folder, registry);
        const second = (await server.served('count')).bytes;
        const excess = first + second - GIB;
        rows.push([`${round + 1}`, ...[first, second, excess].map((bytes) => inMegabytes(bytes))]);
        rmSync(folder, { recursive: true });
      });
    }
    printTable(
      '1 GiB, killed at half and run again',
      ['round', 'sent before', 'sent after', 'sent twice'],
      rows,
    );
  },
};

/** Runs all clients in turns and prints a table. */
async function compare(
  title: string,
  registry: Registry,
  clients: readonly Client[],
  rounds: number,
  measure?: { readonly amount: number; readonly unit: string },
): Promise<void> {
  const runs = new Map<string, Run[]>();
  for (let round = 0; round < rounds; round++) {
    for (const client of clients) {
      if (!isInstalled(programOf(client))) continue;
      const list = runs.get(client.name) ?? [];
      list.push(await download(client, registry));
      runs.set(client.name, list);
    }
  }
  const floor = runs.get(clients[0]!.name)!;
  const rows = clients.map(({ name }) => {
    const own = runs.get(name);
    if (!own) return [name, 'not installed'];
    const times = own.map(({ milliseconds }) => milliseconds);
    const ratios = own.map(({ milliseconds }, round) => floor[round]!.milliseconds / milliseconds);
    const memory = own.map(({ peakMemory }) => peakMemory ?? 0);
    const processor = own.map(({ processorTime }) => (processorTime ?? 0) / 1000);
    return [
      name,
      `${median(times).toFixed(0)} ms`,
      spread(times),
      ...(measure ? [(measure.amount / (median(times) / 1000)).toFixed(0)] : []),
      median(ratios).toFixed(2),
      `${median(processor).toFixed(1)} s`,
      inMegabytes(Math.max(...memory)),
    ];
  });
  printTable(
    `${title} (${rounds} rounds, whole processes)`,
    [
      '',
      'median',
      'spread',
      ...(measure ? [measure.unit] : []),
      `× ${clients[0]!.name}`,
      'processor',
      'peak memory',
    ],
    rows,
  );
}

/** Milliseconds after which a peer is taken to hang. */
const GIVE_UP = 30_000;

function sha256Of(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

async function withServer(
  settings: Partial<ServerSettings> & { readonly size: number },
  use: (registry: Registry, server: RangeServer) => Promise<void>,
): Promise<void> {
  const { count } = { count: 1, ...settings };
  const server = await startServer(work, { ...settings, count });
  const blobs = Array.from({ length: count }, (_, n) => `${VERSION}/${String(n).padStart(6, '0')}.bin`);
  const sha256 = (size: number) => (size === settings.size ? expectedSha256(size) : 'another size');
  try {
    const { endpoint, workspace } = server;
    await use(
      { endpoint, workspace, account: ACCOUNT, key: KEY, container: CONTAINER, blobs, sha256 },
      server,
    );
  } finally {
    await server.stop();
  }
}

function freeSpace(): number {
  const { stdout } = spawnSync('df', ['--output=avail', '--block-size=1', work], { encoding: 'utf8' });
  return Number(stdout.split('\n')[1]);
}

function spread(values: readonly number[], digits = 0): string {
  return `${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)}`;
}

function inMegabytes(bytes: number | undefined): string {
  return bytes === undefined ? 'unknown' : `${Math.round(bytes / 1e6)} MB`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '3' } },
});
const names = positionals.length > 0 ? positionals : Object.keys(scenarios);
const unknown = names.filter((name) => !(name in scenarios));
if (unknown.length > 0)
  throw new Error(`No scenario ${unknown.join()}: ${Object.keys(scenarios).join(', ')}.`);
try {
  await buildExtension(join(work, 'extension'));
  makeCertificate();
  buildServer(work);
  for (const name of names) await scenarios[name]!(Number(values.rounds));
} finally {
  rmSync(work, { recursive: true, force: true });
}
