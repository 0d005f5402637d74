import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type Registry, startRegistry } from '../../../../../local/registry/registry';
import { BaseNotes, FILE_NOTES } from '../../../../../tasks/AcrBuildPush/build/direct/base-notes';
import { NeedsEngine } from '../../../../../tasks/AcrBuildPush/build/direct/direct-build';
import type { FileNode } from '../../../../../tasks/AcrBuildPush/files/file-tree';
import { tarHeader } from '../../../../../tasks/AcrBuildPush/files/tar';
import type { LocalLayer, Manifest } from '../../../../../tasks/AcrBuildPush/image/image';
import { attach } from '../../../../../tasks/AcrBuildPush/publish/attach';
import { attachFileNotes } from '../../../../../tasks/AcrBuildPush/publish/file-notes';
import { publishImage } from '../../../../../tasks/AcrBuildPush/publish/publish-image';
import { RegistryClient } from '../../../../../tasks/AcrBuildPush/registry/client';
import { fixedCredentials } from '../../../../../tasks/AcrBuildPush/registry/credentials';
import { createPull } from '../../../../../tasks/AcrBuildPush/registry/pull';
import { findReferrers } from '../../../../../tasks/AcrBuildPush/registry/referrers';
import { Uploads } from '../../../../../tasks/AcrBuildPush/registry/upload';
import { HttpClient } from '../../../../../tasks/common/http';
import { capturedLog, directBuild, leastPlan } from '../../support';

const robot = { username: 'robot', password: 'p4ssword' };
const credentials = fixedCredentials('r', { kind: 'password', ...robot, input: 'acrPassword' });
const { signal } = new AbortController();

/** A folder, a link to it, and a file with the names of users. */
function baseLayer(): LocalLayer {
  const owned = { mode: 0o755, uid: 0, gid: 0 };
  const passwd = Buffer.from('mia:x:1234:1234::/home/mia:/bin/sh\n');
  const entries: [string, FileNode, Buffer?][] = [
    ['data', { kind: 'directory', ...owned, mode: 0o1777 }],
    ['model', { kind: 'symlink', ...owned, mode: 0o777, target: 'data' }],
    ['etc', { kind: 'directory', ...owned }],
    ['etc/passwd', { kind: 'file', ...owned, content: { kind: 'text', data: passwd } }, passwd],
  ];
  const tar = Buffer.concat([
    ...entries.flatMap(([path, node, content]) => [
      tarHeader({ path, node, linkTo: undefined, size: content?.length ?? 0 }),
      ...(content ? [content, Buffer.alloc(512 - content.length)] : []),
    ]),
    Buffer.alloc(1024),
  ]);
  const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
  const open = (start = 0) => Readable.from([tar.subarray(start)], { objectMode: false });
  return { kind: 'local', diffId, size: tar.length, open };
}

describe('what is noted beside a base image', () => {
  const folder = mkdtempSync(join(tmpdir(), 'base-notes-'));
  const context = mkdtempSync(join(tmpdir(), 'base-notes-context-'));
  const layer = baseLayer();
  let registry: Registry;
  let http: HttpClient;
  let fault: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  let base: RegistryClient;
  let manifest: Manifest;
  let count = 0;

  before(async () => {
    registry = await startRegistry({
      folder,
      ...robot,
      intercept: (request, response) => fault?.(request, response) ?? false,
    });
    const network = { proxyFor: () => undefined, tls: {} };
    http = new HttpClient({ log: capturedLog().log, signal, network, userAgent: 'test' });
    writeFileSync(join(context, 'model.pkl'), 'a model');
  });
  beforeEach(async () => {
    fault = undefined;
    base = clientOf(`team/base${count++}`);
    const { log } = capturedLog();
    const config = {
      ...{ os: 'linux', architecture: 'amd64' },
      rootfs: { type: 'layers', diff_ids: [layer.diffId] },
    };
    const image = { config: Buffer.from(JSON.stringify(config)), layers: [layer], platform: config };
    const place = { registry: base, uploads: new Uploads(base) };
    const options = { log, signal, compression: 'gzip', known: new Map() } as const;
    ({ manifest } = await publishImage(image, place, options));
    await base.put(manifest, '1');
  });
  after(async () => {
    http.close();
    await registry.stop();
    for (const one of [folder, context]) rmSync(one, { recursive: true, force: true });
  });

  function clientOf(repository: string): RegistryClient {
    const { log } = capturedLog();
    return new RegistryClient({ http, log, host: registry.loginServer, repository, credentials });
  }

  /** Builds in a repository of its own, as an agent that has seen nothing, and notes what it learnt. */
  async function build(lines = ['COPY --chown=mia model.pkl /model/']) {
    const { log, lines: logged } = capturedLog();
    const own = clientOf(`models/m${count++}`);
    const notes = new BaseNotes(own, log);
    const from = registry.requests.length;
    const recipe = [`FROM ${base.host}/${base.repository}:1`, ...lines].join('\n');
    const plan = { ...leastPlan, dockerfile: join(context, 'Dockerfile'), recipe, context };
    const pull = createPull({ http, log, credentialsFor: () => credentials });
    const image = await directBuild(plan, { pull, notes, log, signal });
    assert.ok(!(image instanceof NeedsEngine));
    const reads = registry.requests
      .slice(from)
      .some(({ path, method }) => method === 'GET' && path.includes(manifest.layers[0]!.digest));
    await attachFileNotes(notes.fresh, own, { log, signal });
    return { diffIds: image.layers.map(({ diffId }) => diffId), reads, log: logged.join('\n') };
  }

  const noted = async () =>
    (await findReferrers(base, manifest.digest)).filter(({ artifactType }) => artifactType === FILE_NOTES);

  it('spares every other repository the reading of its layers, whatever they ask', async () => {
    const first = await build();
    assert.ok(first.reads);
    assert.match(first.log, /Noted beside the base image in 'team\/base\d+'/);
    const second = await build();
    assert.ok(!second.reads);
    assert.deepEqual(second.diffIds, first.diffIds);
    assert.ok(!(await build(['COPY model.pkl /etc/', 'COPY model.pkl /new/'])).reads);
    assert.equal((await noted()).length, 1);
  });

  it('is not noted, and the build is as good, where the step may not write there', async () => {
    fault = (request, response) => {
      if (request.method !== 'POST' || !request.url!.startsWith(`/v2/${base.repository}/`)) return false;
      response.writeHead(403, { 'content-type': 'application/json' });
      response.end('{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}');
      return true;
    };
    const { reads, log } = await build();
    assert.ok(reads);
    assert.doesNotMatch(log, /Noted|##\[warning\]|denied/);
    assert.deepEqual(await noted(), []);
  });

  for (const [what, part, spoilt] of [
    ['is about other layers', layer.diffId, `sha256:${'0'.repeat(64)}`],
    ['has files of unknown kinds', '"kind":"directory"', '"kind":"socket"'],
    ['has files without an owner', '"uid":0,', ''],
    ['is something else', /"files":.*$/, '"files":[]}'],
  ] as const) {
    it(`is not believed where it ${what}`, async () => {
      const first = await build();
      const { digest } = (await noted())[0]!;
      const [blob] = (await base.manifest(digest)).layers;
      const notes = gunzipSync(await base.blob(blob!.digest)).toString();
      await base.send(base.path(`manifests/${digest}`), { method: 'DELETE' }, 'delete');
      const content = gzipSync(notes.replace(part, spoilt));
      const attachment = {
        artifactType: FILE_NOTES,
        blobs: [{ name: 'Notes', mediaType: blob!.mediaType, content }],
      };
      const place = { registry: base, uploads: new Uploads(base) };
      await attach(manifest, [attachment], [], place, { log: capturedLog().log, signal });
      const second = await build();
      assert.ok(second.reads);
      assert.deepEqual(second.diffIds, first.diffIds);
    });
  }
});
