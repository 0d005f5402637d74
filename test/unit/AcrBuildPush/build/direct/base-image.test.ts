import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import { planDirectly } from '../../../../../tasks/AcrBuildPush/build/direct/builder';
import { tarHeader } from '../../../../../tasks/AcrBuildPush/files/tar';
import type { ImageConfig } from '../../../../../tasks/AcrBuildPush/image/image';
import { apiHostOf, parseImageName } from '../../../../../tasks/AcrBuildPush/image/image-name';
import { explainRegistryError } from '../../../../../tasks/AcrBuildPush/registry/errors';
import { createPull, type PulledImage } from '../../../../../tasks/AcrBuildPush/registry/pull';
import { flattenBuilt } from '../../../../support/image-files';
import { capturedLog, leastPlan, scriptedServer } from '../../support';

const PLATFORM = { os: 'linux', architecture: 'amd64' };
const { signal } = new AbortController();

const digestOf = (content: Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}`;

describe('a base image that can not be read', () => {
  let server: Awaited<ReturnType<typeof scriptedServer>>;
  afterEach(() => server.stop());

  /** Looks up `team/base:1` in a registry that hands out a token to everybody, as Docker Hub does. */
  async function pull(answer: RequestListener): Promise<PulledImage> {
    server = await scriptedServer((request, response) => {
      if (request.url?.startsWith('/token')) return response.end('{"token":"public"}');
      if (request.headers.authorization) return answer(request, response);
      const challenge = `Bearer realm="http://${server.host}/token",service="x"`;
      return response.writeHead(401, { 'WWW-Authenticate': challenge }).end();
    });
    const { http, log, host } = server;
    return createPull({ http, log, credentialsFor: () => undefined })(`${host}/team/base:1`, PLATFORM);
  }

  const refuse = (status: number, code: string, message: string, headers = {}): RequestListener => {
    const body = JSON.stringify({ errors: [{ code, message }] });
    return (_, response) => response.writeHead(status, headers).end(body);
  };

  for (const [what, answer] of [
    ['is not there', refuse(404, 'MANIFEST_UNKNOWN', 'manifest unknown')],
    ['is in no repository', refuse(404, 'NAME_UNKNOWN', 'repository name not known to registry')],
    // Docker Hub's answer for repositories that are not there, and for private ones.
    ['is private, or not there', refuse(401, 'UNAUTHORIZED', 'authentication required')],
    ['is not for everybody', refuse(403, 'DENIED', 'requested access to the resource is denied')],
  ] as const) {
    it(`since it ${what} is named with its line to check, and nobody talks of pushing`, async () => {
      await assert.rejects(pull(answer), (error: Error) => {
        assert.match(
          error.message,
          /^There is no base image '127\.0\.0\.1:\d+\/team\/base', or it can't be read without a login/,
        );
        assert.match(error.message, /FROM line.*log in to its registry before this step/);
        assert.doesNotMatch(error.message, /push|AcrPush/);
        return true;
      });
    });
  }

  it('since its registry limits downloads is reported with the ways out', async () => {
    const limit = refuse(429, 'TOOMANYREQUESTS', 'You have reached your pull rate limit.', {
      'Retry-After': '0',
    });
    await assert.rejects(pull(limit), {
      name: 'TaskError',
      message: /^127\.0\.0\.1:\d+ allows no more downloads .*Try again later.*your own registry/,
    });
  });

  it('since a firewall is in the way is reported as that', async () => {
    await assert.rejects(pull(refuse(403, 'DENIED', "client with IP '20.1.2.3' is not allowed access.")), {
      message: /The firewall of .* 20\.1\.2\.3/,
    });
  });

  it('without a login names all ways to have one', async () => {
    server = await scriptedServer((_, response) =>
      response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="r"' }).end(),
    );
    const { http, log, host } = server;
    await assert.rejects(
      createPull({ http, log, credentialsFor: () => undefined })(`${host}/team/base:1`, PLATFORM),
      { name: 'TaskError', message: /base image '.*\/team\/base'.*log in to its registry before this step/ },
    );
  });
});

describe('the name of a base image', () => {
  for (const name of ['Python:3.12', 'models.azurecr.io/Base:1']) {
    it(`must not have capitals, as in ${name}, which is said before any registry is asked`, async () => {
      const http = { send: () => assert.fail('A registry was asked.') } as never;
      const pull = createPull({ http, log: capturedLog().log, credentialsFor: () => undefined });
      await assert.rejects(pull(name, PLATFORM), {
        name: 'TaskError',
        message: /has capitals\. Write the Dockerfile's FROM lines in lower case/,
      });
    });
  }

  it('may have them in its host and its tag', () => {
    assert.equal(parseImageName('R.example/base:RC1').tag, 'RC1');
  });

  it('is shown as Dockerfiles have it when it is on Docker Hub', () => {
    const { registry, repository } = parseImageName('nosuch');
    assert.match(
      explainRegistryError('MANIFEST_UNKNOWN', { host: apiHostOf(registry), repository, access: 'pull' }) ??
        '',
      /^There is no base image 'docker\.io\/library\/nosuch'/,
    );
  });
});

describe('a base image', () => {
  let context: string;
  before(() => {
    context = mkdtempSync(join(tmpdir(), 'base-image-'));
    writeFileSync(join(context, 'model.pkl'), 'a model');
  });
  after(() => rmSync(context, { recursive: true, force: true }));

  /** A layer of one folder that only root may look into. */
  const tar = Buffer.concat([
    tarHeader({
      path: 'srv',
      node: { kind: 'directory', mode: 0o700, uid: 7, gid: 8 },
      linkTo: undefined,
      size: 0,
    }),
    Buffer.alloc(1024),
  ]);

  function imageOf(stored: Buffer, mediaType: string, settings: ImageConfig['config'] = {}): PulledImage {
    const config: ImageConfig = {
      ...PLATFORM,
      config: settings,
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
    };
    const descriptor = { mediaType, digest: digestOf(stored), size: stored.length };
    const source = { kind: 'remote', diffId: digestOf(tar), host: 'r.example', repository: 'base' } as const;
    const open = async (start = 0) => Readable.from([stored.subarray(start)], { objectMode: false });
    return { digest: digestOf(stored), config, layers: [{ ...source, descriptor, open }] };
  }

  async function build(image: PulledImage, lines: string[], platforms: string[] = []) {
    const plan = { ...leastPlan, context, platforms, recipe: ['FROM base', ...lines].join('\n') };
    const { log } = capturedLog();
    return (await planDirectly(plan, { pull: async () => image, log, signal })).make({});
  }

  for (const mediaType of [
    'application/vnd.oci.image.layer.v1.tar+zstd',
    'application/vnd.docker.image.rootfs.diff.tar.zstd',
  ]) {
    it(`of ${mediaType} is read where Node.js can, and else refused with the ways out`, async () => {
      const built = build(imageOf(zstdFrame(tar), mediaType), ['COPY model.pkl /srv/model/']);
      if ('createZstdDecompress' in zlib) {
        const image = await built;
        const { files } = await flattenBuilt({ ...image, layers: image.layers.slice(1) });
        assert.equal(files.srv, 'directory 700 7:8');
      } else {
        await assert.rejects(built, {
          name: 'TaskError',
          message: /compressed with zstd.*input 'builder' to 'docker', or .*gzip/,
        });
      }
    });

    it(`of ${mediaType} is built on anywhere when only settings change`, async () => {
      const image = await build(imageOf(zstdFrame(tar), mediaType), ['ENV A=1']);
      assert.equal(image.layers.length, 1);
    });
  }

  it('is not read for copies that stand alone, whose folders are made anew', async () => {
    const image = imageOf(tar, 'application/vnd.oci.image.layer.v1.tar');
    const layers = image.layers.map((layer) => ({ ...layer, open: () => assert.fail('it was read') }));
    const lines = ['COPY --link model.pkl /srv/model/', 'COPY --link --chown=5:root model.pkl /x'];
    const built = await build({ ...image, layers }, lines);
    assert.equal(built.layers[0]!.diffId, digestOf(tar));
    const { files } = await flattenBuilt({ ...built, layers: built.layers.slice(1) });
    assert.equal(files.srv, 'directory 755 0:0');
    assert.match(files['srv/model/model.pkl']!, /^file 644 0:0 /);
    assert.match(files.x!, /^file 644 5:0 /);
  });

  it('is read for a copy that does not, though one before it did', async () => {
    const image = imageOf(tar, 'application/vnd.oci.image.layer.v1.tar');
    const built = await build(image, ['COPY --link model.pkl /new/', 'COPY model.pkl /srv/']);
    const { files } = await flattenBuilt({ ...built, layers: built.layers.slice(1) });
    assert.equal(files.srv, 'directory 700 7:8');
    assert.equal(files.new, 'directory 755 0:0');
  });

  // What BuildKit 0.34 makes of them.
  for (const [own, asked, expected] of [
    ['arm64/v8', undefined, 'arm64'],
    ['arm64/8', 'linux/arm64', 'arm64'],
    ['aarch64', 'linux/arm64', 'arm64'],
    ['x86_64', undefined, 'amd64'],
    ['amd64/v1', 'linux/amd64', 'amd64'],
    ['amd64/v2', 'linux/amd64', 'amd64/v2'],
    ['amd64/v2', 'linux/amd64/v3', 'amd64/v3'],
    ['arm', 'linux/arm', 'arm/v7'],
    ['arm/v7', 'linux/arm/v6', 'arm/v6'],
    ['arm/v7', undefined, 'arm/v7'],
    ['arm/v7', 'linux/amd64', 'amd64'],
  ] as const) {
    it(`for ${own} gives an image for ${expected} where ${asked ?? 'nothing'} is asked for`, async () => {
      const image = imageOf(tar, 'application/vnd.oci.image.layer.v1.tar');
      const [architecture = '', variant] = own.split('/');
      const config: ImageConfig = { ...image.config, architecture, ...(variant && { variant }) };
      const built = await build({ ...image, config }, ['ENV A=1'], asked ? [asked] : []);
      const made: ImageConfig = JSON.parse(built.config.toString());
      assert.equal([made.architecture, made.variant].filter(Boolean).join('/'), expected);
      assert.deepEqual(built.platform, {
        os: 'linux',
        architecture: made.architecture,
        ...(made.variant && { variant: made.variant }),
      });
    });
  }

  it('with ONBUILD instructions is left to an engine, by its line', async () => {
    const image = imageOf(tar, 'application/vnd.oci.image.layer.v1.tar', { OnBuild: ['RUN make'] });
    await assert.rejects(build(image, ['ENV A=1']), {
      name: 'TaskError',
      message: /^Line 1 of .*: FROM can't be carried out .*base image base has ONBUILD instructions/,
    });
  });
});

/** A frame of zstd whose one block is stored as it is (RFC 8878). */
function zstdFrame(content: Buffer): Buffer {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x60, 0, 0]);
  header.writeUInt16LE(content.length - 256, 5);
  const block = Buffer.alloc(3);
  block.writeUIntLE((content.length << 3) | 1, 0, 3);
  return Buffer.concat([header, block, content]);
}
