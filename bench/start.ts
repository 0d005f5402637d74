/*
 * How long a step's task takes to begin: `npx tsx bench/start.ts [rounds]`, after `npm run package`. From the start of the
 * process to its first own line, beside an empty script of Node, the ways taking turns. A ratio over 1.6 is too much; on a
 * machine that does something else meanwhile, the least of many rounds tells more than the median. The inputs are complete,
 * and name services that are not there: no request is answered before the line.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildFolder, root } from '../scripts/paths';
import { median, printTable } from './measure';

const ROUNDS = Number(process.argv[2] ?? 15);

/** A port that nothing listens at. */
const NOWHERE = '127.0.0.1:9';

const INPUTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  DatabricksRunJob: {
    authType: 'token',
    databricksHost: `http://${NOWHERE}`,
    databricksToken: 'dapi-of-nobody',
    notebookFile: 'notebooks/scikit-titanic.py',
    notebookPath: '/live/scikit-titanic',
    job: 'train',
  },
  ModelRegistryDownload: {
    authType: 'accountKey',
    storageAccount: 'contoso',
    storageKey: Buffer.alloc(64, 1).toString('base64'),
    blobEndpoint: `http://${NOWHERE}/contoso`,
    modelName: 'titanic',
    modelVersion: '1.0.0',
    destinationFolder: 'model-api/pickles',
  },
  AcrBuildPush: {
    authType: 'adminPassword',
    acrName: 'contoso',
    loginServer: NOWHERE,
    acrPassword: 'of nobody',
    repository: 'titanic',
    tags: '1.0.0',
    dockerfile: 'model-api/Dockerfile',
  },
};

const folder = mkdtempSync(join(tmpdir(), 'start-'));
try {
  const empty = join(folder, 'empty.js');
  writeFileSync(empty, '');
  const ways: [name: string, file: string, inputs: Readonly<Record<string, string>>][] = [
    ['an empty script', empty, {}],
    ...Object.entries(INPUTS).map(
      ([task, inputs]) =>
        [task, join(buildFolder, 'tasks', task, 'index.js'), inputs] as (typeof ways)[number],
    ),
  ];
  const times = new Map<string, number[]>(ways.map(([name]) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, file, inputs] of ways) times.get(name)!.push(await untilFirstLine(file, inputs));
  }
  const floor = times.get('an empty script')!;
  printTable(
    `To the first own line, ${ROUNDS} rounds on Node ${process.versions.node}`,
    ['', 'median', 'least', 'median, ratio', 'least, ratio'],
    [...times].map(([name, values]) => [
      name,
      `${Math.round(median(values))} ms`,
      `${Math.round(Math.min(...values))} ms`,
      `${(median(values) / median(floor)).toFixed(2)} ×`,
      `${(Math.min(...values) / Math.min(...floor)).toFixed(2)} ×`,
    ]),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Milliseconds until a program has written something, or has ended. */
async function untilFirstLine(file: string, inputs: Readonly<Record<string, string>>): Promise<number> {
  const env = {
    PATH: process.env.PATH,
    AGENT_TEMPDIRECTORY: folder,
    AGENT_WORKFOLDER: folder,
    BUILD_SOURCESDIRECTORY: root,
    SYSTEM_DEFAULTWORKINGDIRECTORY: root,
    ...Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
    ),
  };
  const start = performance.now();
  const child = spawn(process.execPath, [file], { env, cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  const time = performance.now() - start;
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  return time;
}
