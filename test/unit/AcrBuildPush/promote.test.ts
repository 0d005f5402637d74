import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Registry, startRegistry } from '../../../local/registry/registry';
import { parseImageName } from '../../../tasks/AcrBuildPush/image/image-name';
import type { Inputs } from '../../../tasks/AcrBuildPush/inputs';
import { promote } from '../../../tasks/AcrBuildPush/promote';
import { HttpClient } from '../../../tasks/common/http';
import type { TaskContext } from '../../../tasks/common/task';
import {
  startDockerRegistry,
  PASSWORD as TOLD_PASSWORD,
  USERNAME as TOLD_USERNAME,
} from '../../support/docker-registry';
import { skipWithout } from '../../support/skip';
import { capturedLog, leastInputs } from './support';

const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const robot = { username: 'robot', password: 'p4ssword' };

const digestOf = (content: string | Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}`;

/** A client that shares no line with the task's. */
function plainClient(host: string, username: string, password: string) {
  const Authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const send = (method: string, path: string, body?: string | Buffer, type?: string) =>
    fetch(new URL(path, `http://${host}`), {
      method,
      headers: { Authorization, Accept: `${IMAGE}, ${INDEX}`, ...(type && { 'Content-Type': type }) },
      ...(body !== undefined && { body }),
    });
  return {
    send,
    async blob(repository: string, content: string | Buffer) {
      const digest = digestOf(content);
      const begun = await send('POST', `/v2/${repository}/blobs/uploads/`);
      const url = new URL(begun.headers.get('location')!, `http://${host}`);
      url.searchParams.set('digest', digest);
      const stored = await send('PUT', url.href, content, 'application/octet-stream');
      assert.equal(stored.status, 201);
      return { digest, size: content.length };
    },
    async put(repository: string, reference: string, content: object, type = IMAGE) {
      const body = JSON.stringify({ schemaVersion: 2, mediaType: type, ...content });
      const digest = digestOf(body);
      const answer = await send('PUT', `/v2/${repository}/manifests/${reference || digest}`, body, type);
      assert.equal(answer.status, 201, await answer.text());
      return { mediaType: type, digest, size: body.length };
    },
  };
}

type Client = ReturnType<typeof plainClient>;

/** An image for two platforms that is signed, with a list of parts that is signed too, and a signature of cosign's. */
async function publishSigned(client: Client, repository: string) {
  const layer = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    ...(await client.blob(repository, randomBytes(5_000_000))),
  };
  const image = async (architecture: string) => {
    const rootfs = { type: 'layers', diff_ids: [layer.digest] };
    const content = JSON.stringify({ os: 'linux', architecture, rootfs });
    const config = {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      ...(await client.blob(repository, content)),
    };
    const manifest = await client.put(repository, '', { config, layers: [layer] });
    return { ...manifest, platform: { os: 'linux', architecture } };
  };
  const manifests = [await image('amd64'), await image('arm64')];
  const index = await client.put(repository, '1.0.0-rc', { manifests }, INDEX);
  const attach = async (subject: object, artifactType: string) => {
    const empty = {
      mediaType: 'application/vnd.oci.empty.v1+json',
      ...(await client.blob(repository, '{}')),
    };
    const part = { mediaType: 'text/plain', ...(await client.blob(repository, artifactType)) };
    return client.put(repository, '', { artifactType, config: empty, layers: [part], subject });
  };
  const sbom = await attach(index, 'application/sbom');
  const signature = await attach(sbom, 'application/signature');
  const ofOne = await attach(manifests[0]!, 'application/of-one');
  const cosign = await client.put(repository, `${index.digest.replace(':', '-')}.sig`, {
    config: { mediaType: 'text/plain', ...(await client.blob(repository, 'cosign')) },
    layers: [],
  });
  return { index, manifests, sbom, signature, ofOne, cosign, layer };
}

describe('the promotion of an image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'promote-'));
  let dev: Registry;
  let prod: Registry;
  let lines: string[];
  let outputs: Record<string, unknown>;
  let http: HttpClient;
  /** Answer in the place of `prod` and `dev` where they return true. */
  let intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  let interceptDev: typeof intercept;

  before(async () => {
    for (const name of ['dev', 'prod', 'login']) mkdirSync(join(folder, name));
    dev = await startRegistry({
      folder: join(folder, 'dev'),
      ...robot,
      intercept: (request, response) => interceptDev(request, response),
    });
    prod = await startRegistry({
      folder: join(folder, 'prod'),
      ...robot,
      intercept: (request, response) => intercept(request, response),
    });
  });
  beforeEach(() => {
    intercept = () => false;
    interceptDev = () => false;
  });
  afterEach(() => http?.close());
  after(async () => {
    await Promise.all([dev.stop(), prod.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });

  async function run(to: string, source: string, changes: Partial<Inputs> = {}, user = robot) {
    const captured = capturedLog();
    lines = captured.lines;
    outputs = {};
    const { log } = captured;
    const { signal } = new AbortController();
    const network = { proxyFor: () => undefined, tls: {} };
    http = new HttpClient({ log, signal, network, userAgent: 'test' } as never);
    const task = {
      ...{ log, signal, http, tempFolder: folder },
      setTaskVariable: () => undefined,
      setOutput: (name: string, value: unknown) => (outputs[name] = value),
      uploadSummary: () => undefined,
    } as unknown as TaskContext;
    const inputs: Inputs = {
      ...leastInputs,
      loginServer: to,
      identity: { kind: 'password', ...user, input: 'acrPassword' },
      repository: 'prod/titanic',
      tags: [
        { tag: '1.0.0', moves: false },
        { tag: 'latest', moves: true },
      ],
      ...changes,
    };
    const config = { auths: { [dev.loginServer]: { auth: btoa(`${robot.username}:${robot.password}`) } } };
    writeFileSync(join(folder, 'login', 'config.json'), JSON.stringify(config));
    const before = process.env.DOCKER_CONFIG;
    process.env.DOCKER_CONFIG = join(folder, 'login');
    try {
      return await promote(inputs, parseImageName(source), task);
    } finally {
      if (before === undefined) delete process.env.DOCKER_CONFIG;
      else process.env.DOCKER_CONFIG = before;
    }
  }

  /** Holds that everything of an image is in a repository, byte for byte, and listed. */
  async function checkAll(
    client: Client,
    repository: string,
    { index, manifests, sbom, signature, ofOne, cosign, layer }: Awaited<ReturnType<typeof publishSigned>>,
  ) {
    for (const tag of ['1.0.0', 'latest', index.digest]) {
      const answer = await client.send('GET', `/v2/${repository}/manifests/${tag}`);
      assert.equal(digestOf(await answer.text()), index.digest, tag);
    }
    for (const { digest } of [...manifests, sbom, signature, ofOne]) {
      const answer = await client.send('GET', `/v2/${repository}/manifests/${digest}`);
      assert.equal(digestOf(await answer.text()), digest);
    }
    const blob = await client.send('GET', `/v2/${repository}/blobs/${layer.digest}`);
    assert.equal(digestOf(Buffer.from(await blob.arrayBuffer())), layer.digest);
    const listed = async (digest: string) => {
      const answer = await client.send('GET', `/v2/${repository}/referrers/${digest}`);
      const fallback = `/v2/${repository}/manifests/${digest.replace(':', '-')}`;
      const found = answer.status === 200 ? answer : await client.send('GET', fallback);
      const { manifests: entries } = (await found.json()) as {
        manifests: { digest: string; artifactType: string }[];
      };
      return entries.map((entry) => `${entry.artifactType} ${entry.digest}`);
    };
    assert.deepEqual(await listed(index.digest), [`application/sbom ${sbom.digest}`]);
    assert.deepEqual(await listed(sbom.digest), [`application/signature ${signature.digest}`]);
    assert.deepEqual(await listed(manifests[0]!.digest), [`application/of-one ${ofOne.digest}`]);
    const tag = await client.send(
      'HEAD',
      `/v2/${repository}/manifests/${index.digest.replace(':', '-')}.sig`,
    );
    assert.equal(tag.headers.get('docker-content-digest'), cosign.digest);
  }

  it('within a registry mounts its layers, and brings all that refers to it', async () => {
    const client = plainClient(dev.loginServer, robot.username, robot.password);
    const image = await publishSigned(client, 'dev/titanic');
    const from = dev.requests.length;
    const outcome = await run(dev.loginServer, `${dev.loginServer}/dev/titanic@${image.index.digest}`);
    assert.match(outcome.message, /^Copied .*prod\/titanic:1\.0\.0 /);
    assert.ok(!dev.requests.slice(from).some(({ method }) => method === 'PATCH'), 'something was sent');
    await checkAll(client, 'prod/titanic', image);
    assert.equal(outputs.imageDigest, image.index.digest);
    assert.equal(outputs.imageRefByDigest, `${dev.loginServer}/prod/titanic@${image.index.digest}`);
    assert.equal(outputs.imageTags, '1.0.0,latest');
    assert.equal(outputs.builder, 'none');
  });

  it('to another registry copies what that lacks, once', async () => {
    const client = plainClient(dev.loginServer, robot.username, robot.password);
    const image = await publishSigned(client, 'dev/other');
    const source = `${dev.loginServer}/dev/other@${image.index.digest}`;
    await run(prod.loginServer, source);
    await checkAll(plainClient(prod.loginServer, robot.username, robot.password), 'prod/titanic', image);
    const from = prod.requests.length;
    await run(prod.loginServer, source);
    const sent = prod.requests.slice(from).filter(({ path }) => /uploads\/./.test(path));
    assert.deepEqual(
      sent.filter(({ method }) => method !== 'DELETE'),
      [],
    );
    assert.ok(lines.some((line) => /is there already/.test(line)));
  });

  it('to a registry that does not know yet what it has taken in waits until it does', async () => {
    const client = plainClient(dev.loginServer, robot.username, robot.password);
    const image = await publishSigned(client, 'dev/replicated');
    const refused = new Set<string>();
    intercept = ({ method, url = '' }, response) => {
      const isWanted = url.endsWith(image.index.digest) || url.endsWith('.sig');
      if (method !== 'PUT' || !isWanted || refused.has(url)) return false;
      refused.add(url);
      response.writeHead(400).end('{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}');
      return true;
    };
    await run(prod.loginServer, `${dev.loginServer}/dev/replicated@${image.index.digest}`);
    await checkAll(plainClient(prod.loginServer, robot.username, robot.password), 'prod/titanic', image);
    assert.equal(refused.size, 2);
  });

  it('leaves out what a list still names and somebody has deleted', async () => {
    const client = plainClient(dev.loginServer, robot.username, robot.password);
    const { index, ofOne, sbom } = await publishSigned(client, 'dev/deleted');
    interceptDev = ({ method, url = '' }, response) => {
      if (method !== 'GET' || !url.endsWith(ofOne.digest)) return false;
      response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
      return true;
    };
    const changes = { repository: 'prod/deleted' };
    await run(prod.loginServer, `${dev.loginServer}/dev/deleted@${index.digest}`, changes);
    const there = plainClient(prod.loginServer, robot.username, robot.password);
    const statusOf = async (digest: string) =>
      (await there.send('GET', `/v2/prod/deleted/manifests/${digest}`)).status;
    assert.deepEqual([await statusOf(sbom.digest), await statusOf(ofOne.digest)], [200, 404]);
    assert.match(
      lines.join('\n'),
      new RegExp(`names ${ofOne.digest} \\(application/of-one\\), which is gone`),
    );
  });

  it('to a registry that lists no referrers has them listed under a tag', async function () {
    skipWithout(this, 'docker-registry');
    const [server, host] = await startDockerRegistry(join(folder, 'docker-registry'));
    try {
      const client = plainClient(dev.loginServer, robot.username, robot.password);
      const image = await publishSigned(client, 'dev/old');
      const user = { username: TOLD_USERNAME, password: TOLD_PASSWORD };
      await run(host, `${dev.loginServer}/dev/old@${image.index.digest}`, {}, user);
      await checkAll(plainClient(host, TOLD_USERNAME, TOLD_PASSWORD), 'prod/titanic', image);
    } finally {
      server.kill();
    }
  });

  it('leaves a tag alone that is there, where it is told to', async () => {
    const client = plainClient(dev.loginServer, robot.username, robot.password);
    const image = await publishSigned(client, 'dev/again');
    const source = `${dev.loginServer}/dev/again@${image.index.digest}`;
    await assert.rejects(run(dev.loginServer, source, { ifTagExists: 'fail' }), /exists already/);
    const outcome = await run(dev.loginServer, source, { ifTagExists: 'skip' });
    assert.match(outcome.message, /exists already; nothing was built/);
  });

  it('of an image that is not there is refused', async () => {
    const source = `${dev.loginServer}/dev/titanic@sha256:${'0'.repeat(64)}`;
    await assert.rejects(run(dev.loginServer, source, { repository: 'prod/none' }), {
      name: 'TaskError',
      message:
        /^There is no such image in '.*\/dev\/titanic', or this step may not read it\. Check input 'sourceImage'/,
    });
  });

  it('may go without a tag', async () => {
    const client = plainClient(dev.loginServer, robot.username, robot.password);
    const { index } = await publishSigned(client, 'dev/untagged');
    await run(dev.loginServer, `${dev.loginServer}/dev/untagged@${index.digest}`, {
      tags: [],
      repository: 'prod/untagged',
    });
    const { tags } = (await (await client.send('GET', '/v2/prod/untagged/tags/list')).json()) as {
      tags: string[];
    };
    assert.ok(!tags.includes('latest'));
    assert.equal(outputs.imageRef, `${dev.loginServer}/prod/untagged@${index.digest}`);
    assert.equal(lines[0], `Image ${dev.loginServer}/prod/untagged, to be known by its digest alone`);
  });
});
