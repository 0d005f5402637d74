/*
 * What hostile answers cost: `npm run package`, then `npx tsx bench/hostile.ts [seconds]`. A server gives each kind of answer
 * to every request of each packed task, which is cancelled after some seconds where it goes on trying. Prints the most memory
 * that a task had, beside the 150 MB that it is meant to stay under, and how long it took to say what is wrong.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { buildFolder } from '../scripts/paths';
import { PeakMemory } from '../test/support/peak-memory';
import { printTable } from './measure';

const PATIENCE = Number(process.argv[2] ?? 15) * 1000;
const MEGABYTE = 1024 * 1024;
const BOMB = gzipSync(Buffer.alloc(400 * MEGABYTE));
const PIECE = Buffer.alloc(MEGABYTE, ' ');

function pour(response: ServerResponse, megabytes: number): void {
  Readable.from(Array.from({ length: megabytes }, () => PIECE)).pipe(response);
}

const ANSWERS: Readonly<Record<string, (response: ServerResponse) => unknown>> = {
  'gzip that unpacks to 400 MB': (response) =>
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(BOMB),
  'a refusal of gzip that unpacks to 400 MB': (response) =>
    response.writeHead(403, { 'content-encoding': 'gzip' }).end(BOMB),
  '1 GB': (response) => pour(response.writeHead(200), 1024),
  '1 GB as a refusal': (response) => pour(response.writeHead(403), 1024),
  '4 MB of open brackets': (response) => response.end('['.repeat(4 * MEGABYTE - 1)),
  '4 MB of angles as a refusal': (response) => response.writeHead(400).end('<'.repeat(4 * MEGABYTE)),
  'a list of 300,000 empty objects': (response) => response.end(`{"jobs":[${'{},'.repeat(300_000)}{}]}`),
  'a megabyte of headers': (response) =>
    response.socket?.end(`HTTP/1.1 200 OK\r\n${'X-Padding: none\r\n'.repeat(60_000)}\r\n`),
};

const folder = mkdtempSync(join(tmpdir(), 'hostile-'));
writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /\n');

const INPUTS: Readonly<Record<string, (host: string) => Record<string, string>>> = {
  DatabricksRunJob: (host) => ({ databricksHost: `http://${host}`, databricksToken: 'dapi~1', job: 'train' }),
  ModelRegistryDownload: (host) => ({
    ...{ storageAccount: 'models', storageKey: Buffer.alloc(64).toString('base64') },
    ...{ blobEndpoint: `http://${host}/models`, modelName: 'titanic', modelVersion: 'latest' },
    destinationFolder: join(folder, 'pickles'),
  }),
  AcrBuildPush: (host) => ({
    ...{ acrName: 'models', acrPassword: 'pa55~word', loginServer: host, repository: 'titanic' },
    ...{ tags: '1.0.0', dockerfile: join(folder, 'Dockerfile'), builder: 'direct' },
  }),
};

/** Runs a task against a server, and says how much memory it had and what it said at last. */
async function run(task: string, host: string): Promise<{ megabytes: number; seconds: number; end: string }> {
  const temp = mkdtempSync(join(folder, 'temp-'));
  const memory = new PeakMemory(join(temp, 'memory'));
  const inputs = Object.entries(INPUTS[task]!(host)).map(([name, value]) => [
    `INPUT_${name.toUpperCase()}`,
    value,
  ]);
  const begun = performance.now();
  const child = spawn(process.execPath, [join(buildFolder, 'tasks', task, 'index.js')], {
    env: {
      PATH: process.env.PATH,
      ...memory.environment,
      AGENT_TEMPDIRECTORY: temp,
      ...Object.fromEntries(inputs),
    },
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const timer = setTimeout(() => child.kill('SIGINT'), PATIENCE);
  await once(child, 'close');
  clearTimeout(timer);
  const [, result = 'none', end = ''] = /task\.complete result=(\w+);\](.*)/.exec(output) ?? [];
  return {
    // NaN where the task was ended before it had begun to run.
    megabytes: (memory.read() ?? Number.NaN) / 1e6,
    seconds: (performance.now() - begun) / 1000,
    end: result === 'Canceled' ? 'still trying' : end.slice(0, 100),
  };
}

let most = 0;
try {
  for (const task of Object.keys(INPUTS)) {
    const rows: string[][] = [];
    for (const [kind, answer] of Object.entries(ANSWERS)) {
      const server = createServer((request, response) => {
        request.resume().on('error', () => undefined);
        response.on('error', () => undefined);
        answer(response);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { megabytes, seconds, end } = await run(
        task,
        `127.0.0.1:${(server.address() as AddressInfo).port}`,
      );
      server.closeAllConnections();
      server.close();
      if (megabytes > most) most = megabytes;
      rows.push([kind, `${megabytes.toFixed(0)} MB`, `${seconds.toFixed(1)} s`, end]);
    }
    printTable(task, ['every answer is', 'memory', 'until', 'it said'], rows);
  }
  console.log(`The most: ${most.toFixed(0)} MB, meant to be at most 150 MB.`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
