import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { arch, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildFolder } from '../scripts/paths';
import { PASSWORD, startDockerRegistry, USERNAME } from '../test/support/docker-registry';

/*
 * What AcrBuildPush costs over the bare commands `docker login`, `docker build`, `docker push`, with both builders of
 * the engine on this machine, pushing to Debian's docker-registry over loopback. Every run has a new model, so that
 * nothing is cached; the two ways take turns. Needs: npm run package; docker; docker-registry.
 */

const ROUNDS = Number(process.env.ROUNDS ?? 9);
const MODEL_BYTES = 5_000_000;
const RECIPE = 'FROM scratch\nARG VERSION\nENV VERSION=$VERSION\nCOPY model.pkl /model.pkl\n';

const folder = mkdtempSync(join(tmpdir(), 'bench-'));
const context = join(folder, 'context');
const task = join(buildFolder, 'tasks', 'AcrBuildPush', 'index.js');

interface Timed {
  milliseconds: number;
  output: string;
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

/** What a careful script would run, with a configuration of its own. */
async function bare(host: string, env: NodeJS.ProcessEnv, labels: string[]): Promise<number> {
  const config = mkdtempSync(join(folder, 'config-'));
  const own = { ...env, DOCKER_CONFIG: config };
  const image = `${host}/bare:1.0.0`;
  const login = ['login', '--username', USERNAME, '--password-stdin', host];
  const build = ['build', '--tag', image, '--build-arg', 'VERSION=1.0.0', ...labels, context];
  let total = 0;
  total += (await timed('docker', login, own, PASSWORD)).milliseconds;
  total += (await timed('docker', build, own)).milliseconds;
  total += (await timed('docker', ['push', image], own)).milliseconds;
  return total;
}

async function step(host: string, env: NodeJS.ProcessEnv): Promise<{ total: number; check: number }> {
  const inputs = {
    loginServer: host,
    acrUsername: USERNAME,
    acrPassword: PASSWORD,
    repository: 'step',
    builder: 'docker',
    tags: '1.0.0',
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
  const check = Number(/Phase Check: (\d+) ms/.exec(output)?.[1]);
  return { total: milliseconds, check };
}

/** Median and least. On a machine that others use too, the least says more about the work itself. */
function describe(values: readonly number[]): { median: number; least: number; text: string } {
  const sorted = [...values].sort((a, b) => a - b);
  const [median, least] = [sorted[Math.floor(sorted.length / 2)]!, sorted[0]!];
  return { median, least, text: `${Math.round(median)} (${Math.round(least)})` };
}

/** What the task takes more than the bare commands. */
function overhead(task: ReturnType<typeof describe>, bare: ReturnType<typeof describe>): string {
  return `${Math.round(task.median - bare.median)} (${Math.round(task.least - bare.least)})`;
}

mkdirSync(join(folder, 'registry'));
const [registry, host] = await startDockerRegistry(join(folder, 'registry', 'data'));
try {
  const version = execFileSync('docker', ['--version'], { encoding: 'utf8' }).trim();
  console.log(`${cpus().length} × ${cpus()[0]!.model}, ${arch()}, Node ${process.version}; ${version}`);
  console.log(`One model of ${MODEL_BYTES / 1e6} MB, ${ROUNDS} rounds; milliseconds: median (least).\n`);
  console.log(
    '| builder | bare commands | …with the same labels | the task | of it the check | Node alone | overhead | …labels apart |',
  );
  console.log('|---|---:|---:|---:|---:|---:|---:|---:|');
  mkdirSync(context);
  writeFileSync(join(context, 'Dockerfile'), RECIPE);
  const labels = ['version', 'revision', 'source', 'created'].flatMap((name) => [
    '--label',
    `org.opencontainers.image.${name}=${randomBytes(8).toString('hex')}`,
  ]);
  const builders: [string, NodeJS.ProcessEnv][] = [
    ['legacy', { ...process.env, DOCKER_BUILDKIT: '0' }],
    [
      'BuildKit',
      { ...process.env, DOCKER_BUILDKIT: '1', PATH: process.env.BUILDKIT_PATH ?? process.env.PATH },
    ],
  ];
  for (const [name, env] of builders) {
    const [bares, labelled, totals, checks, starts]: number[][] = [[], [], [], [], []];
    const fresh = () => writeFileSync(join(context, 'model.pkl'), randomBytes(MODEL_BYTES));
    for (let round = 0; round < ROUNDS; round++) {
      fresh();
      bares!.push(await bare(host, env, []));
      fresh();
      labelled!.push(await bare(host, env, labels));
      fresh();
      const { total, check } = await step(host, env);
      totals!.push(total);
      checks!.push(check);
      starts!.push((await timed(process.execPath, ['-e', '0'], env)).milliseconds);
    }
    const [a, b, t, c, n] = [bares!, labelled!, totals!, checks!, starts!].map(describe);
    console.log(
      `| ${name} | ${a!.text} | ${b!.text} | ${t!.text} | ${c!.text} | ${n!.text} | ${overhead(t!, a!)} | ${overhead(t!, b!)} |`,
    );
  }
} finally {
  const images = execFileSync('docker', ['images', '--format', '{{.Repository}} {{.ID}}'], {
    encoding: 'utf8',
  });
  const own = images.split('\n').filter((line) => line.startsWith(`${host}/`));
  const ids = [...new Set(own.map((line) => line.split(' ')[1]!))];
  if (ids.length > 0) execFileSync('docker', ['image', 'rm', '--force', ...ids], { stdio: 'ignore' });
  registry.kill();
  await once(registry, 'exit');
  rmSync(folder, { recursive: true, force: true });
}
