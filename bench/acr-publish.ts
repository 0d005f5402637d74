/*
 * How long publishing an image takes: `docker push`, this project's publisher, and the floor, which is hashing the
 * data and sending it as it is. All to the same docker-registry on this machine.
 *
 *     npx tsx bench/acr-publish.ts [megabytes] [runs]
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fixedCredentials } from '../tasks/AcrBuildPush/acr/credentials';
import { RegistryClient } from '../tasks/AcrBuildPush/acr/registry';
import { DockerCli } from '../tasks/AcrBuildPush/docker/cli';
import type { OciImage } from '../tasks/AcrBuildPush/oci/image';
import type { CompressionChoice } from '../tasks/AcrBuildPush/oci/publish/compression';
import { publishImage } from '../tasks/AcrBuildPush/oci/publish/publish';
import { upload } from '../tasks/AcrBuildPush/oci/publish/upload';
import { HttpClient } from '../tasks/common/http';
import { createLogger } from '../tasks/common/log';

const megabytes = Number(process.argv[2] ?? 300);
const runs = Number(process.argv[3] ?? 3);
const READ_SIZE = 1024 * 1024;

const folder = mkdtempSync(join(tmpdir(), 'bench-publish-'));
const log = createLogger(() => undefined);
const { signal } = new AbortController();
const http = new HttpClient({
  log,
  signal,
  network: { proxyFor: () => undefined, tls: {} },
  userAgent: 'bench',
});
const docker = new DockerCli({ env: { ...process.env, DOCKER_BUILDKIT: '0' }, signal, log });

/** Numbers as models hold them: doubles whose mantissas have twenty bits. They shrink to about a half. */
function writeModel(path: string): void {
  const data = Buffer.alloc(megabytes * 1_000_000);
  const noise = randomBytes(data.length);
  for (let at = 0; at + 8 <= data.length; at += 8) {
    data.writeDoubleLE(Math.fround((noise.readInt32LE(at) >> 11) / 2 ** 18), at);
  }
  writeFileSync(path, data);
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: READ_SIZE }), hash);
  return `sha256:${hash.digest('hex')}`;
}

/** A layer of one file: its tar, hashed once and read again for sending. */
async function imageOfTar(tar: string): Promise<OciImage> {
  const diffId = await hashOf(tar);
  const config = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [diffId] } };
  const open = (start = 0) => createReadStream(tar, { start, highWaterMark: READ_SIZE });
  return {
    config: Buffer.from(JSON.stringify(config)),
    layers: [{ kind: 'local', diffId, size: statSync(tar).size, open }],
    platform: { os: 'linux', architecture: 'amd64' },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

const port = await freePort();
const host = `127.0.0.1:${port}`;
const settings = join(folder, 'registry.yml');
writeFileSync(
  settings,
  `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${folder}/registry}}\nhttp: {addr: "${host}"}\n`,
);
const server = spawn('docker-registry', ['serve', settings], { stdio: 'ignore' });
while (!(await fetch(`http://${host}/v2/`).catch(() => undefined))) {
  await new Promise((resolve) => setTimeout(resolve, 50));
}

const identity = { kind: 'password', username: 'x', password: 'x', input: 'acrPassword' } as const;
const credentials = fixedCredentials(host, identity);
let repositories = 0;
function fresh(): RegistryClient {
  // docker-registry shares blobs between repositories, so data is new in each run as well.
  const repository = `bench/m${repositories++}`;
  return new RegistryClient({ http, log, host, repository, credentials });
}

function publish(image: OciImage, registry: RegistryClient, compression: CompressionChoice) {
  const destination = {
    registry,
    name: `${host}/${registry.repository}`,
    tags: [{ tag: '1', moves: false }],
  };
  return publishImage(image, destination, { log, signal, compression, known: new Map() });
}

const times = new Map<string, number[]>();
async function measure(name: string, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  await work();
  const list = times.get(name) ?? [];
  times.set(name, [...list, performance.now() - start]);
}

async function run(): Promise<void> {
  const context = mkdtempSync(join(folder, 'run-'));
  const model = join(context, 'model.pkl');
  const tar = join(folder, 'layer.tar');
  const forget = () => rmSync(join(folder, 'registry'), { recursive: true, force: true });
  const prepare = () => {
    forget();
    writeModel(model);
    execFileSync('tar', ['-cf', tar, '-C', context, 'model.pkl']);
  };
  prepare();
  await measure('floor: sha256 + bare upload', async () => {
    const digest = await hashOf(tar);
    const open = (start: number) => createReadStream(tar, { start, highWaterMark: READ_SIZE });
    const source = { name: 'data', size: statSync(tar).size, digest: () => digest, open };
    await upload(fresh(), source, { log, signal });
  });
  for (const compression of ['auto', 'gzip', 'none'] as const) {
    prepare();
    const registry = fresh();
    const ship = async () => publish(await imageOfTar(tar), registry, compression);
    await measure(`own publisher, ${compression}`, ship);
    if (compression === 'none') await measure('own publisher, the same again', ship);
  }

  prepare();
  const name = `${host}/${fresh().repository}:1`;
  writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY model.pkl /model.pkl\n');
  await docker.capture(['build', '--quiet', '--tag', name, context], 600_000);
  await measure('docker push', () => docker.capture(['push', name], 600_000));
  await docker.capture(['image', 'rm', '--force', name], 60_000);
  rmSync(context, { recursive: true });
}

try {
  for (let number = 0; number < runs; number++) await run();
  const middle = (list: number[]) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!;
  const slowest = middle(times.get('docker push')!);
  const floor = middle(times.get('floor: sha256 + bare upload')!);
  console.log(
    `${megabytes} MB of float64 data, ${runs} runs, ${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`,
  );
  console.table(
    [...times].map(([name, list]) => ({
      way: name,
      'median ms': Math.round(middle(list)),
      'min–max ms': `${Math.round(Math.min(...list))}–${Math.round(Math.max(...list))}`,
      'times faster than docker push': Number((slowest / middle(list)).toFixed(1)),
      'times the floor': Number((middle(list) / floor).toFixed(2)),
    })),
  );
  console.log(
    `Memory: ${Math.round(process.resourceUsage().maxRSS / 1024)} MB at most, with making the data.`,
  );
} finally {
  http.close();
  server.kill();
  await once(server, 'exit');
  rmSync(folder, { recursive: true, force: true });
}
