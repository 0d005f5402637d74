import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Registry, startRegistry } from '../../../../local/registry/registry';
import { type Attachment, attach } from '../../../../tasks/AcrBuildPush/publish/attach';
import { publishImage } from '../../../../tasks/AcrBuildPush/publish/publish-image';
import { RegistryClient } from '../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../tasks/AcrBuildPush/registry/credentials';
import { findReferrers } from '../../../../tasks/AcrBuildPush/registry/referrers';
import { Uploads } from '../../../../tasks/AcrBuildPush/registry/upload';
import { HttpClient } from '../../../../tasks/common/http';
import { PASSWORD, startDockerRegistry, USERNAME } from '../../../support/docker-registry';
import { withoutReferrers } from '../../../support/registry-without-referrers';
import { skipWithout } from '../../../support/skip';
import { capturedLog } from '../support';

const user = { username: USERNAME, password: PASSWORD };

function statement(text: string): Attachment {
  return {
    artifactType: 'application/vnd.in-toto+json',
    blobs: [{ name: 'The statement', mediaType: 'application/vnd.in-toto+json', content: Buffer.from(text) }],
    annotations: { 'in-toto.io/predicate-type': 'https://slsa.dev/provenance/v1' },
  };
}

describe('what is attached to an image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'attach-'));
  let registry: Registry;
  let intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  let http: HttpClient;
  let count = 0;

  before(async () => {
    const path = join(folder, 'registry');
    registry = await startRegistry({
      folder: path,
      ...user,
      intercept: (request, response) => intercept(request, response),
    });
  });
  beforeEach(() => {
    intercept = () => false;
  });
  afterEach(() => http.close());
  after(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function begin(host = registry.loginServer) {
    const { log } = capturedLog();
    const { signal } = new AbortController();
    const network = { proxyFor: () => undefined, tls: {} };
    http = new HttpClient({ log, signal, network, userAgent: 'test', sleep: async () => undefined });
    const credentials = fixedCredentials('r', { kind: 'password', ...user, input: 'acrPassword' });
    const client = new RegistryClient({ http, log, host, repository: `models/m${count++}`, credentials });
    await client.signIn();
    const place = { registry: client, uploads: new Uploads(client) };
    const options = { log, signal };
    const config = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } };
    const image = { config: Buffer.from(JSON.stringify(config)), layers: [], platform: config };
    const { manifest } = await publishImage(image, place, {
      ...options,
      compression: 'auto',
      known: new Map(),
    });
    return {
      client,
      image: manifest,
      add: async (...attachments: Attachment[]) =>
        attach(manifest, attachments, await findReferrers(client, manifest.digest), place, options),
      listed: () => findReferrers(client, manifest.digest),
    };
  }

  const registries: [name: string, start: () => Promise<[string, ChildProcess?]>, needs?: string][] = [
    ['that lists it by itself', async () => [registry.loginServer]],
    [
      'that knows nothing of it',
      async () => {
        intercept = withoutReferrers;
        return [registry.loginServer];
      },
    ],
    [
      'of another make that knows nothing of it',
      async () => {
        const [server, host] = await startDockerRegistry(join(folder, 'docker-registry'));
        return [host, server];
      },
      'docker-registry',
    ],
  ];
  for (const [name, start, needs] of registries) {
    it(`is found from the image in a registry ${name}, byte for byte, and once`, async function () {
      if (needs) skipWithout(this, needs);
      const [host, server] = await start();
      try {
        const { client, image, add, listed } = await begin(host);
        const [one, other] = await add(statement('{"a":1}'), statement('{"b":2}'));
        assert.ok(!one!.wasThere && !other!.wasThere);
        const found = await listed();
        assert.deepEqual(new Set(found.map(({ digest }) => digest)), new Set([one!.digest, other!.digest]));
        for (const entry of found) {
          assert.equal(entry.artifactType, 'application/vnd.in-toto+json');
          assert.equal(entry.annotations?.['in-toto.io/predicate-type'], 'https://slsa.dev/provenance/v1');
        }
        const manifest = await client.manifest(one!.digest);
        assert.equal(manifest.body.length, found.find(({ digest }) => digest === one!.digest)!.size);
        const content = JSON.parse(manifest.body.toString('utf8'));
        assert.deepEqual(content.subject, {
          mediaType: image.mediaType,
          digest: image.digest,
          size: image.body.length,
        });
        assert.equal((await client.blob(content.config.digest)).toString(), '{}');
        assert.equal((await client.blob(content.layers[0].digest)).toString(), '{"a":1}');

        const [again] = await add(statement('{"a":1}'));
        assert.deepEqual(again, { digest: one!.digest, wasThere: true });
        assert.equal((await listed()).length, 2);
      } finally {
        server?.kill();
      }
    });
  }

  it('keeps what others have listed under the tag, whatever that is', async () => {
    intercept = withoutReferrers;
    const { client, image, add, listed } = await begin();
    const tag = image.digest.replace(':', '-');
    const entry = {
      ...{ mediaType: image.mediaType, digest: image.digest, size: image.body.length },
      ...{ artifactType: 'application/foreign', data: 'e30=', other: { kept: true } },
    };
    const list = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [entry],
    };
    await client.put({ mediaType: list.mediaType, body: Buffer.from(JSON.stringify(list)) }, tag);
    const [added] = await add(statement('{}'));
    const now = JSON.parse((await client.manifest(tag)).body.toString('utf8'));
    assert.deepEqual(now.manifests[0], entry);
    assert.equal(now.manifests[1].digest, added!.digest);
    assert.equal((await listed()).length, 2);
  });

  it('is listed though other runs write the list at the same moment', async () => {
    const { add, listed, image } = await begin();
    let races = 2;
    intercept = (request, response) => {
      if (request.method !== 'PUT' || !request.url?.endsWith(image.digest.replace(':', '-')) || races === 0) {
        return withoutReferrers(request, response);
      }
      // As if another, who had read the list before, had written it after this.
      races -= 1;
      response.writeHead(201).end();
      return true;
    };
    const [added] = await add(statement('{}'));
    assert.deepEqual(
      (await listed()).map(({ digest }) => digest),
      [added!.digest],
    );
    assert.equal(races, 0);
  });

  it('is listed though what was listed before was deleted', async () => {
    intercept = withoutReferrers;
    const { client, image, add } = await begin();
    const [first] = await add(statement('{"a":1}'));
    const address = `${registry.url}/${client.path(`manifests/${first!.digest}`)}`;
    const Authorization = `Basic ${btoa(`${USERNAME}:${PASSWORD}`)}`;
    assert.equal((await fetch(address, { method: 'DELETE', headers: { Authorization } })).status, 202);
    const [second] = await add(statement('{"b":2}'));
    const list = JSON.parse((await client.manifest(image.digest.replace(':', '-'))).body.toString('utf8'));
    assert.deepEqual(
      list.manifests.map(({ digest }: { digest: string }) => digest),
      [second!.digest],
    );
  });

  it('is found on all pages of a list', async () => {
    const { add, listed } = await begin();
    await add(statement('{"a":1}'), statement('{"b":2}'));
    const all = await listed();
    intercept = ({ url }, response) => {
      const [path, query] = (url ?? '').split('?');
      if (!path!.includes('/referrers/')) return false;
      const isLast = query === 'last=1';
      response.writeHead(200, {
        'Content-Type': 'application/vnd.oci.image.index.v1+json',
        ...(!isLast && { Link: `<${path}?last=1>; rel="next"` }),
      });
      const manifests = [all[isLast ? 1 : 0]];
      response.end(JSON.stringify({ schemaVersion: 2, manifests }));
      return true;
    };
    assert.deepEqual(await listed(), all);
  });

  for (const [name, status, list] of [
    ['none', 200, '{"schemaVersion":2,"manifests":null}'],
    ['another page', 200, '<html>'],
    ['a refusal to know such a list', 405, '{}'],
  ] as const) {
    it(`is nothing where a registry answers with ${name}`, async () => {
      const { listed } = await begin();
      intercept = ({ url }, response) => {
        if (!url?.includes('/referrers/')) return false;
        response.writeHead(status, { 'Content-Type': 'application/json' }).end(list);
        return true;
      };
      assert.deepEqual(await listed(), []);
    });
  }
});
