/*
 * From push to first answer: how long a node that never saw an image takes to pull it and to start its API, by how the
 * layer with the model is stored: by this step with `none` and with `gzip`, and by docker. Podman pulls, from one
 * docker-registry on this machine, on loopback and over lines that nodes have. The API is a small server that reads its
 * whole model before it answers; what is above that is its own.
 *
 *     npx tsx bench/first-answer.ts [megabytes] [runs]
 *
 * Needs: npm run package; docker-registry; docker; podman; Go, for the server; root.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildFolder } from '../scripts/paths';
import { PASSWORD, startDockerRegistry, USERNAME, writeDockerLogin } from '../test/support/docker-registry';
import { LINES, startLine } from './line';
import { median, printTable, run } from './measure';
import { writeModelData } from './model-data';

const [megabytes = 300, runs = 3] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), 'bench-first-answer-'));
const context = join(folder, 'context');
const task = join(buildFolder, 'tasks', 'AcrBuildPush', 'index.js');

/** How long the API may take to answer, in milliseconds. */
const LONGEST = 120_000;

const SERVER = `package main

import (
	"io"
	"net/http"
	"os"
)

func main() {
	model, err := os.Open("/model.pkl")
	if err != nil {
		panic(err)
	}
	if _, err := io.Copy(io.Discard, model); err != nil {
		panic(err)
	}
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
`;

function writeContext(): void {
  mkdirSync(context);
  const source = join(folder, 'server.go');
  writeFileSync(source, SERVER);
  const env = { ...process.env, CGO_ENABLED: '0' };
  execFileSync('go', ['build', '-o', join(context, 'server'), source], { env });
  writeModelData(join(context, 'model.pkl'), megabytes * 1e6);
  const lines = ['FROM scratch', 'COPY server /server', 'COPY model.pkl /model.pkl', 'CMD ["/server"]', ''];
  writeFileSync(join(context, 'Dockerfile'), lines.join('\n'));
}

async function pushByStep(host: string, compression: 'none' | 'gzip'): Promise<void> {
  const inputs = {
    ...{ loginServer: host, acrUsername: USERNAME, acrPassword: PASSWORD, repository: `api/${compression}` },
    ...{ tags: '1', dockerfile: join(context, 'Dockerfile'), compression, builder: 'direct' },
  };
  const variables = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
  const env = { ...Object.fromEntries(variables), AGENT_TEMPDIRECTORY: mkdtempSync(join(folder, 'temp-')) };
  await run({ file: process.execPath, args: [task], env });
}

async function pushByDocker(host: string): Promise<void> {
  const image = `${host}/api/docker:1`;
  const env = { DOCKER_CONFIG: join(folder, 'docker') };
  await run({ file: 'docker', args: ['build', '--quiet', '--tag', image, context], env });
  await run({ file: 'docker', args: ['push', '--quiet', image], env });
  await run({ file: 'docker', args: ['image', 'rm', '--force', image], env });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Milliseconds until a node that has nothing gets an answer. */
async function firstAnswer(image: string): Promise<number> {
  const place = mkdtempSync(join(folder, 'node-'));
  const store = [
    '--root',
    join(place, 'root'),
    '--runroot',
    join(place, 'run'),
    '--storage-driver',
    'overlay',
    '--cgroup-manager',
    'cgroupfs',
  ];
  const port = await freePort();
  const login = ['--creds', `${USERNAME}:${PASSWORD}`, '--tls-verify=false'];
  const start = performance.now();
  await run({ file: 'podman', args: [...store, 'pull', '--quiet', ...login, image] });
  const options = [
    '--rm',
    '--network',
    'host',
    '--ulimit',
    'nofile=1024:1024',
    '--ulimit',
    'nproc=1024:1024',
    '--env',
    `PORT=${port}`,
    '--name',
    'api',
  ];
  const child = spawn('podman', [...store, 'run', ...options, image], { stdio: 'ignore' });
  try {
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      if (answer) return performance.now() - start;
      if (child.exitCode !== null) throw new Error(`podman ended with ${child.exitCode}`);
      if (performance.now() - start > LONGEST) throw new Error('there was no answer');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } finally {
    execFileSync('podman', [...store, 'rm', '--force', '--time', '0', 'api'], { stdio: 'ignore' });
    if (child.exitCode === null) await once(child, 'exit');
    execFileSync('podman', [...store, 'rmi', '--all', '--force'], { stdio: 'ignore' });
    rmSync(place, { recursive: true, force: true });
  }
}

const [registry, host] = await startDockerRegistry(join(folder, 'registry'));
try {
  writeContext();
  writeDockerLogin(join(folder, 'docker'), host);
  await pushByStep(host, 'none');
  await pushByStep(host, 'gzip');
  await pushByDocker(host);
  const rows: string[][] = [];
  for (const line of [undefined, ...LINES]) {
    const far = line && (await startLine(host, line));
    const times = { none: [] as number[], gzip: [] as number[], docker: [] as number[] };
    for (let turn = 0; turn < runs; turn++) {
      for (const [how, list] of Object.entries(times)) {
        list.push(await firstAnswer(`${far?.host ?? host}/api/${how}:1`));
      }
    }
    far?.stop();
    rows.push([
      line ? `${line.megabytesPerSecond} MB/s, ${line.roundTrip} ms` : 'loopback',
      ...Object.values(times).map((list) => {
        const [least, middle, most] = [Math.min(...list), median(list), Math.max(...list)];
        return `${(middle / 1000).toFixed(2)} (${(least / 1000).toFixed(2)}–${(most / 1000).toFixed(2)})`;
      }),
    ]);
  }
  printTable(
    `${megabytes} MB of float64 data: from the begin of the pull to the first answer, in seconds; ${runs} runs`,
    ['line', 'none', 'gzip', "docker's own"],
    rows,
  );
} finally {
  registry.kill();
  await once(registry, 'exit');
  rmSync(folder, { recursive: true, force: true });
}
