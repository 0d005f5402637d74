import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { findEngine } from '../../local/engine/engine';
import { type Registry, startRegistry } from '../../local/registry/registry';
import { RegistryClient } from '../../tasks/AcrBuildPush/acr/registry';
import { DockerCli } from '../../tasks/AcrBuildPush/docker/cli';
import { readEngineImage } from '../../tasks/AcrBuildPush/oci/engine-image';
import { layersOf } from '../../tasks/AcrBuildPush/oci/publish/known-layers';
import { publishImage } from '../../tasks/AcrBuildPush/oci/publish/publish';
import { HttpClient } from '../../tasks/common/http';
import { createLogger } from '../../tasks/common/log';
import { skip } from '../support/skip';

const USERNAME = 'robot';
const PASSWORD = 'correct-horse-battery';
/** The password above by bcrypt, which is all that docker-registry takes. */
const HTPASSWD = `${USERNAME}:$2b$04$modelpipelinetestsaltu4zY6hKGaXX2ss49cSvnDQXA8ppnf9gy\n`;

describe('an image of a real engine that the step publishes itself', function () {
  this.timeout(120_000);

  const folder = mkdtempSync(join(tmpdir(), 'image-publisher-'));
  const name = `image-publisher-test:${randomUUID()}`;
  const model = Buffer.from(randomBytes(3_000_000).toString('hex'));
  const hosts: Record<string, string> = {};
  const { signal } = new AbortController();
  const log = createLogger(() => undefined);
  const network = { proxyFor: () => undefined, tls: {} };
  const http = new HttpClient({ log, signal, network, userAgent: 'test' });
  const dockerConfig = join(folder, 'docker');
  let server: ChildProcess | undefined;
  let local: Registry | undefined;
  let count = 0;

  before(async function () {
    const engine = await findEngine();
    if ('missing' in engine) skip(this, `no Docker engine: ${engine.missing}`);
    for (const tool of ['docker-registry', 'skopeo']) {
      if (!isInstalled(tool)) skip(this, `${tool} is not installed`);
    }
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
    writeFileSync(join(context, 'Dockerfile'), lines.join('\n'));
    await docker('build', '--quiet', '--tag', name, context);
  });

  after(async () => {
    http.close();
    await local?.stop();
    if (server) {
      server.kill();
      await once(server, 'exit');
      await docker('image', 'rm', '--force', name);
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
    const credentials = { username: USERNAME, password: PASSWORD };
    const registry = new RegistryClient({ http, log, host, repository, credentials });
    const cli = new DockerCli({ env: process.env, signal, log });
    const saved = mkdtempSync(join(folder, 'saved-'));
    const image = await readEngineImage(cli, name, { folder: saved, host, known, log });
    const destination = { registry, name: `${host}/${repository}`, tags: ['1'] };
    const result = await publishImage(image, destination, { log, signal, compression, known });
    return { registry, ...result };
  }

  for (const kind of ['docker-registry', 'the local registry']) {
    for (const compression of ['none', 'gzip', 'auto'] as const) {
      it(`is the same image when docker pulls it from ${kind} (compression: ${compression})`, async () => {
        const host = hosts[kind]!;
        const { manifest } = await publish(host, `models/m${count++}`, compression);
        const id = await docker('inspect', '--format', '{{.Id}}', name);
        assert.equal(manifest.config?.digest, id);

        const pulled = `${host}/models/m${count - 1}:1`;
        await docker('image', 'rm', '--force', name);
        try {
          assert.match(await docker('pull', pulled), new RegExp(manifest.digest));
          assert.equal(await docker('inspect', '--format', '{{.Id}}', pulled), id);
          const container = await docker('create', pulled);
          await docker('cp', `${container}:/model/model.pkl`, join(folder, 'copied.pkl'));
          await docker('rm', container);
          assert.ok(readFileSync(join(folder, 'copied.pkl')).equals(model));
        } finally {
          await docker('tag', pulled, name);
          await docker('rmi', pulled);
        }
      });

      it(`is read byte for byte by skopeo from ${kind} (compression: ${compression})`, async () => {
        const host = hosts[kind]!;
        const { manifest, layers } = await publish(host, `models/m${count++}`, compression);
        const copy = mkdtempSync(join(folder, 'skopeo-'));
        const source = `docker://${host}/models/m${count - 1}@${manifest.digest}`;
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

    it(`is not sent to ${kind} again, but mounted from where it lies`, async () => {
      const host = hosts[kind]!;
      const first = await publish(host, `models/m${count++}`, 'gzip');
      const known = await layersOf(first.registry, '1');
      const second = await publish(host, `models/m${count++}`, 'gzip', new Map(known));
      assert.deepEqual(
        second.layers.map(({ fate }) => fate),
        ['mounted', 'mounted'],
      );
      assert.equal(second.manifest.digest, first.manifest.digest);
      assert.equal(second.uploadedBytes, first.manifest.config!.size);
      const third = await publish(host, `models/m${count - 1}`, 'gzip', new Map(known));
      assert.equal(third.uploadedBytes, 0);
    });
  }
});

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function isInstalled(tool: string): boolean {
  return (process.env.PATH ?? '').split(':').some((part) => {
    try {
      return readdirSync(part).includes(tool);
    } catch {
      return false;
    }
  });
}
async function startDockerRegistry(data: string): Promise<[ChildProcess, string]> {
  mkdirSync(data);
  writeFileSync(join(data, 'htpasswd'), HTPASSWD);
  const config = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: data } },
    http: { addr: '127.0.0.1:0' },
    auth: { htpasswd: { realm: 'test', path: join(data, 'htpasswd') } },
  };
  // Every JSON is YAML.
  writeFileSync(join(data, 'config.yml'), JSON.stringify(config));
  const server = spawn('docker-registry', ['serve', join(data, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines: string[] = [];
  for await (const line of createInterface(server.stderr!)) {
    lines.push(line);
    const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (!address) continue;
    server.stderr!.resume();
    return [server, address];
  }
  throw new Error(`docker-registry did not start:\n${lines.join('\n')}`);
}
