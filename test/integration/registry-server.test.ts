import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { dockerLogin } from '../../local/engine/docker-login';
import { findEngine } from '../../local/engine/engine';
import { type Finished, run } from '../../local/processes';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { skip } from '../support/skip';

const USERNAME = 'demoregistry';
const PASSWORD = 'pass:word';
const BASIC = Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64');

describe('the local registry', () => {
  let folder: string;
  let registry: Registry;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'registry-clients-'));
    registry = await startRegistry({
      folder: join(folder, 'registry'),
      username: USERNAME,
      password: PASSWORD,
    });
  });

  after(async () => {
    await registry.stop();
    await rm(folder, { recursive: true, force: true });
  });

  describe('with skopeo', () => {
    before(async function () {
      const found = await run('skopeo', ['--version']).catch(() => undefined);
      if (found?.exitCode !== 0) skip(this, 'skopeo is not installed');
      await writeImage(join(folder, 'image'), ['first layer', 'second layer']);
    });

    const skopeo = (...args: string[]) => run('skopeo', ['--insecure-policy', ...args]);
    const push = (to: string, credentials = `${USERNAME}:${PASSWORD}`) =>
      skopeo(
        'copy',
        '--dest-tls-verify=false',
        `--dest-creds=${credentials}`,
        `dir:${join(folder, 'image')}`,
        `docker://${registry.loginServer}/${to}`,
      );
    const from = [`--tls-verify=false`, `--creds=${USERNAME}:${PASSWORD}`];

    it('takes an image and gives the same bytes back', async () => {
      succeeded(await push('models/titanic:1.0.0'));
      const source = `docker://${registry.loginServer}/models/titanic:1.0.0`;
      const copied = join(folder, 'copied');
      const creds = `--src-creds=${USERNAME}:${PASSWORD}`;
      succeeded(await skopeo('copy', '--src-tls-verify=false', creds, source, `dir:${copied}`));
      for (const name of await readdir(join(folder, 'image'))) {
        assert.deepEqual(
          await readFile(join(copied, name)),
          await readFile(join(folder, 'image', name)),
          name,
        );
      }
    });

    it('lists its tags', async () => {
      for (const tag of ['1.0.0', '1.1.0', 'latest']) succeeded(await push(`tagged:${tag}`));
      const listed = await skopeo('list-tags', ...from, `docker://${registry.loginServer}/tagged`);
      assert.deepEqual(JSON.parse(listed.output).Tags, ['1.0.0', '1.1.0', 'latest']);
    });

    it('does not send layers again that are there', async () => {
      succeeded(await push('again:1'));
      const before = registry.requests.length;
      succeeded(await push('again:2'));
      const sent = registry.requests.slice(before).filter(({ path }) => path.includes('/blobs/uploads/'));
      assert.deepEqual(sent, []);
    });

    it('tells a wrong password from a right one', async () => {
      const { exitCode, output } = await push('refused:1', `${USERNAME}:wrong`);
      assert.notEqual(exitCode, 0);
      assert.match(output, /authentication required, visit https:\/\/aka\.ms\/acr\/authorization/);
    });

    it('deletes an image', async () => {
      succeeded(await push('deleted:1'));
      const image = `docker://${registry.loginServer}/deleted:1`;
      succeeded(await skopeo('delete', ...from, image));
      assert.match(
        (await skopeo('inspect', ...from, image)).output,
        /manifest tagged by \\?"1\\?" is not found/,
      );
    });
  });

  describe('with Docker', function () {
    this.timeout(60_000);
    const images: string[] = [];
    let env: NodeJS.ProcessEnv;
    let content: Buffer;

    before(async function () {
      const engine = await findEngine();
      if ('missing' in engine) skip(this, engine.missing);
      await mkdir(join(folder, 'docker'));
      await login(PASSWORD);
      content = randomBytes(5_000_000);
      await mkdir(join(folder, 'context'));
      await writeFile(join(folder, 'context/model.pkl'), content);
      await writeFile(join(folder, 'context/Dockerfile'), 'FROM scratch\nCOPY model.pkl /\nCMD ["/none"]\n');
    });

    after(async () => {
      if (images.length > 0) await docker('image', 'rm', '--force', ...images);
    });

    const docker = (...args: string[]) => run('docker', args, { env });
    const login = async (password: string) => {
      env = await dockerLogin({ folder: join(folder, 'docker'), registry: { ...registry, password } });
    };
    const build = async (name: string) => {
      const image = `${registry.loginServer}/${name}`;
      succeeded(await docker('build', '--quiet', '--tag', image, join(folder, 'context')));
      images.push(image);
      return image;
    };

    it('takes an image and gives the same files back', async () => {
      const image = await build('docker/titanic:1.0.0');
      succeeded(await docker('push', image));
      succeeded(await docker('image', 'rm', image));
      succeeded(await docker('pull', image));
      const container = (await docker('create', image)).output.trim();
      try {
        succeeded(await docker('cp', `${container}:/model.pkl`, join(folder, 'model.pkl')));
      } finally {
        await docker('rm', container);
      }
      assert.deepEqual(await readFile(join(folder, 'model.pkl')), content);
    });

    it('reports the digest that the registry has', async () => {
      const image = await build('docker/digest:1');
      const pushed = succeeded(await docker('push', image));
      const digest = /digest: (sha256:[0-9a-f]{64})/.exec(pushed)![1];
      const answer = await fetch(`${registry.url}/v2/docker/digest/manifests/1`, {
        headers: { Authorization: `Basic ${BASIC}` },
      });
      assert.equal(answer.headers.get('docker-content-digest'), digest);
    });

    it('mounts layers of another repository instead of sending them', async () => {
      succeeded(await docker('push', await build('docker/one:1')));
      const pushed = succeeded(await docker('push', await build('docker/two:1')));
      assert.match(pushed, /Mounted from docker\/|Layer already exists/);
    });

    it('cannot push over a locked tag', async () => {
      const image = await build('docker/locked:1');
      succeeded(await docker('push', image));
      await fetch(`${registry.url}/acr/v1/docker/locked/_tags/1`, {
        method: 'PATCH',
        headers: { Authorization: `Basic ${BASIC}` },
        body: '{"writeEnabled":false}',
      });
      const { exitCode, output } = await docker('push', image);
      assert.notEqual(exitCode, 0);
      assert.match(output, /The operation is disallowed on this registry, repository or image/);
    });

    it('is told of a wrong password', async () => {
      const image = await build('docker/refused:1');
      await login('wrong');
      try {
        const { exitCode, output } = await docker('push', image);
        assert.notEqual(exitCode, 0);
        assert.match(output, /unauthorized: authentication required/);
      } finally {
        await login(PASSWORD);
      }
    });
  });
});

/** Returns the output. */
function succeeded({ exitCode, output }: Finished): string {
  assert.equal(exitCode, 0, output);
  return output;
}

/** Writes an image in skopeo's `dir` format: its manifest, and its parts by digest. */
async function writeImage(folder: string, layers: readonly string[]): Promise<void> {
  await mkdir(folder);
  const put = async (mediaType: string, content: Buffer) => {
    const hex = createHash('sha256').update(content).digest('hex');
    await writeFile(join(folder, hex), content);
    return { mediaType, digest: `sha256:${hex}`, size: content.length };
  };
  const type = (name: string) => `application/vnd.docker.${name}`;
  const compressed = layers.map((layer) => gzipSync(layer));
  const configuration = {
    architecture: 'amd64',
    os: 'linux',
    rootfs: {
      type: 'layers',
      diff_ids: layers.map((layer) => `sha256:${createHash('sha256').update(layer).digest('hex')}`),
    },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: type('distribution.manifest.v2+json'),
    config: await put(type('container.image.v1+json'), Buffer.from(JSON.stringify(configuration))),
    layers: await Promise.all(compressed.map((layer) => put(type('image.rootfs.diff.tar.gzip'), layer))),
  };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  await writeFile(join(folder, 'version'), 'Directory Transport Version: 1.1\n');
}
