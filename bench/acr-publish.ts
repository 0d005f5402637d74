/*
 * How long it takes to bring a model to a registry as an image, without a command in its Dockerfile: the packed task
 * without an engine, `docker build` and `docker push` with both builders of the engine, buildah, and the floor, which
 * is hashing the data and sending it as it is. All to one docker-registry on this machine, every run with new data,
 * the ways taking turns. Times are of whole processes, Node's start included.
 *
 *     npx tsx bench/acr-publish.ts <what> [runs]
 *
 * what: model [megabytes] | lines [megabytes] | again | base | attached | memory [gigabytes] | growth
 * Needs: npm run package; docker-registry; docker, buildah; for `again` and `base` root, since they start an engine
 * that has never seen anything.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { buildFolder } from '../scripts/paths';
import { RegistryClient } from '../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../tasks/AcrBuildPush/registry/credentials';
import { Uploads } from '../tasks/AcrBuildPush/registry/upload';
import { HttpClient } from '../tasks/common/http';
import { createLogger } from '../tasks/common/log';
import { PASSWORD, startDockerRegistry, USERNAME, writeDockerLogin } from '../test/support/docker-registry';
import { LINES, startLine } from './line';
import { isInstalled, median, printTable, run } from './measure';
import { writeModelData } from './model-data';

const [what = 'model', ...numbers] = process.argv.slice(2);
const task = join(buildFolder, 'tasks', 'AcrBuildPush', 'index.js');
const folder = mkdtempSync(join(tmpdir(), 'bench-publish-'));
const context = join(folder, 'context');
const READ_SIZE = 1024 * 1024;

/** Docker clients that have BuildKit built in come before those that need a plugin for it. */
const BUILDKIT_CLIENT = process.env.BUILDKIT_DOCKER ?? '/usr/bin/docker';

let registry: ChildProcess | undefined;
let host: string;
let count = 0;

/** A repository that nobody has used, in a registry that has nothing unless `keep` says otherwise. */
async function startRegistry(): Promise<void> {
  [registry, host] = await startDockerRegistry(join(folder, `registry-${count++}`));
  writeDockerLogin(join(folder, 'docker'), host);
}

async function stopRegistry(): Promise<void> {
  registry!.kill();
  await once(registry!, 'exit');
  rmSync(join(folder, `registry-${count - 1}`), { recursive: true, force: true });
}

function writeModel(bytes: number): void {
  writeModelData(join(context, 'model.pkl'), bytes);
}

function writeDockerfile(base = 'scratch', options = ''): void {
  writeFileSync(join(context, 'Dockerfile'), `FROM ${base}\nCOPY ${options}model.pkl /model.pkl\n`);
}

interface Measured {
  readonly milliseconds: number;
  readonly peakMemory?: number | undefined;
  readonly sentBytes?: number;
}

type Way = (repository: string) => Promise<Measured>;

async function sum(
  ...commands: { file: string; args: string[]; env?: Record<string, string> }[]
): Promise<Measured> {
  let milliseconds = 0;
  for (const command of commands) milliseconds += (await run(command)).milliseconds;
  return { milliseconds };
}

/** The step, as an agent starts it. */
function direct(
  compression: 'auto' | 'gzip' | 'none',
  tag = '1.0.0',
  more: Readonly<Record<string, string>> = {},
): Way {
  return async (repository) => {
    const inputs = {
      loginServer: host,
      acrUsername: USERNAME,
      acrPassword: PASSWORD,
      repository,
      tags: tag,
      dockerfile: join(context, 'Dockerfile'),
      compression,
      ...more,
    };
    const variables = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
    const env = { ...Object.fromEntries(variables), AGENT_TEMPDIRECTORY: mkdtempSync(join(folder, 'temp-')) };
    const { output, ...measured } = await run({ file: process.execPath, args: [task], env });
    if (!/variable=builder;[^\]]*\]direct/.test(output))
      throw new Error(`another builder was chosen:\n${output}`);
    return { ...measured, sentBytes: Number(/variable=uploadedBytes;[^\]]*\](\d+)/.exec(output)?.[1]) };
  };
}

function docker(builder: 'legacy' | 'buildkit', socket?: string): Way {
  return async (repository) => {
    const image = `${host}/${repository}:1.0.0`;
    const file = builder === 'legacy' ? 'docker' : BUILDKIT_CLIENT;
    const env = {
      DOCKER_CONFIG: join(folder, 'docker'),
      DOCKER_BUILDKIT: builder === 'legacy' ? '0' : '1',
      ...(socket && { DOCKER_HOST: socket }),
    };
    const labels = ['--label', 'bench-acr-publish=1'];
    const measured = await sum(
      { file, args: ['build', '--quiet', '--tag', image, ...labels, context], env },
      { file, args: ['push', '--quiet', image], env },
    );
    if (!socket) await run({ file, args: ['image', 'rm', '--force', image], env });
    return measured;
  };
}

const buildah: Way = async (repository) => {
  const image = `${host}/${repository}:1.0.0`;
  const login = ['--tls-verify=false', '--creds', `${USERNAME}:${PASSWORD}`];
  const isolation = ['--isolation', 'chroot'];
  const measured = await sum(
    { file: 'buildah', args: ['build', '--quiet', '--layers=false', ...isolation, '--tag', image, context] },
    { file: 'buildah', args: ['push', '--quiet', ...login, image] },
  );
  await run({ file: 'buildah', args: ['rmi', '--force', image] });
  return measured;
};

/** What no way can do without: reading the data once for its digest, and sending it. */
const floor: Way = async (repository) => {
  const log = createLogger(() => undefined);
  const { signal } = new AbortController();
  const network = { proxyFor: () => undefined, tls: {} };
  const http = new HttpClient({ log, signal, network, userAgent: 'bench' });
  const identity = {
    kind: 'password',
    username: USERNAME,
    password: PASSWORD,
    input: 'acrPassword',
  } as const;
  const client = new RegistryClient({
    http,
    log,
    host,
    repository,
    credentials: fixedCredentials(host, identity),
  });
  await client.signIn();
  const path = join(context, 'model.pkl');
  const open = (start: number) => createReadStream(path, { start, highWaterMark: READ_SIZE });
  const start = performance.now();
  const hash = createHash('sha256');
  await pipeline(open(0), hash);
  const digest = `sha256:${hash.digest('hex')}`;
  await new Uploads(client).send(
    { name: 'data', size: statSync(path).size, digest: () => digest, open },
    { log, signal },
  );
  http.close();
  return { milliseconds: performance.now() - start };
};

/** An engine that has never built or pulled anything: a fresh agent. */
async function withFreshEngine<T>(use: (socket: string) => Promise<T>): Promise<T> {
  const root = mkdtempSync(join(folder, 'engine-'));
  const socket = `unix://${root}/docker.sock`;
  const options = ['--data-root', 'data', '--exec-root', 'exec', '--pidfile', 'pid'].map((word, index) =>
    index % 2 ? join(root, word) : word,
  );
  // An engine without a bridge would remove that of the machine's own engine.
  const bridge = `bench${process.pid}`;
  execFileSync('ip', ['link', 'add', bridge, 'type', 'bridge']);
  execFileSync('ip', ['addr', 'add', '10.213.77.1/24', 'dev', bridge]);
  const engine = spawn('dockerd', ['--host', socket, '--bridge', bridge, '--iptables=false', ...options], {
    stdio: 'ignore',
  });
  try {
    for (let tries = 0; tries < 200; tries++) {
      const answer = spawn('docker', ['--host', socket, 'info'], { stdio: 'ignore' });
      const [code] = await once(answer, 'exit');
      if (code === 0) return await use(socket);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('the fresh engine did not start');
  } finally {
    engine.kill();
    await once(engine, 'exit');
    execFileSync('ip', ['link', 'delete', bridge]);
    rmSync(root, { recursive: true, force: true });
  }
}

/** Times by way, in the order in which the ways were first taken. */
const results = new Map<string, Measured[]>();
async function measure(name: string, way: Way, repository = `bench/m${count++}`): Promise<void> {
  const list = results.get(name) ?? [];
  results.set(name, list);
  list.push(await way(repository));
}

function report(title: string, peer: string, withFloor = false): void {
  const of = (name: string) => median((results.get(name) ?? []).map(({ milliseconds }) => milliseconds));
  const rows = [...results].map(([name, list]) => {
    const times = list.map(({ milliseconds }) => milliseconds);
    const sent = list.at(-1)!.sentBytes;
    return [
      name,
      median(times).toFixed(0),
      `${Math.min(...times).toFixed(0)}–${Math.max(...times).toFixed(0)}`,
      `${(of(peer) / median(times)).toFixed(1)}×`,
      ...(withFloor ? [`${(median(times) / of('floor')).toFixed(2)}×`] : []),
      sent === undefined ? '' : String(sent),
    ];
  });
  const header = [
    'way',
    'median ms',
    'min–max',
    `faster than ${peer}`,
    ...(withFloor ? ['of the floor'] : []),
    'bytes sent',
  ];
  printTable(
    `${title}; ${runs} runs; ${cpus().length} × ${cpus()[0]!.model.trim()}, Node ${process.version}`,
    header,
    rows,
  );
}

let runs = 3;

/** A model of so many megabytes, new in every run. */
async function model(megabytes: number): Promise<void> {
  writeDockerfile();
  const ways: Record<string, Way> = {
    floor,
    'direct, none': direct('none'),
    'direct, gzip': direct('gzip'),
    'direct, auto': direct('auto'),
    'docker legacy': docker('legacy'),
    'docker BuildKit': docker('buildkit'),
    ...(isInstalled('buildah') && { buildah }),
  };
  for (let turn = 0; turn < runs; turn++) {
    await startRegistry();
    for (const [name, way] of Object.entries(ways)) {
      writeModel(megabytes * 1e6);
      await measure(name, way);
    }
    await stopRegistry();
  }
  report(`${megabytes} MB of float64 data, FROM scratch`, 'docker BuildKit', true);
}

/** How each compression does on lines that agents have: seconds, and what `auto` is slower than the better of the others. */
async function lines(megabytes: number): Promise<void> {
  writeDockerfile();
  const rows: string[][] = [];
  for (const line of [undefined, ...LINES]) {
    const times = { none: [] as number[], gzip: [] as number[], auto: [] as number[] };
    for (let turn = 0; turn < runs; turn++) {
      await startRegistry();
      const far = line && (await startLine(host, line));
      if (far) host = far.host;
      // Each is the first once: what the one before has written goes to the disk while the next runs.
      const ways = Object.entries(times).map((_, index, all) => all[(index + turn) % all.length]!);
      for (const [compression, list] of ways) {
        writeModel(megabytes * 1e6);
        execFileSync('sync');
        const { milliseconds } = await direct(compression as 'auto')(`bench/m${count++}`);
        list.push(milliseconds);
      }
      far?.stop();
      await stopRegistry();
    }
    const [none, gzip, auto] = Object.values(times).map(median) as [number, number, number];
    const slower = auto / Math.min(none, gzip) - 1;
    rows.push([
      line ? `${line.megabytesPerSecond} MB/s, ${line.roundTrip} ms` : 'loopback',
      ...Object.values(times).map(
        (list) =>
          `${(median(list) / 1000).toFixed(2)} (${[Math.min(...list), Math.max(...list)].map((one) => (one / 1000).toFixed(2)).join('–')})`,
      ),
      `${slower < 0 ? '' : '+'}${(slower * 100).toFixed(0)} %`,
    ]);
  }
  printTable(
    `${megabytes} MB of float64 data, FROM scratch, by compression, in seconds; ${runs} runs; ${cpus().length} × ${cpus()[0]!.model.trim()}, Node ${process.version}`,
    ['line', 'none', 'gzip', 'auto', 'auto, against the better'],
    rows,
  );
}

/** The same model again, from an agent that never saw it; the registry has it. */
async function again(): Promise<void> {
  writeDockerfile();
  for (let turn = 0; turn < runs; turn++) {
    await startRegistry();
    writeModel(300e6);
    await direct('none')('bench/none');
    await measure('direct, none: the same tag', direct('none'), 'bench/none');
    await measure('direct, none: another tag', direct('none', '1.0.1'), 'bench/none');
    await direct('gzip')('bench/gzip');
    await measure('direct, gzip: the same tag', direct('gzip'), 'bench/gzip');
    await withFreshEngine((socket) => docker('legacy', socket)('bench/docker'));
    await withFreshEngine((socket) => measure('docker', docker('legacy', socket), 'bench/docker'));
    await stopRegistry();
  }
  report('300 MB of float64 data that the registry has, from a fresh agent', 'docker');
}

/** A small model on a large base image in the same registry, from an agent that has neither. */
async function base(): Promise<void> {
  for (let turn = 0; turn < runs; turn++) {
    await startRegistry();
    writeDockerfile();
    writeModel(300e6);
    await direct('gzip')('bench/base');
    const name = `${host}/bench/base:1.0.0`;
    // Where the base image has a model, the new one takes its place.
    const fresh = () => writeModel(5e6);
    writeDockerfile(name, '--link ');
    fresh();
    await measure('direct, the first on this base by COPY --link', direct('none'), 'bench/linked');
    writeDockerfile(name);
    fresh();
    await measure('direct, the first on this base', direct('none'), 'bench/on-base');
    fresh();
    await measure('direct, the next', direct('none'), 'bench/on-base');
    fresh();
    await measure('direct, the first of another repository', direct('none'), 'bench/other');
    fresh();
    await withFreshEngine((socket) => measure('docker', docker('legacy', socket), 'bench/docker'));
    fresh();
    await withFreshEngine((socket) => measure('docker BuildKit', docker('buildkit', socket), 'bench/docker'));
    await stopRegistry();
  }
  report('5 MB on a base image of 300 MB, from a fresh agent', 'docker');
}

/** What it costs to attach provenance and a bill of materials, of 300 Python packages and this machine's Debian ones. */
async function attached(): Promise<void> {
  const packages = join(context, 'root/usr/lib/python3/site-packages');
  for (let number = 0; number < 300; number++) {
    const place = join(packages, `part${number}-1.${number}.dist-info`);
    mkdirSync(place, { recursive: true });
    writeFileSync(
      join(place, 'METADATA'),
      `Metadata-Version: 2.1\nName: part${number}\nVersion: 1.${number}\n`,
    );
  }
  mkdirSync(join(context, 'root/var/lib/dpkg'), { recursive: true });
  copyFileSync('/var/lib/dpkg/status', join(context, 'root/var/lib/dpkg/status'));
  writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY root /\nCOPY model.pkl /model.pkl\n');
  const ways: Record<string, Way> = {
    'nothing attached': direct('auto', '1.0.0', { attest: 'off', sbom: 'off' }),
    'with provenance': direct('auto', '1.0.0', { sbom: 'off' }),
    'with provenance and bill of materials': direct('auto'),
  };
  await startRegistry();
  for (let turn = 0; turn < runs; turn++) {
    for (const [name, way] of Object.entries(ways)) {
      writeModel(1e6);
      await measure(name, way);
    }
  }
  await stopRegistry();
  report('What is attached to an image', 'nothing attached');
}

/** The most memory that the step holds while it sends one large file. */
async function memory(gigabytes: number): Promise<void> {
  await startRegistry();
  writeDockerfile();
  writeModel(gigabytes * 1e9);
  const rows: string[][] = [];
  for (const compression of ['none', 'gzip'] as const) {
    const { milliseconds, peakMemory = 0 } = await direct(compression)(`bench/memory-${compression}`);
    rows.push([compression, (milliseconds / 1000).toFixed(1), (peakMemory / 1e6).toFixed(0)]);
  }
  await stopRegistry();
  printTable(`A file of ${gigabytes} GB`, ['compression', 'seconds', 'most memory, MB'], rows);
}

/** How cost grows with bytes, and with files; all of them new in every run. */
async function growth(): Promise<void> {
  const rows: string[][] = [];
  const grow = async (name: string, size: number, unit: string, write: () => void) => {
    const times: number[] = [];
    await startRegistry();
    for (let turn = 0; turn < runs; turn++) {
      write();
      times.push((await direct('none')(`bench/m${count++}`)).milliseconds);
    }
    await stopRegistry();
    const spread = `${Math.min(...times).toFixed(0)}–${Math.max(...times).toFixed(0)}`;
    rows.push([
      name,
      median(times).toFixed(0),
      spread,
      `${(median(times) / size).toFixed(2)} ms per ${unit}`,
    ]);
  };
  writeDockerfile();
  for (const megabytes of [100, 300, 900]) {
    await grow(`${megabytes} MB`, megabytes, 'MB', () => writeModel(megabytes * 1e6));
  }
  rmSync(join(context, 'model.pkl'));
  writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY files /files\n');
  for (const files of [1_000, 5_000, 20_000]) {
    await grow(`${files} files of 1 KB`, files, 'file', () => writeFiles(files));
  }
  printTable(`Growth; ${runs} runs`, ['what', 'median ms', 'min–max', ''], rows);
}

function writeFiles(number: number): void {
  for (let file = 0; file < number; file++) {
    const place = join(context, 'files', String(file % 100));
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, `${file}.bin`), randomBytes(1_000));
  }
}

try {
  mkdirSync(context);
  const takesSize = ['model', 'lines', 'memory'].includes(what);
  runs = Number(numbers[takesSize ? 1 : 0] ?? 3);
  const size = Number(numbers[0] ?? (what === 'memory' ? 5 : 300));
  if (what === 'model') await model(size);
  else if (what === 'lines') await lines(size);
  else if (what === 'again') await again();
  else if (what === 'base') await base();
  else if (what === 'attached') await attached();
  else if (what === 'memory') await memory(size);
  else if (what === 'growth') await growth();
  else throw new Error(`There is no '${what}' to measure.`);
} finally {
  if (registry?.exitCode === null) registry.kill();
  rmSync(folder, { recursive: true, force: true });
}
