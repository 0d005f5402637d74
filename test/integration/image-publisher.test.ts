import assert from 'node:assert/strict';
import { type ChildProcess, execFile } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { findEngine } from '../../local/engine/engine';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { planDirectly } from '../../tasks/AcrBuildPush/build/direct/builder';
import type { OciImage } from '../../tasks/AcrBuildPush/image/image';
import { setTags } from '../../tasks/AcrBuildPush/publish/destination';
import { publishImage } from '../../tasks/AcrBuildPush/publish/publish-image';
import { RegistryClient } from '../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../tasks/AcrBuildPush/registry/credentials';
import { readImages } from '../../tasks/AcrBuildPush/registry/earlier-images';
import { layersOf } from '../../tasks/AcrBuildPush/registry/known-layers';
import { Uploads } from '../../tasks/AcrBuildPush/registry/upload';
import { HttpClient } from '../../tasks/common/http';
import { createLogger } from '../../tasks/common/log';
import { PASSWORD, startDockerRegistry, USERNAME } from '../support/docker-registry';
import { skip, skipWithout } from '../support/skip';
import { leastPlan } from '../unit/AcrBuildPush/support';

describe('an image that the step builds and publishes itself', function () {
  this.timeout(120_000);

  const folder = mkdtempSync(join(tmpdir(), 'image-publisher-'));
  const run = randomUUID();
  const model = Buffer.from(randomBytes(3_000_000).toString('hex'));
  const hosts: Record<string, string> = {};
  const { signal } = new AbortController();
  const log = createLogger(() => undefined);
  const network = { proxyFor: () => undefined, tls: {} };
  const http = new HttpClient({ log, signal, network, userAgent: 'test' });
  const dockerConfig = join(folder, 'docker');
  let server: ChildProcess | undefined;
  let local: Registry | undefined;
  let image: OciImage;
  let count = 0;

  before(async function () {
    const engine = await findEngine();
    if ('missing' in engine) skip(this, `no Docker engine: ${engine.missing}`);
    for (const tool of ['docker-registry', 'skopeo', 'podman']) skipWithout(this, tool);
    mkdirSync(join(folder, 'local'));
    local = await startRegistry({ folder: join(folder, 'local'), username: USERNAME, password: PASSWORD });
    hosts['the local registry'] = local.loginServer;
    [server, hosts['docker-registry']] = await startDockerRegistry(join(folder, 'registry'));
    mkdirSync(dockerConfig);
    const auth = Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64');
    const auths = Object.fromEntries(Object.values(hosts).map((host) => [host, { auth }]));
    writeFileSync(join(dockerConfig, 'config.json'), JSON.stringify({ auths }));

    const context = join(folder, 'context');
    mkdirSync(context);
    writeFileSync(join(context, 'model.pkl'), model);
    writeFileSync(join(context, 'base.txt'), 'the base');
    const lines = ['FROM scratch', 'COPY base.txt /', 'COPY model.pkl /model/', 'CMD ["serve"]'];
    const plan = { ...leastPlan, recipe: lines.join('\n'), context };
    const pull = () => Promise.reject(new Error('nothing is pulled here'));
    image = await (await planDirectly(plan, { pull, log, signal })).make({});
  });

  after(async () => {
    http.close();
    await local?.stop();
    if (server) {
      server.kill();
      await once(server, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  });

  // The local registry runs in this process, which must go on while docker talks to it.
  async function docker(...args: string[]): Promise<string> {
    const env = { ...process.env, DOCKER_CONFIG: dockerConfig };
    return (await promisify(execFile)('docker', args, { env })).stdout.trim();
  }

  async function publish(
    host: string,
    repository: string,
    compression: 'gzip' | 'none' | 'auto',
    known = new Map(),
  ) {
    const robot = { kind: 'password', username: USERNAME, password: PASSWORD, input: 'acrPassword' } as const;
    const credentials = fixedCredentials(host, robot);
    const registry = new RegistryClient({ http, log, host, repository, credentials });
    await registry.signIn();
    const destination = {
      registry,
      uploads: new Uploads(registry),
      name: `${host}/${repository}`,
      tags: [{ tag: '1', moves: false }],
    };
    const result = await publishImage(image, destination, { log, signal, compression, known });
    await setTags(result, { ...destination, ifTagExists: 'overwrite', before: new Map() }, { log, signal });
    return { registry, ...result };
  }

  for (const kind of ['docker-registry', 'the local registry']) {
    for (const compression of ['none', 'gzip', 'auto'] as const) {
      it(`is the same image when docker pulls it from ${kind} (compression: ${compression})`, async () => {
        const host = hosts[kind]!;
        const { manifest } = await publish(host, `models-${run}/m${count++}`, compression);

        const pulled = `${host}/models-${run}/m${count - 1}:1`;
        try {
          assert.match(await docker('pull', pulled), new RegExp(manifest.digest));
          const id = await docker('inspect', '--format', '{{.Id}}', pulled);
          assert.ok([manifest.config?.digest, manifest.digest].includes(id));
          const container = await docker('create', pulled);
          await docker('cp', `${container}:/model/model.pkl`, join(folder, 'copied.pkl'));
          await docker('rm', container);
          assert.ok(readFileSync(join(folder, 'copied.pkl')).equals(model));
        } finally {
          await docker('image', 'rm', '--force', pulled);
        }
      });

      it(`is read byte for byte by skopeo from ${kind} (compression: ${compression})`, async () => {
        const host = hosts[kind]!;
        const { manifest, layers } = await publish(host, `models-${run}/m${count++}`, compression);
        const copy = mkdtempSync(join(folder, 'skopeo-'));
        const source = `docker://${host}/models-${run}/m${count - 1}@${manifest.digest}`;
        const login = ['--src-tls-verify=false', `--src-creds=${USERNAME}:${PASSWORD}`];
        const policy = ['--insecure-policy', 'copy', '--quiet', '--preserve-digests', ...login];
        await promisify(execFile)('skopeo', [...policy, source, `dir:${copy}`]);
        assert.deepEqual(readFileSync(join(copy, 'manifest.json')), manifest.body);
        for (const { descriptor, diffId } of layers) {
          const blob = readFileSync(join(copy, descriptor.digest.replace('sha256:', '')));
          const tar = descriptor.mediaType.endsWith('gzip') ? gunzipSync(blob) : blob;
          assert.equal(digestOf(tar), diffId);
        }
        assert.ok(readdirSync(copy).length >= layers.length + 2);
      });
    }

    it(`is the same image when podman pulls it from ${kind}`, async () => {
      const host = hosts[kind]!;
      const { manifest } = await publish(host, `models-${run}/m${count++}`, 'auto');
      const place = mkdtempSync(join(folder, 'podman-'));
      const storage = [
        '--root',
        join(place, 'root'),
        '--runroot',
        join(place, 'run'),
        '--storage-driver',
        'vfs',
      ];
      const podman = async (...args: string[]) =>
        (await promisify(execFile)('podman', [...storage, ...args])).stdout.trim();
      const name = `${host}/models-${run}/m${count - 1}@${manifest.digest}`;
      await podman('pull', '--quiet', '--tls-verify=false', `--creds=${USERNAME}:${PASSWORD}`, name);
      const [inspected] = JSON.parse(await podman('image', 'inspect', name));
      assert.deepEqual(
        inspected.RootFS.Layers,
        image.layers.map(({ diffId }) => diffId),
      );
      const container = await podman('create', name);
      await podman('cp', `${container}:/model/model.pkl`, join(place, 'copied.pkl'));
      assert.ok(readFileSync(join(place, 'copied.pkl')).equals(model));
    });

    it(`is not sent to ${kind} again, but mounted from where it lies`, async () => {
      const host = hosts[kind]!;
      const first = await publish(host, `models-${run}/m${count++}`, 'gzip');
      const known = layersOf(await readImages(first.registry, '1'));
      const second = await publish(host, `models-${run}/m${count++}`, 'gzip', new Map(known));
      assert.deepEqual(
        second.layers.map(({ fate }) => fate),
        ['mounted', 'mounted'],
      );
      assert.equal(second.manifest.digest, first.manifest.digest);
      assert.equal(second.uploadedBytes, first.manifest.config!.size);
      const third = await publish(host, `models-${run}/m${count - 1}`, 'gzip', new Map(known));
      assert.equal(third.uploadedBytes, 0);
    });
  }
});

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
