import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BaseImageOptions, ensureBaseImage, makeRuntimeImage } from '../../../local/engine/base-image';
import { RegistryClient } from '../../../local/engine/registry-client';
import { type Registry, startRegistry } from '../../../local/registry/registry';
import { skip } from '../../support/skip';

const REFERENCE = 'python:3.11-slim';

/** Has the images in `has`, can pull those in `pulls`, and writes down what it is asked. */
const DOCKER = `#!/usr/bin/env node
const { appendFileSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const args = process.argv.slice(2);
const { has, pulls } = JSON.parse(readFileSync(join(__dirname, 'engine.json'), 'utf8'));
const image = args.at(-1);
if (args[0] === 'context') console.log('unix:///var/run/docker.sock');
else if (args[0] === 'image') process.exit(has.includes(image) ? 0 : 1);
else {
  const config = process.env.DOCKER_CONFIG;
  const login = image.startsWith('127.') ? readFileSync(join(config, 'config.json'), 'utf8') : '{}';
  appendFileSync(join(__dirname, 'pulls.txt'), JSON.stringify({ image, args, config, login }) + '\\n');
  if (pulls.some((start) => image.startsWith(start))) console.log(image);
  else { console.error('Using default tag\\nno such host'); process.exit(1); }
}
`;

/** Stands for local/engine/base_layer.py: the key is the content of a file, the layer names it. */
const PYTHON = `#!/bin/sh
here=$(dirname "$0")
key=$(cat "$here/key.txt")
[ "$key" = broken ] && { echo "no package called Flask"; exit 1; }
if [ "$2" = key ]; then echo "{\\"key\\": \\"$key\\", \\"python\\": \\"3.99.1\\"}"; else echo "layer of $key" > "$4"; fi
`;

describe('the base image', () => {
  let folder: string;
  let registry: Registry;
  let options: BaseImageOptions;
  let lines: string[];

  before(function () {
    if (process.platform !== 'linux') skip(this, 'base images are made on Linux only');
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'base-image-'));
    registry = await startRegistry({
      folder: join(folder, 'registry'),
      username: 'local',
      password: 'secret',
    });
    lines = [];
    for (const [name, script] of Object.entries({ docker: DOCKER, python: PYTHON })) {
      await writeFile(join(folder, name), script);
      await chmod(join(folder, name), 0o755);
    }
    await engine({});
    await writeFile(join(folder, 'key.txt'), 'aaa');
    options = {
      docker: join(folder, 'docker'),
      reference: REFERENCE,
      python: join(folder, 'python'),
      registry,
      cacheFolder: join(folder, 'cache'),
      log: (line) => lines.push(line),
    };
  });

  afterEach(async () => {
    await registry.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** What the fake engine has, and the beginnings of what it can pull: by default, what is in the registry. */
  const engine = ({ has = [] as string[], pulls = [registry.loginServer] }) =>
    writeFile(join(folder, 'engine.json'), JSON.stringify({ has, pulls }));
  const pulls = async () => {
    const text = await readFile(join(folder, 'pulls.txt'), 'utf8').catch(() => '');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { image: string; args: string[]; config: string; login: string });
  };
  const pulled = async () => (await pulls()).map(({ image }) => image);

  it('is the one that the Dockerfile names, when the engine has it', async () => {
    await engine({ has: [REFERENCE] });
    assert.deepEqual(await ensureBaseImage(options), { image: REFERENCE, origin: 'engine' });
    assert.deepEqual(await pulled(), []);
  });

  it('is the one that the Dockerfile names, when the engine can pull it', async () => {
    await engine({ pulls: [REFERENCE] });
    assert.deepEqual(await ensureBaseImage(options), { image: REFERENCE, origin: 'pulled' });
    assert.equal(existsSync(options.cacheFolder), false);
  });

  it('is made here without asking an engine for anything, for the API to run on', async () => {
    const image = await makeRuntimeImage(options);
    assert.deepEqual(await pulled(), []);
    const [, repository, tag] = /^127\.0\.0\.1:\d+\/(.*):(.*)$/.exec(image)!;
    assert.ok(await new RegistryClient(registry, repository!).hasTag(tag!));
    assert.equal(await makeRuntimeImage(options), image);
    assert.match(lines.join('\n'), /Using the image made here before, of Python 3\.99\.1/);
  });

  it('is made here and stored in the registry, when the engine cannot pull it', async () => {
    const { image, origin } = await ensureBaseImage(options);
    assert.equal(origin, 'made here');
    assert.deepEqual(await pulled(), [REFERENCE, image]);

    const [, repository, tag] = /^127\.0\.0\.1:\d+\/(.*):(.*)$/.exec(image)!;
    assert.ok(await new RegistryClient(registry, repository!).hasTag(tag!));
    const log = lines.join('\n');
    assert.match(log, /python:3\.11-slim cannot be pulled: docker says no such host/);
    assert.match(log, /Making a small base image, of this machine's Python 3\.99\.1/);
  });

  it('is pulled from the registry with its password, which is in no argument and soon gone', async () => {
    await ensureBaseImage(options);
    const { args, config, login } = (await pulls()).at(-1)!;
    const auth = Buffer.from('local:secret').toString('base64');
    assert.deepEqual(JSON.parse(login), { auths: { [registry.loginServer]: { auth } } });
    assert.doesNotMatch(args.join(' '), new RegExp(`secret|${auth}`));
    assert.equal(existsSync(config), false);
  });

  it('is made once and then kept, with no further try to pull the other', async () => {
    const first = await ensureBaseImage(options);
    await rm(join(folder, 'pulls.txt'));
    const sent = registry.requests.length;
    assert.deepEqual(await ensureBaseImage(options), first);
    assert.deepEqual(await pulled(), [first.image]);
    assert.ok(registry.requests.slice(sent).every(({ method }) => method === 'HEAD'));
  });

  it('goes into a new registry without being made again', async () => {
    await ensureBaseImage(options);
    const other = await startRegistry({
      folder: join(folder, 'other'),
      username: 'local',
      password: 'secret',
    });
    try {
      await engine({ pulls: [other.loginServer] });
      lines.length = 0;
      const { image } = await ensureBaseImage({ ...options, registry: other });
      assert.ok(image.startsWith(other.loginServer));
      assert.doesNotMatch(lines.join('\n'), /Making/);
    } finally {
      await other.stop();
    }
  });

  it('is made anew when Python or its packages are others, and leaves the one that another checkout uses', async () => {
    const first = await ensureBaseImage(options);
    await writeFile(join(folder, 'key.txt'), 'bbb');
    const second = await ensureBaseImage(options);
    assert.notEqual(second.image, first.image);
    assert.deepEqual(await readdir(options.cacheFolder), ['base-aaa.tar', 'base-bbb.tar']);
    await writeFile(join(folder, 'key.txt'), 'aaa');
    lines.length = 0;
    assert.deepEqual(await ensureBaseImage(options), first);
    assert.doesNotMatch(lines.join('\n'), /Making/);
  });

  it('takes the place of those that nobody has used for weeks', async () => {
    const weeksAgo = new Date(Date.now() - 15 * 24 * 3_600_000);
    await mkdir(options.cacheFolder);
    for (const name of ['base-old.tar', 'base-other.tar'])
      await writeFile(join(options.cacheFolder, name), '');
    await utimes(join(options.cacheFolder, 'base-old.tar'), weeksAgo, weeksAgo);
    await ensureBaseImage(options);
    assert.deepEqual(await readdir(options.cacheFolder), ['base-aaa.tar', 'base-other.tar']);
  });

  it('is missing with a clear message, when it can neither be pulled nor made', async () => {
    await writeFile(join(folder, 'key.txt'), 'broken');
    await assert.rejects(ensureBaseImage(options), (error: Error) => {
      assert.match(error.message, /cannot pull python:3\.11-slim \(docker says no such host\)/);
      assert.match(error.message, /no base image can be made instead: .* says no package called Flask/);
      assert.match(error.message, /docker load/);
      return true;
    });
  });

  it('is missing with a clear message, when the engine cannot reach the registry', async () => {
    await engine({ pulls: [] });
    await assert.rejects(
      ensureBaseImage(options),
      /cannot pull 127\.0\.0\.1:\S+ from the local registry: docker says no such host/,
    );
  });

  it('is not waited for any longer, once the demo is cancelled', async () => {
    const reason = new Error('cancelled');
    await assert.rejects(ensureBaseImage({ ...options, signal: AbortSignal.abort(reason) }), reason);
  });
});
