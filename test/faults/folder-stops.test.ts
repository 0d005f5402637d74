import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PackedTask, writeKiller } from '../support/packed-task';
import { portion, RUNS_ALL, randomFrom, SEED } from '../support/seeded';
import { type Files, MODEL_REGISTRIES, type ModelRegistry } from './model-registries';

/*
 * What becomes of a destination when steps are killed, run again and run at once, at every moment at which they change
 * something on the disk, and in any order. Whatever happens, the folder holds one whole model or is not there, others'
 * files stay, and the next step that is left alone puts everything right and leaves nothing beside it.
 */

const VERSIONS: Readonly<Record<string, Files>> = {
  '1': { 'model.pkl': 'one', 'data/a.csv': 'a1', 'same.txt': 'same', 'metadata.json': '{}' },
  '2': { 'model.pkl': 'two', 'data/b.csv': 'b2', 'same.txt': 'same', 'metadata.json': '{"rows":2}' },
  '3': { 'model.pkl': 'three', data: 'a file by now', 'same.txt': 'same', 'metadata.json': '{"rows":3}' },
};

for (const [kind, startRegistry] of Object.entries(MODEL_REGISTRIES))
  describe(`a destination whose steps are stopped, with a model from ${kind}`, function () {
    this.timeout(600_000);
    let registry: ModelRegistry;
    let task: PackedTask;
    let room: string;
    let sources: string;
    let killer: string;

    before(async () => {
      console.log(`SEED=${SEED}${RUNS_ALL ? ', all of it' : ''}`);
      task = PackedTask.unpack('ModelRegistryDownload');
      registry = await startRegistry(Object.values(VERSIONS));
    });

    after(async () => {
      await registry.stop();
      task.remove();
    });

    beforeEach(() => {
      room = mkdtempSync(join(tmpdir(), 'stops-'));
      killer = writeKiller(room);
      sources = join(room, 'agent/_work/1/s');
      mkdirSync(sources, { recursive: true });
    });

    afterEach(() => rmSync(room, { recursive: true }));

    /** @param agent one that remembers its own steps */
    function start(version: string, env: Record<string, string> = {}, agent = 'agent') {
      const inputs = {
        ...registry.inputs(version),
        destinationFolder: join(sources, 'model-api/pickles'),
      };
      return task.start(join(room, agent), inputs, { preload: killer, env });
    }

    async function run(version: string, env?: Record<string, string>, agent?: string) {
      return start(version, env, agent).ended;
    }

    function put(files: Readonly<Record<string, string>>): void {
      for (const [path, content] of Object.entries(files)) {
        const file = join(sources, 'model-api/pickles', path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, content);
      }
    }

    function read(folder = join(sources, 'model-api/pickles')): Record<string, string> | undefined {
      if (!existsSync(folder)) return undefined;
      const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
      return Object.fromEntries(
        entries
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
          .map((file) => [file.slice(folder.length + 1), readFileSync(file, 'utf8')]),
      );
    }

    /** Checks that the folder holds one version whole, and others' files; returns which. */
    function check(foreign: Readonly<Record<string, string>>, context: string): string | undefined {
      const found = read();
      if (!found) return undefined;
      const { 'model-manifest.json': manifest, ...files } = found;
      if (manifest === undefined) {
        assert.deepEqual(files, foreign, context);
        return undefined;
      }
      const { version } = JSON.parse(manifest);
      assert.deepEqual(files, { ...VERSIONS[version], ...foreign }, context);
      return version;
    }

    /** That nothing is left beside the destination, and nothing at the agent but what it remembers. */
    function checkClean(context: string): void {
      assert.deepEqual(readdirSync(join(sources, 'model-api')), ['pickles'], context);
      const memory = join(
        room,
        'agent/_work',
        readdirSync(join(room, 'agent/_work')).find((name) => name.startsWith('_model'))!,
      );
      const left = readdirSync(memory, { recursive: true }).filter((name) =>
        /\.(journal|receipt)$/.test(String(name)),
      );
      assert.deepEqual(left, [], context);
    }

    it('has a whole model or none, and is put right by the next step, wherever a step was killed', async () => {
      const foreign = { '.gitignore': '*', 'notes/todo.txt': 'by hand' };
      const prepare = async () => {
        rmSync(join(room, 'agent'), { recursive: true, force: true });
        await run('1');
        put(foreign);
        chmodSync(join(sources, 'model-api/pickles/notes'), 0o700);
      };
      await prepare();
      const log = join(room, 'calls');
      assert.equal((await run('2', { KILL_LOG: log })).result, 'Succeeded');
      const calls = readFileSync(log, 'utf8').trim().split('\n');
      assert.ok(calls.length > 20, calls.join('\n'));

      const places = portion(
        calls.map((call, index) => ({ call, at: index + 1 })),
        5,
      );
      for (const { call, at } of places) {
        const context = `killed at ${at} of ${calls.length}: ${call}`;
        await prepare();
        const killed = await run('2', { KILL_AT: String(at) });
        assert.equal(killed.result, undefined, context);
        check(foreign, context);
        const next = await run('2');
        assert.equal(next.result, 'Succeeded', `${context}\n${next.output}`);
        assert.equal(check(foreign, context), '2', context);
        checkClean(context);
      }
      console.log(`Killed at ${places.length} of ${calls.length} calls that change something.`);
    });

    const histories = RUNS_ALL ? 150 : 2;
    it(`has a whole model or none through any history of steps, kills and concurrent steps (${histories})`, async () => {
      for (let history = 0; history < histories; history++) {
        const seed = SEED + history;
        const random = randomFrom(seed);
        rmSync(join(room, 'agent'), { recursive: true, force: true });
        const foreign: Record<string, string> = {};
        const told: string[] = [`SEED=${seed}`];
        let version: string | undefined;
        for (let event = 0; event < 5; event++) {
          const wanted = Object.keys(VERSIONS)[random(3)]!;
          // Version 3 has a file where others have a folder: a foreign file in there would be in its way.
          const kind = ['run', 'kill', 'kill', 'two', 'foreign'][random(5)]!;
          told.push(`${kind} ${wanted}`);
          const context = told.join(', ');
          if (kind === 'run') {
            const ending = await run(wanted);
            assert.equal(ending.result, 'Succeeded', `${context}\n${ending.output}`);
            assert.equal(check(foreign, context), wanted, context);
            checkClean(context);
          } else if (kind === 'kill') {
            await run(wanted, { KILL_AT: String(1 + random(45)) });
          } else if (kind === 'two') {
            const other = Object.keys(VERSIONS)[random(3)]!;
            const endings = await Promise.all([run(wanted), run(other)]);
            for (const ending of endings) {
              if (ending.result !== 'Succeeded')
                assert.match(ending.error, /Another step is downloading/, `${context}\n${ending.output}`);
            }
            assert.ok(
              endings.some(({ result }) => result === 'Succeeded'),
              [context, ...endings.map(({ output }) => output)].join('\n'),
            );
          } else if (version !== undefined || existsSync(join(sources, 'model-api/pickles'))) {
            const name = `foreign-${event}.txt`;
            foreign[name] = context;
            put({ [name]: context });
          }
          version = check(foreign, context);
        }
        const ending = await run('1');
        assert.equal(ending.result, 'Succeeded', `${told.join(', ')}\n${ending.output}`);
        assert.equal(check(foreign, told.join(', ')), '1');
        checkClean(told.join(', '));
      }
    });

    it('is not taken from a step that is stopped and goes on, on the same machine', async () => {
      await run('1');
      let reached = () => {};
      const atBytes = new Promise<void>((resolve) => {
        reached = resolve;
      });
      registry.stallReads('2', reached);
      const stopped = start('2');
      await atBytes;
      stopped.kill('SIGSTOP');
      registry.stallReads(undefined);
      const other = await run('3');
      assert.equal(other.result, 'Failed', other.output);
      assert.match(other.error, /Another step is downloading/);
      stopped.kill('SIGCONT');
      assert.equal((await stopped.ended).result, 'Succeeded');
      assert.equal(check({}, 'after all'), '2');
      checkClean('after all');
    });
  });
