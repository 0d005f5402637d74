import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type Registry, startRegistry } from '../../../../local/registry/registry';
import { BASE_NOTE } from '../../../../tasks/AcrBuildPush/base-notes/base-notes';
import { layersToRead, takeInventory } from '../../../../tasks/AcrBuildPush/bill-of-materials/inventory';
import { findReferrers, referrersTag } from '../../../../tasks/AcrBuildPush/registry/referrers';
import { withoutReferrers } from '../../../support/registry-without-referrers';
import { temporaryFolder } from '../support';
import { type Built, buildFor, plant, pushBase, type Repository, repositoryOf, USER } from './support';

type Base = Awaited<ReturnType<typeof pushBase>>;
type Intercept = (request: IncomingMessage, response: ServerResponse) => boolean;

const refuse: Intercept = (_, response) => {
  response.writeHead(403).end('{"errors":[{"code":"DENIED","message":"requested access is denied"}]}');
  return true;
};

describe('the first build of a repository on a base image', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let registry: Registry;
  let elsewhere: Registry;
  let intercept: Intercept;
  let bases: Repository;
  let base: Base;
  let count = 0;

  before(async () => {
    folder = temporaryFolder();
    writeFileSync(join(folder.path, 'model.pkl'), 'a model');
    const start = (name: string) =>
      startRegistry({
        folder: join(folder.path, name),
        ...USER,
        intercept: (request, response) => intercept(request, response),
      });
    intercept = () => false;
    [registry, elsewhere] = await Promise.all([start('registry'), start('elsewhere')]);
  });
  beforeEach(async () => {
    intercept = () => false;
    bases = repositoryOf(registry, `bases/b${count++}`);
    base = await pushBase(bases, '1');
  });
  after(async () => {
    await Promise.all([registry.stop(), elsewhere.stop()]);
    folder.remove();
  });

  /** Builds `COPY model.pkl /models/`, where only the base image tells that `/models` is a link. */
  const build = (from = base.name, changes = {}, where = registry): Promise<Built> =>
    buildFor(
      repositoryOf(where, `api${count++}`),
      folder.path,
      [`FROM ${from}`, 'COPY --chown=api model.pkl /models/'],
      changes,
    );

  const reads = (where = registry, { images } = base) =>
    where.requests.filter(
      ({ method, path }) =>
        method === 'GET' && images.some(({ layer }) => path.endsWith(`/blobs/${layer.digest}`)),
    ).length;

  const notesOf = async (client = bases, { images } = base) => {
    const listed = await Promise.all(images.map(({ manifest }) => findReferrers(client, manifest.digest)));
    return listed.map((entries) => entries.filter(({ artifactType }) => artifactType === BASE_NOTE));
  };

  const warnings = ({ lines }: Built) => lines.filter((line) => /warning|error/i.test(line));

  it('reads it, and the first one of every other repository does not', async () => {
    const first = await build();
    const before = reads();
    assert.ok(before > 0);
    const second = await build();
    assert.equal(reads(), before);
    assert.deepEqual(second.config.rootfs, first.config.rootfs);
    assert.deepEqual(second.config.baseImageFiles, first.config.baseImageFiles);
    assert.ok(second.lines.some((line) => /noted beside it .* layers are not read/.test(line)));
    assert.ok(
      first.lines.some((line) => /^Noted what is in the base image beside it, in repository/.test(line)),
    );
    assert.deepEqual([...warnings(first), ...warnings(second)], []);
  });

  it('knows its packages without reading it', async () => {
    const { config } = await build();
    const { packages } = await build();
    const layers = config.rootfs.diff_ids.slice(0, 1);
    assert.deepEqual(layersToRead(layers, packages.known, packages.noted), []);
    const { files, unknown } = takeInventory(layers, packages.known, packages.noted);
    assert.deepEqual([[...files.keys()].sort(), unknown], [['etc/os-release', 'var/lib/dpkg/status'], 0]);
  });

  it('finds what was noted of its platform, and notes another one by itself', async () => {
    await build();
    const before = reads();
    await build(base.name, { platform: 'linux/arm64' });
    assert.ok(reads() > before);
    const [amd64, arm64] = await notesOf();
    assert.deepEqual([amd64!.length, arm64!.length], [1, 1]);
    assert.notEqual(amd64![0]!.digest, arm64![0]!.digest);
  });

  it('writes the same note as others that write at the same time', async () => {
    await Promise.all([build(), build(), build(base.name, { billed: false })]);
    const [notes] = await notesOf();
    assert.equal(notes!.length, 1);
  });

  it('finds it under the tag, in a registry that lists nothing by itself', async () => {
    intercept = withoutReferrers;
    await build();
    assert.ok(await bases.findManifest(referrersTag(base.images[0]!.manifest.digest)));
    const before = reads();
    await build();
    assert.equal(reads(), before);
  });

  for (const [what, isRefused] of [
    ['refuses to be written to', (method: string) => method !== 'GET' && method !== 'HEAD'],
    ['refuses what says something of another image', (method: string) => method === 'PUT'],
  ] as const) {
    it(`succeeds without a word where the repository of the base image ${what}`, async () => {
      intercept = (request, response) =>
        request.url!.includes(bases.repository) &&
        !request.url!.includes('scope') &&
        isRefused(request.method!) &&
        refuse(request, response);
      const step = await build();
      assert.deepEqual(warnings(step), []);
      const about = step.lines.filter((line) => /not noted/.test(line));
      assert.ok(about.length === 1 && /debug/.test(about[0]!), about.join('\n'));
      const [notes] = await notesOf();
      assert.equal(notes!.length, 0);
    });
  }

  it('does not wait for a registry that never says what is noted, and takes no note', async () => {
    intercept = (request) => request.url!.includes('/referrers/');
    const step = await build(base.name, { limit: 20 });
    assert.deepEqual(warnings(step), []);
    assert.equal(step.config.rootfs.diff_ids.length, 2);
  });

  it('writes nothing to another registry, and reads what is noted there', async () => {
    const far = repositoryOf(elsewhere, `bases/b${count++}`);
    const foreign = await pushBase(far, '1');
    await build(foreign.name);
    const writes = elsewhere.requests.filter(({ method }) => method === 'PUT').length;
    await build(foreign.name);
    assert.deepEqual(await notesOf(far, foreign), [[], []]);
    assert.equal(elsewhere.requests.filter(({ method }) => method === 'PUT').length, writes);
    await build(foreign.name, {}, elsewhere);
    const before = reads(elsewhere, foreign);
    await build(foreign.name);
    assert.equal(reads(elsewhere, foreign), before);
  });

  describe('with notes that somebody has planted', () => {
    let right: Built;
    let honest: string;

    beforeEach(async () => {
      right = await build();
      const [notes] = await notesOf();
      const [blob] = (await bases.manifest(notes![0]!.digest)).layers;
      honest = (await bases.blob(blob!.digest)).toString();
      // The same image in a repository where nobody has noted anything yet.
      bases = repositoryOf(registry, `bases/b${count++}`);
      base = await pushBase(bases, '1');
    });

    const planted = (...contents: string[]) =>
      plant(
        bases,
        base.images[0]!.manifest,
        BASE_NOTE,
        contents.map((one) => Buffer.from(one)),
      );
    const lie = () => honest.replace('"models":"srv/models"', '"models":"etc"');

    it('is misled by one that lies where a tag names the image, as by whoever sets the tag', async () => {
      assert.notEqual(lie(), honest);
      await planted(lie());
      assert.notDeepEqual((await build()).config.rootfs, right.config.rootfs);
    });

    it('is not misled where FROM names a digest', async () => {
      await planted(lie());
      const pinned = `${bases.host}/${bases.repository}:1@${base.index.digest}`;
      assert.deepEqual((await build(pinned)).config.rootfs, right.config.rootfs);
    });

    it('is not misled where the image is signed', async () => {
      await planted(lie());
      assert.deepEqual((await build(base.name, { isTrusting: false })).config.rootfs, right.config.rootfs);
    });

    it('reads the layers where one contradicts another', async () => {
      await planted(honest);
      await planted(lie());
      assert.deepEqual((await build()).config.rootfs, right.config.rootfs);
    });

    for (const [what, content] of [
      ['that makes no sense', ['{"layers":']],
      ['that is about nothing', []],
      ['that is about other layers', [JSON.stringify({ layers: ['sha256:0'] })]],
    ] as const) {
      it(`reads the layers beside one ${what}, and notes them as they are`, async () => {
        await planted(...content);
        const step = await build();
        assert.deepEqual([step.config.rootfs, warnings(step)], [right.config.rootfs, []]);
        const before = reads();
        assert.deepEqual((await build()).config.rootfs, right.config.rootfs);
        assert.equal(reads(), before);
      });
    }

    it('reads the layers where the registry fails to tell', async () => {
      intercept = (request, response) => {
        if (!request.url!.includes('/referrers/')) return false;
        response.writeHead(503).end();
        return true;
      };
      const step = await build();
      assert.deepEqual([step.config.rootfs, warnings(step)], [right.config.rootfs, []]);
    });
  });
});
