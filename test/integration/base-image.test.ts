import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BaseImage, ensureBaseImage } from '../../local/engine/base-image';
import { dockerLogin } from '../../local/engine/docker-login';
import { findEngine, startApi } from '../../local/engine/engine';
import { run } from '../../local/processes';
import { preparePython } from '../../local/python';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { skip } from '../support/skip';

const root = join(import.meta.dirname, '../..');

/** A name that no engine can pull, at once: nothing listens on that port. */
const NOWHERE = '127.0.0.1:1/python:3.11-slim';

const TRAINING = `
import json, pickle, sys
from pathlib import Path
from sklearn.linear_model import LogisticRegression

folder = Path(sys.argv[1])
model = LogisticRegression().fit([[0], [1]], [0, 1])
for name, value in {"model": model, "lookup": {"signal": {"off": 0, "on": 1}}, "flags": ["day", "night"]}.items():
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(value, protocol=4))
(folder / "metadata.json").write_text(json.dumps({"model": "lamp", "version": "1.0.0"}))
`;

describe("a base image made of this machine's Python", function () {
  this.timeout(180_000);
  const never = new AbortController().signal;
  let folder: string;
  let registry: Registry;
  let python: string;
  let base: BaseImage;
  let image: string;

  before(async function () {
    this.timeout(600_000);
    if (process.platform !== 'linux') skip(this, 'base images are made on Linux only');
    const engine = await findEngine();
    if ('missing' in engine) skip(this, engine.missing);
    const requirements = [join(root, 'local/requirements.txt'), join(root, 'model-api/requirements.txt')];
    ({ python } = await preparePython({ folder: join(root, '.local/python'), requirements, log: () => {} }));
    folder = await mkdtemp(join(tmpdir(), 'base-image-'));
    registry = await startRegistry({
      folder: join(folder, 'registry'),
      username: 'local',
      password: 'secret',
    });
    base = await ensureBaseImage({
      reference: NOWHERE,
      python,
      registry,
      cacheFolder: join(root, '.local/cache'),
      log: () => {},
    });
    image = `${registry.loginServer}/lamp-model-api:1.0.0`;
    await build();
  });

  after(async () => {
    for (const name of [image, base?.image].filter(Boolean))
      await run('docker', ['image', 'rm', '--force', name!]);
    await registry?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  /** Builds the API's image as it is in the repository, with a model made for the purpose, without a network. */
  async function build() {
    const context = join(folder, 'model-api');
    await cp(join(root, 'model-api'), context, { recursive: true });
    const script = join(folder, 'train.py');
    await writeFile(script, TRAINING);
    assert.equal((await run(python, [script, join(context, 'pickles')])).exitCode, 0);
    const built = await run('docker', [
      'build',
      '--network=none',
      `--build-arg=BASE_IMAGE=${base.image}`,
      '--build-arg=VERSION=1.0.0',
      `--tag=${image}`,
      context,
    ]);
    assert.equal(built.exitCode, 0, built.output);
  }

  it('carries the API: its image is built without a network, and predicts', async () => {
    const api = await startApi(image, never);
    try {
      const answer = await fetch(`${api.url}/api/predict`, { method: 'POST', body: '{"signal": "on"}' });
      assert.equal(((await answer.json()) as { prediction: string }).prediction, 'night');
    } finally {
      await api.stop();
    }
  });

  it('is not sent again with the image that is built on it', async () => {
    const env = await dockerLogin({ folder, registry });
    const pushed = await run('docker', ['push', image], { env });
    assert.equal(pushed.exitCode, 0, pushed.output);
    assert.match(pushed.output, /Mounted from base\/python/);
  });
});
