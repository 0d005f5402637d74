import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startWorkspace, type Workspace } from '../../local/databricks/workspace';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { type Ending, PackedTask } from '../support/packed-task';
import { portion, RUNS_ALL, SEED } from '../support/seeded';
import { MODEL_REGISTRIES, type ModelRegistry } from './model-registries';

/*
 * What whoever can commit may plant: links, files and folders, at every path of a checkout that a task touches, and links
 * that appear while it runs. Nothing that a link leads to is changed, and nothing of it leaves the agent.
 */

/** What must not be read out, and not be changed. */
const CANARY = 'PRIVATE-KEY-CANARY-4711';

/** Ways to plant something at a path. `away` is a folder outside the checkout that holds a file `key`. */
const PLANTS: Readonly<Record<string, (path: string, away: string) => void>> = {
  'a link to a folder': (path, away) => symlinkSync(away, path),
  'a link to a file': (path, away) => symlinkSync(join(away, 'key'), path),
  'a relative link': (path, away) =>
    symlinkSync(`${'../'.repeat(path.split('/').length)}${away.slice(1)}`, path),
  'a link to nothing': (path, away) => symlinkSync(join(away, 'nothing'), path),
  'a folder with a link in it': (path, away) => {
    mkdirSync(path);
    for (const name of ['model', 'old', 'data', 'lock', 'journal']) symlinkSync(away, join(path, name));
    symlinkSync(join(away, 'key'), join(path, 'model.pkl'));
  },
  'a file': (path) => writeFileSync(path, 'committed'),
};

/** Everything under a folder, with what it is. */
function stateOf(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { mode, mtimeMs, size } = lstatSync(path);
      return [path, `${mode} ${entry.isDirectory() ? '' : `${mtimeMs} ${size}`}`];
    }),
  );
}

describe('what a commit can plant', function () {
  this.timeout(600_000);
  let room: string;
  let sources: string;
  let away: string;

  before(() => console.log(`SEED=${SEED}${RUNS_ALL ? ', all of it' : ''}`));

  beforeEach(() => {
    room = mkdtempSync(join(tmpdir(), 'planted-'));
  });

  afterEach(() => rmSync(room, { recursive: true, force: true }));

  /** A checkout as a commit left it, and what lies outside it. */
  function prepare(plant: (sources: string, away: string) => void): Record<string, string> {
    rmSync(join(room, 'agent'), { recursive: true, force: true });
    rmSync(join(room, 'home'), { recursive: true, force: true });
    sources = join(room, 'agent/_work/1/s');
    away = join(room, 'home/.ssh');
    mkdirSync(join(away, 'sub'), { recursive: true });
    for (const file of ['key', 'model.pkl', 'metadata.json', 'sub/key'])
      writeFileSync(join(away, file), CANARY);
    mkdirSync(sources, { recursive: true });
    plant(sources, away);
    return stateOf(join(room, 'home'));
  }

  /** Plants one thing at one path, whose folders are made. */
  const at = (path: string, kind: string) => (root: string, outside: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    PLANTS[kind]!(join(root, path), outside);
  };

  for (const [kind, startRegistry] of Object.entries(MODEL_REGISTRIES))
    describe(`for ModelRegistryDownload from ${kind}`, () => {
      let registry: ModelRegistry;
      let task: PackedTask;
      const MODEL = { 'model.pkl': 'the model', 'data/a.csv': 'data' };

      before(async () => {
        task = PackedTask.unpack('ModelRegistryDownload');
        registry = await startRegistry([MODEL]);
      });

      after(async () => {
        await registry.stop();
        task.remove();
      });

      const run = (): Promise<Ending> =>
        task.start(join(room, 'agent'), {
          ...registry.inputs('1'),
          destinationFolder: join(sources, 'model-api/pickles'),
        }).ended;

      /** That the model is where it was asked for, byte by byte, in folders and files that are none but its own. */
      function checkModel(context: string): void {
        for (const [path, content] of Object.entries(MODEL)) {
          const place = join(sources, 'model-api/pickles', path);
          assert.ok(lstatSync(place).isFile(), context);
          assert.equal(readFileSync(place, 'utf8'), content, context);
          for (let above = dirname(place); above !== sources; above = dirname(above)) {
            assert.ok(lstatSync(above).isDirectory(), `${above}: ${context}`);
          }
        }
      }

      const paths = [
        'model-api',
        'model-api/pickles',
        'model-api/pickles/model.pkl',
        'model-api/pickles/data',
        'model-api/pickles/data/a.csv',
        'model-api/pickles/model-manifest.json',
        'model-api/pickles/other',
        'model-api/.pickles.lock',
        'model-api/.pickles.partial',
        'model-api/.pickles.partial/model',
        'model-api/.pickles.partial/old',
        'model-api/.pickles.partial/journal',
        'model-api/.pickles.partial/lock',
        'model-api/.pickles.00000000-0000-4000-8000-000000000000.partial',
        'model-api/.pickles.00000000-0000-4000-8000-000000000000.partial/model',
      ];
      const cells = paths.flatMap((path) => Object.keys(PLANTS).map((plant) => ({ path, plant })));

      it('follows no link and believes no file, wherever it is planted', async () => {
        const chosen = portion(cells, 8);
        for (const { path, plant } of chosen) {
          const before = prepare(at(path, plant));
          const ending = await run();
          const context = `${plant} at ${path}: ${ending.output}`;
          assert.deepEqual(stateOf(join(room, 'home')), before, context);
          assert.ok(!ending.output.includes(CANARY), context);
          if (ending.result === 'Succeeded') checkModel(context);
          else {
            assert.equal(ending.result, 'Failed', context);
            const names = path.split('/');
            assert.ok(
              names.some((name) => ending.error.includes(name)),
              context,
            );
            assert.doesNotMatch(ending.error, /does not know/, context);
          }
        }
        console.log(`${chosen.length} of ${cells.length} plants for ModelRegistryDownload from ${kind}.`);
      });

      it('takes nothing for the registry’s by a manifest that was committed with it', async () => {
        prepare(() => undefined);
        assert.equal((await run()).result, 'Succeeded');
        const committed = join(room, 'committed');
        cpSync(join(sources, 'model-api'), committed, { recursive: true, preserveTimestamps: true });
        for (const agent of ['another agent', 'the same agent']) {
          if (agent === 'another agent') prepare(() => undefined);
          rmSync(join(sources, 'model-api'), { recursive: true, force: true });
          cpSync(committed, join(sources, 'model-api'), { recursive: true, preserveTimestamps: true });
          writeFileSync(join(sources, 'model-api/pickles/model.pkl'), 'not model');
          const ending = await run();
          assert.equal(ending.result, 'Succeeded', `${agent}: ${ending.output}`);
          checkModel(agent);
        }
      });

      it('follows no link that appears while it runs', async () => {
        let wentOn = 0;
        for (let round = 0; round < (RUNS_ALL ? 30 : 2); round++) {
          const before = prepare((root) =>
            mkdirSync(join(root, 'model-api/pickles/data'), { recursive: true }),
          );
          let planted = 0;
          // Whatever turns up in the checkout is replaced by a link at once.
          const watcher = watch(sources, { recursive: true }, (_, name) => {
            if (!name || planted >= 1 + (round % 5)) return;
            const path = join(sources, name);
            try {
              // Behind a link that was planted is what must not change.
              if (realpathSync(dirname(path)) !== dirname(path)) return;
              if (!lstatSync(path).isDirectory() || path.endsWith('model-api')) return;
              renameSync(path, join(room, `aside-${round}-${planted}`));
              symlinkSync(away, path);
              planted += 1;
            } catch {
              // It is gone already.
            }
          });
          const ending = await run();
          watcher.close();
          const context = `round ${round}, ${planted} links: ${ending.output}`;
          assert.deepEqual(stateOf(join(room, 'home')), before, context);
          if (ending.result === 'Succeeded') wentOn += 1;
        }
        console.log(`Links appeared under ${RUNS_ALL ? 30 : 2} steps, of which ${wentOn} went on.`);
      });
    });

  describe('for AcrBuildPush', () => {
    let task: PackedTask;

    before(() => {
      task = PackedTask.unpack('AcrBuildPush');
    });
    after(() => task.remove());

    const FILES: Readonly<Record<string, string>> = {
      'api/Dockerfile': 'FROM scratch\nCOPY . /app\n',
      'api/.dockerignore': '*.log\n',
      'api/Dockerfile.dockerignore': '*.log\n',
      'api/app.py': 'print()',
      'api/pickles/model.pkl': 'the model',
      'api/pickles/model-manifest.json': '{"name":"titanic","version":"1.0.0","digest":"sha256:0"}',
      'api/pickles/metadata.json': '{"runId":"7"}',
    };
    const paths = [...Object.keys(FILES), 'api', 'api/pickles'];
    const cells = paths.flatMap((path) =>
      Object.keys(PLANTS)
        .filter((kind) => kind !== 'a file')
        .map((kind) => ({ path, kind })),
    );

    it('puts nothing into an image or a log that a link leads to', async () => {
      const chosen = portion(cells, 8);
      for (const { path, kind } of chosen) {
        const before = prepare((root, outside) => {
          for (const [file, content] of Object.entries(FILES)) {
            mkdirSync(dirname(join(root, file)), { recursive: true });
            writeFileSync(join(root, file), content);
          }
          rmSync(join(root, path), { recursive: true });
          at(path, kind)(root, outside);
        });
        const store = join(room, 'registry');
        rmSync(store, { recursive: true, force: true });
        const registry: Registry = await startRegistry({
          folder: store,
          username: 'acr',
          password: 'pa55-word',
        });
        try {
          const ending = await task.start(join(room, 'agent'), {
            acrUsername: 'acr',
            acrPassword: 'pa55-word',
            loginServer: registry.loginServer,
            repository: 'api',
            tags: '1',
            dockerfile: join(sources, 'api/Dockerfile'),
            modelManifest: join(sources, 'api/pickles/model-manifest.json'),
            builder: 'direct',
            compression: 'none',
          }).ended;
          const context = `${kind} at ${path}: ${ending.output}`;
          assert.deepEqual(stateOf(join(room, 'home')), before, context);
          assert.ok(!ending.output.includes(CANARY), context);
          assert.ok(ending.result === 'Succeeded' || ending.result === 'Failed', context);
          assert.doesNotMatch(ending.error, /does not know/, context);
          const kept = readdirSync(store, { recursive: true, withFileTypes: true }).filter((one) =>
            one.isFile(),
          );
          for (const file of kept) {
            assert.ok(!readFileSync(join(file.parentPath, file.name)).includes(CANARY), context);
          }
        } finally {
          await registry.stop();
        }
      }
      console.log(`${chosen.length} of ${cells.length} plants for AcrBuildPush.`);
    });
  });

  describe('for DatabricksRunJob', () => {
    let task: PackedTask;

    before(() => {
      task = PackedTask.unpack('DatabricksRunJob');
    });
    after(() => task.remove());

    const FILES: Readonly<Record<string, string>> = {
      'jobs/train.py': '# Databricks notebook source\n',
      'jobs/job.json': '{"tasks":[{"task_key":"t","notebook_task":{"notebook_path":"/live/train"}}]}',
    };
    const cells = [...Object.keys(FILES), 'jobs'].flatMap((path) =>
      Object.keys(PLANTS)
        .filter((kind) => kind !== 'a file')
        .map((kind) => ({ path, kind })),
    );

    it('sends nothing to the workspace that a link leads to', async () => {
      const chosen = portion(cells, 5);
      for (const { path, kind } of chosen) {
        const before = prepare((root, outside) => {
          for (const file of ['train.py', 'job.json']) writeFileSync(join(outside, file), CANARY);
          mkdirSync(join(root, 'jobs'));
          for (const [file, content] of Object.entries(FILES)) writeFileSync(join(root, file), content);
          rmSync(join(root, path), { recursive: true });
          at(path, kind)(root, outside);
        });
        const state = join(room, 'workspace');
        mkdirSync(state, { recursive: true });
        const workspace: Workspace = await startWorkspace({
          folder: state,
          timing: { pending: 1, terminating: 1 },
        });
        let sent = 0;
        workspace.intercept(() => {
          sent += 1;
          return undefined;
        });
        try {
          const ending = await task.start(join(room, 'agent'), {
            databricksHost: workspace.url,
            databricksToken: workspace.token,
            notebookFile: join(sources, 'jobs/train.py'),
            notebookPath: '/live/train',
            job: 'train',
            jobDefinition: join(sources, 'jobs/job.json'),
          }).ended;
          const context = `${kind} at ${path}: ${ending.output}`;
          assert.equal(ending.result, 'Failed', context);
          assert.match(ending.error, /'(notebookFile|jobDefinition)'/, context);
          assert.equal(sent, 0, context);
          assert.ok(!ending.output.includes(CANARY), context);
          assert.deepEqual(stateOf(join(room, 'home')), before, context);
        } finally {
          await workspace.stop();
        }
      }
      console.log(`${chosen.length} of ${cells.length} plants for DatabricksRunJob.`);
      assert.ok(existsSync(join(away, 'key')));
    });
  });
});
