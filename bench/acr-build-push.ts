/*
 * AcrBuildPush with a Docker engine against the bare commands `docker login`, `docker build`, `docker push`, for any
 * Dockerfile: one with a `RUN`, which takes an engine. Both builders, pushing to Debian's docker-registry over
 * loopback. Every run has a new model, so that nothing is cached; the ways take turns.
 *
 *     npm run package
 *     npx tsx bench/acr-build-push.ts overhead [rounds]              5 MB: what the task costs over the bare commands
 *     npx tsx bench/acr-build-push.ts model [rounds] [megabytes]     what it saves them
 *
 * BUILDERS=legacy or BUILDERS=BuildKit measures one of the two. BUILDKIT_PATH is a PATH whose docker has BuildKit; where
 * it has buildx, in DOCKER_CONFIG, that is what builds. DOCKER_HOST names another engine.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { arch, cpus, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildFolder } from '../scripts/paths';
import { PASSWORD, startDockerRegistry, USERNAME } from '../test/support/docker-registry';
import { removeBuilt } from '../test/support/engine-builds';
import { importBaseImage } from '../test/support/shell-image';
import { median } from './measure';

const [what = 'overhead', rounds = what === 'overhead' ? '9' : '3', megabytes = '300'] =
  process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'bench-'));
const context = join(folder, 'context');
const task = join(buildFolder, 'tasks', 'AcrBuildPush', 'index.js');
/** Labels all images of this run, so that they can be removed from the engine. */
const run = randomUUID();
const base = `bench-base:${run}`;
const label = `LABEL bench=${run}`;

interface Timed {
  readonly milliseconds: number;
  readonly output: string;
}

async function timed(program: string, args: string[], env: NodeJS.ProcessEnv, input = ''): Promise<Timed> {
  const start = performance.now();
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${output}`);
  return { milliseconds: performance.now() - start, output };
}

/** How long the parts of one run took, in milliseconds. */
type Times = Readonly<Record<'total' | 'push', number>> & { readonly check?: number };

/** What a careful script would run, with a configuration of its own. */
async function bare(host: string, env: NodeJS.ProcessEnv, labels: readonly string[]): Promise<Times> {
  const config = mkdtempSync(join(folder, 'config-'));
  const plugins = join(env.DOCKER_CONFIG ?? join(homedir(), '.docker'), 'cli-plugins');
  if (existsSync(plugins)) symlinkSync(plugins, join(config, 'cli-plugins'));
  const own = { ...env, DOCKER_CONFIG: config };
  const image = `${host}/bare:1.0.0`;
  const build = ['build', '--tag', image, '--build-arg', 'VERSION=1.0.0', ...labels, context];
  const login = await timed('docker', ['login', '-u', USERNAME, '--password-stdin', host], own, PASSWORD);
  const built = await timed('docker', build, own);
  const push = await timed('docker', ['push', image], own);
  return {
    total: login.milliseconds + built.milliseconds + push.milliseconds,
    push: push.milliseconds,
  };
}

async function step(
  host: string,
  env: NodeJS.ProcessEnv,
  compression: string,
  builder = 'docker',
): Promise<Times> {
  const inputs = {
    loginServer: host,
    acrUsername: USERNAME,
    acrPassword: PASSWORD,
    repository: 'step',
    tags: '1.0.0',
    builder,
    compression,
    dockerfile: join(context, 'Dockerfile'),
  };
  const temp = mkdtempSync(join(folder, 'temp-'));
  const { milliseconds, output } = await timed(process.execPath, [task], {
    ...env,
    AGENT_TEMPDIRECTORY: temp,
    SYSTEM_DEBUG: 'true',
    BUILD_SOURCEVERSION: '0123456789abcdef',
    BUILD_REPOSITORY_URI: 'https://dev.azure.com/bench/_git/bench',
    ...Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
    ),
  });
  if (!/task\.complete result=Succeeded/.test(output)) throw new Error(output);
  const phase = (name: string) => Number(new RegExp(`Phase ${name}: (\\d+) ms`).exec(output)?.[1]);
  return { total: milliseconds, push: phase('Push'), check: phase('Check') };
}

/** Numbers as models hold them: doubles whose mantissas have twenty bits. They shrink to about a half. */
function doubles(bytes: number): Buffer {
  const data = Buffer.alloc(bytes);
  const noise = randomBytes(bytes);
  for (let at = 0; at + 8 <= bytes; at += 8) {
    data.writeDoubleLE(Math.fround((noise.readInt32LE(at) >> 11) / 2 ** 18), at);
  }
  return data;
}

interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

function spread(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/** `471 (444–522)`. */
function show({ median, least, most }: Spread): string {
  return `${Math.round(median)} (${Math.round(least)}–${Math.round(most)})`;
}

type Ways = Readonly<Record<string, () => Promise<Times>>>;

/** Runs every way in turn, each with a new model. */
async function measure(ways: Ways, makeModel: () => Buffer): Promise<Map<string, Times[]>> {
  const times = new Map<string, Times[]>(Object.keys(ways).map((name) => [name, []]));
  for (let round = 0; round < Number(rounds); round++) {
    for (const [name, run] of Object.entries(ways)) {
      writeFileSync(join(context, 'model.pkl'), makeModel());
      times.get(name)!.push(await run());
      // What one way leaves to be written to the disk is not for the next to wait for.
      if (what === 'model') execFileSync('sync');
    }
  }
  return times;
}

/** Without `RUN`, since a container that starts costs more than all that is measured here. */
async function measureOverhead(host: string, builders: [string, NodeJS.ProcessEnv][]): Promise<void> {
  writeRecipe('FROM scratch', label, 'ARG VERSION', 'ENV VERSION=$VERSION', 'COPY model.pkl /model.pkl');
  const labels = ['version', 'revision', 'source', 'created'].flatMap((name) => [
    '--label',
    `org.opencontainers.image.${name}=${randomBytes(8).toString('hex')}`,
  ]);
  console.log(`A model of 5 MB, ${rounds} rounds; milliseconds: median (least–most).\n`);
  console.log('| builder | way | total | over the bare commands | of it the check |');
  console.log('|---|---|---:|---:|---:|');
  for (const [builder, env] of builders) {
    const ways = {
      'bare commands': () => bare(host, env, []),
      'bare commands with the same labels': () => bare(host, env, labels),
      'the task': () => step(host, env, 'auto'),
      'Node alone': async () => {
        const { milliseconds } = await timed(process.execPath, ['-e', '0'], env);
        return { total: milliseconds, push: 0 };
      },
    };
    const results = await measure(ways, () => randomBytes(5_000_000));
    const floor = spread(results.get('bare commands')!.map(({ total }) => total));
    for (const [way, times] of results) {
      const total = spread(times.map((one) => one.total));
      const checks = times.flatMap(({ check }) => (check === undefined ? [] : [check]));
      const over = `${Math.round(total.median - floor.median)} (least ${Math.round(total.least - floor.least)})`;
      const check = checks.length > 0 ? show(spread(checks)) : '';
      console.log(`| ${builder} | ${way} | ${show(total)} | ${over} | ${check} |`);
    }
  }
}

async function measureModel(host: string, builders: [string, NodeJS.ProcessEnv][]): Promise<void> {
  importBaseImage(base);
  writeRecipe(`FROM ${base}`, label, 'RUN echo ready > /made', 'COPY model.pkl /model.pkl');
  console.log(`${megabytes} MB of float64 data, ${rounds} rounds; milliseconds: median (least–most).\n`);
  console.log('| builder | way | total | times faster | push alone | times faster |');
  console.log('|---|---|---:|---:|---:|---:|');
  for (const [builder, env] of builders) {
    const ways = {
      'docker build + docker push': () => bare(host, env, []),
      ...Object.fromEntries(
        ['docker', 'auto'].flatMap((builder) =>
          ['none', 'gzip', 'auto'].map((compression) => [
            `the task, builder ${builder}, compression ${compression}`,
            () => step(host, env, compression, builder),
          ]),
        ),
      ),
    };
    const results = await measure(ways, () => doubles(Number(megabytes) * 1_000_000));
    const of = (times: Times[], part: 'total' | 'push') => spread(times.map((one) => one[part]));
    const docker = results.get('docker build + docker push')!;
    for (const [way, times] of results) {
      const [total, push] = [of(times, 'total'), of(times, 'push')];
      const ratio = (part: 'total' | 'push') => (of(docker, part).median / of(times, part).median).toFixed(1);
      console.log(
        `| ${builder} | ${way} | ${show(total)} | ${ratio('total')} | ${show(push)} | ${ratio('push')} |`,
      );
    }
  }
}

function writeRecipe(...lines: string[]): void {
  writeFileSync(join(context, 'Dockerfile'), `${lines.join('\n')}\n`);
}

/** Takes what was built here out of the engine again. */
function removeImages(): void {
  removeBuilt('docker', `bench=${run}`);
  const known = execFileSync('docker', ['images', '--quiet', base], { encoding: 'utf8' }).trim();
  if (known) execFileSync('docker', ['image', 'rm', '--force', base], { stdio: 'ignore' });
}

mkdirSync(join(folder, 'registry'));
mkdirSync(context);
const [registry, host] = await startDockerRegistry(join(folder, 'registry', 'data'));
try {
  const version = execFileSync('docker', ['--version'], { encoding: 'utf8' }).trim();
  console.log(`${cpus().length} × ${cpus()[0]!.model}, ${arch()}, Node ${process.version}; ${version}`);
  const all: [string, NodeJS.ProcessEnv][] = [
    ['legacy', { ...process.env, DOCKER_BUILDKIT: '0' }],
    [
      'BuildKit',
      { ...process.env, DOCKER_BUILDKIT: '1', PATH: process.env.BUILDKIT_PATH ?? process.env.PATH },
    ],
  ];
  const chosen = (process.env.BUILDERS ?? 'legacy,BuildKit').split(',');
  const builders = all.filter(([name]) => chosen.includes(name));
  await (what === 'model' ? measureModel : measureOverhead)(host, builders);
} finally {
  removeImages();
  registry.kill();
  await once(registry, 'exit');
  rmSync(folder, { recursive: true, force: true });
}
