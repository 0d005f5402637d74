import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from '../../local/processes';
import { examplePython } from '../support/python';
import { skip } from '../support/skip';

const root = join(import.meta.dirname, '../..');

/** Trains a model with two categories and a number, and stores it as a notebook does. */
const TRAINING = `
import json, pickle, sys
from pathlib import Path
from sklearn.linear_model import LogisticRegression

lookup = {"crime": {"theft": 0, "riot": 1, "fraud": 2}, "night": {"no": 0, "yes": 1}, "damage": None}
rows = [[crime, night, damage] for crime in (0, 1, 2) for night in (0, 1) for damage in (1.5, 200, 90000)]
model = LogisticRegression().fit(rows, [int(night == 1) for _, night, _ in rows])

folder = Path(sys.argv[1])
for name, value in {"model": model, "lookup": lookup, "flags": ["escaped", "captured"]}.items():
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(value, protocol=4))
(folder / "metadata.json").write_text(json.dumps({"model": "gotham", "version": "1.2.0", "metrics": {"f1": 0.5}, "runId": "9007199254740993"}))
`;

describe('the model API', () => {
  let python: string;
  let folder: string;
  let pickles: string;
  let api: RunningApi;

  before(async function () {
    this.timeout(600_000);
    try {
      ({ python } = await examplePython());
    } catch (error) {
      skip(this, (error as Error).message);
    }
    folder = await mkdtemp(join(tmpdir(), 'model-api-'));
    pickles = await modelFolder('pickles');
    const script = join(folder, 'train.py');
    await writeFile(script, TRAINING);
    const trained = await run(python, [script, pickles]);
    assert.equal(trained.exitCode, 0, trained.output);
    api = await startApi(pickles);
  });

  after(async () => {
    await api?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const question = { crime: 'riot', night: 'yes', damage: 200 };
  const ask = (body: unknown) =>
    fetch(`${api.url}/api/predict`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const get = async (path: string) => (await fetch(`${api.url}${path}`)).json();

  it('predicts an outcome, with the probability of each', async () => {
    const answer = await ask(question);
    assert.equal(answer.status, 200);
    const { prediction, probabilities } = (await answer.json()) as Prediction;
    assert.equal(prediction, 'captured');
    assert.deepEqual(Object.keys(probabilities), ['escaped', 'captured']);
    assert.ok(probabilities.captured! > 0.5);
    assert.ok(Math.abs(probabilities.escaped! + probabilities.captured! - 1) < 1e-9);
    const opposite = (await (await ask({ ...question, night: 'no' })).json()) as Prediction;
    assert.equal(opposite.prediction, 'escaped');
  });

  it('takes parameters in any order, and numbers of any size', async () => {
    const { damage, night, crime } = question;
    const expected = await (await ask(question)).json();
    assert.deepEqual(await (await ask({ damage, night, crime })).json(), expected);
    for (const number of [-1, 0, 1.5, 1e15, '1e300'])
      assert.equal((await ask(`{"crime": "riot", "night": "yes", "damage": ${number}}`)).status, 200);
  });

  const crimes = '"theft", "riot" or "fraud"';
  for (const [what, body, problems] of [
    ['an unknown category', { ...question, crime: 'Theft' }, [`"crime" must be ${crimes}, but is "Theft".`]],
    ['a category that is a number', { ...question, night: 1 }, ['"night" must be "no" or "yes", but is 1.']],
    [
      'a category that is a list',
      { ...question, night: ['no'] },
      ['"night" must be "no" or "yes", but is ["no"].'],
    ],
    ['a number in quotes', { ...question, damage: '5' }, ['"damage" must be a number, but is "5".']],
    [
      'a number that is a truth value',
      { ...question, damage: true },
      ['"damage" must be a number, but is true.'],
    ],
    ['no value', { ...question, damage: null }, ['"damage" must be a number, but is null.']],
    [
      'a number beyond all bounds',
      '{"crime": "riot", "night": "yes", "damage": 1e999}',
      ['"damage" must be a number, but is Infinity.'],
    ],
    [
      'a mistyped name',
      { crime: 'riot', night: 'yes', damages: 3 },
      [
        '"damages" is not a parameter of this model. Did you mean "damage"?',
        '"damage" is missing: it must be a number.',
      ],
    ],
    [
      'a name that is like none',
      { ...question, villain: 'Joker' },
      ['"villain" is not a parameter of this model. It has "crime", "night" and "damage".'],
    ],
    [
      'nothing at all',
      {},
      [
        `"crime" is missing: it must be ${crimes}.`,
        '"night" is missing: it must be "no" or "yes".',
        '"damage" is missing: it must be a number.',
      ],
    ],
    ['a list', [question], ['The question must be a JSON object with "crime", "night" and "damage".']],
    ['what is not JSON', 'crime=riot', ['The question must be a JSON object; what was sent is not JSON.']],
    [
      'brackets without end',
      '['.repeat(60_000),
      ['The question must be a JSON object; what was sent is not JSON.'],
    ],
  ] as const) {
    it(`refuses ${what}, and says what it wants instead`, async () => {
      const answer = await ask(body);
      assert.equal(answer.status, 400);
      assert.deepEqual(await answer.json(), { error: problems.join(' '), problems });
    });
  }

  it('shortens in its message what was sent', async () => {
    const answer = (await (await ask({ ...question, crime: 'x'.repeat(5000) })).json()) as { error: string };
    assert.ok(answer.error.length < 200, answer.error);
  });

  it('refuses a question of more than 64 KiB', async () => {
    const answer = await ask(JSON.stringify(question).padEnd(65 * 1024));
    assert.equal(answer.status, 413);
    assert.ok(((await answer.json()) as { error: string }).error);
  });

  it('names the parameters with their values, and the outcomes', async () => {
    assert.deepEqual(await get('/api/predict/params'), {
      parameters: [
        { name: 'crime', type: 'category', values: ['theft', 'riot', 'fraud'] },
        { name: 'night', type: 'category', values: ['no', 'yes'] },
        { name: 'damage', type: 'number' },
      ],
      outcomes: ['escaped', 'captured'],
    });
  });

  it('tells what metadata.json says of the model', async () => {
    assert.deepEqual(await get('/api/info'), {
      model: 'gotham',
      version: '1.2.0',
      metrics: { f1: 0.5 },
      runId: '9007199254740993',
      modelDigest: null,
    });
  });

  it('adds the digest that the download has written down', async () => {
    const downloaded = await modelFolder('downloaded', pickles);
    await writeFile(join(downloaded, 'model-manifest.json'), '{"schemaVersion": 1, "digest": "sha256:abc"}');
    const other = await startApi(downloaded);
    try {
      const info = (await (await fetch(`${other.url}/api/info`)).json()) as { modelDigest: string };
      assert.equal(info.modelDigest, 'sha256:abc');
    } finally {
      await other.stop();
    }
  });

  it('has a page about itself that needs nothing from elsewhere', async () => {
    const answer = await fetch(`${api.url}/api/docs`);
    assert.match(answer.headers.get('content-type')!, /^text\/html/);
    const html = await answer.text();
    assert.match(html, /openapi\.json/);
    assert.doesNotMatch(html, /(src|href)="(https?:)?\/\//);
    const home = await fetch(api.url);
    assert.deepEqual([home.status, home.url], [200, `${api.url}/api/docs`]);
  });

  it('describes in OpenAPI what the model can be asked', async () => {
    const { info, paths } = (await get('/api/openapi.json')) as OpenApi;
    assert.deepEqual([info.title, info.version], ['gotham model API', '1.2.0']);
    const { schema } = paths['/api/predict']!.post!.requestBody.content['application/json'];
    assert.deepEqual(schema.properties.crime, { type: 'string', enum: ['theft', 'riot', 'fraud'] });
    assert.deepEqual(schema.required, ['crime', 'night', 'damage']);
    for (const path of Object.keys(paths))
      assert.notEqual((await fetch(`${api.url}${path}`)).status, 404, path);
  });

  it('passes its own tests', async function () {
    this.timeout(600_000);
    const { exitCode, output } = await run(python, [
      '-m',
      'pytest',
      '-v',
      '-p',
      'no:cacheprovider',
      join(root, 'model-api/tests'),
    ]);
    assert.equal(exitCode, 0, output);
    assert.match(output, /\d+ passed/);
    const files = (await readdir(join(root, 'model-api/tests'))).filter((name) => /^test_.*\.py$/.test(name));
    for (const file of files) assert.ok(output.includes(`${file}::`), file);
  });

  it('says that it is up', async () => {
    assert.deepEqual(await get('/api/health'), { status: 'ok' });
  });

  it('answers an unknown address with 404 and where to look', async () => {
    const answer = await fetch(`${api.url}/api/predictions`);
    assert.equal(answer.status, 404);
    assert.deepEqual(await answer.json(), { error: 'There is nothing at /api/predictions. See /api/docs.' });
  });

  it('answers a wrong method with 405 and the right one', async () => {
    const answer = await fetch(`${api.url}/api/predict`);
    assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'POST']);
    assert.deepEqual(await answer.json(), { error: '/api/predict answers POST, not GET.' });
  });

  it('ends at once and without an error when it is told to stop', async function () {
    if (process.platform === 'win32') skip(this, 'Windows has no SIGTERM');
    const other = await startApi(pickles);
    assert.equal(await other.stop(), 0);
  });

  describe('refuses to start', () => {
    const damages: [what: string, damage: (folder: string) => Promise<void>, message: RegExp][] = [
      ['without metadata.json', (at) => rm(join(at, 'metadata.json')), /metadata\.json is missing/],
      [
        'without model.pkl',
        (at) => rm(join(at, 'model.pkl')),
        /model\.pkl is missing\. A model version consists of/,
      ],
      [
        'on half a pickle',
        async (at) =>
          writeFile(join(at, 'model.pkl'), (await readFile(join(at, 'model.pkl'))).subarray(0, 100)),
        /model\.pkl cannot be loaded: .*requirements\.txt/,
      ],
      [
        'on a pickle that is text',
        (at) => writeFile(join(at, 'flags.pkl'), '["a"]'),
        /flags\.pkl cannot be loaded/,
      ],
      [
        'on a lookup in place of the model',
        (at) => copyFile(join(at, 'lookup.pkl'), join(at, 'model.pkl')),
        /model\.pkl holds a dict, which has no predict_proba/,
      ],
      [
        'on outcomes in place of the lookup',
        (at) => copyFile(join(at, 'flags.pkl'), join(at, 'lookup.pkl')),
        /lookup\.pkl is not a dict/,
      ],
      [
        'on metadata that is not JSON',
        (at) => writeFile(join(at, 'metadata.json'), '{'),
        /metadata\.json is not JSON/,
      ],
      [
        'on metadata without a version',
        (at) => writeFile(join(at, 'metadata.json'), '{}'),
        /does not name its "model"/,
      ],
      [
        'on a lookup of another model',
        async (at) => {
          const code = 'import pickle,sys; pickle.dump({"one": None}, open(sys.argv[1], "wb"))';
          await run(python, ['-c', code, join(at, 'lookup.pkl')]);
        },
        /trained with 3 features, but lookup\.pkl has 1/,
      ],
    ];
    for (const [what, damage, message] of damages) {
      it(`${what}, and says why`, async () => {
        const damaged = await modelFolder('damaged', pickles);
        await damage(damaged);
        const { exitCode, output } = await run(python, serve(damaged));
        assert.notEqual(exitCode, 0);
        assert.match(output, message);
        assert.doesNotMatch(output, /Traceback/);
      });
    }

    it('on a folder that does not exist, and on a port that is taken', async () => {
      const nowhere = await run(python, serve(join(folder, 'nowhere')));
      assert.notEqual(nowhere.exitCode, 0);
      assert.match(nowhere.output, /There is no folder .*nowhere/);

      const { port } = new URL(api.url);
      const taken = await run(python, [...serve(pickles), '--port', port]);
      assert.notEqual(taken.exitCode, 0);
      assert.match(taken.output, new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}`));
    });
  });

  /** A new folder, empty or with the files of a model. */
  async function modelFolder(name: string, like?: string): Promise<string> {
    const made = await mkdtemp(join(folder, `${name}-`));
    if (like) await cp(like, made, { recursive: true });
    return made;
  }

  function serve(from: string): string[] {
    return [join(root, 'model-api/src/serve.py'), '--pickles', from, '--port', '0'];
  }

  async function startApi(from: string): Promise<RunningApi> {
    const child = spawn(python, serve(from), { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of createInterface(child.stdout)) {
      const url = /Serving gotham 1\.2\.0 at (.*)\/api\/docs"/.exec(line)?.[1];
      if (!url) continue;
      // What it logs from now on must not fill the pipe.
      child.stdout.resume();
      return { url, stop: () => stop(child) };
    }
    throw new Error('The API ended before it served anything.');
  }
});

interface Prediction {
  readonly prediction: string;
  readonly probabilities: Record<string, number>;
}

/** The parts of the document that the tests look at. */
interface OpenApi {
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Record<string, { readonly post?: { readonly requestBody: { readonly content: Content } } }>;
}

interface Content {
  readonly 'application/json': {
    readonly schema: { readonly properties: Record<string, object>; readonly required: string[] };
  };
}

interface RunningApi {
  readonly url: string;
  /** Returns the exit code. */
  stop(): Promise<number | null>;
}

async function stop(child: ChildProcess): Promise<number | null> {
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  return (await ended)[0];
}
