import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readEngineParent } from '../../../../../tasks/AcrBuildPush/build/docker/engine-parent';
import { noteImage } from '../../../../../tasks/AcrBuildPush/build/noted-image';
import { DockerCli } from '../../../../../tasks/AcrBuildPush/docker/cli';
import type { ImageConfig } from '../../../../../tasks/AcrBuildPush/image/image';
import { RegistryClient } from '../../../../../tasks/AcrBuildPush/registry/client';
import type { EarlierImage, EarlierImages } from '../../../../../tasks/AcrBuildPush/registry/earlier-images';
import { layersOf } from '../../../../../tasks/AcrBuildPush/registry/known-layers';
import { fakeDocker, scriptedServer, temporaryFolder } from '../../support';

/** An engine with an image of 500 MB, of which the last two instructions made 2 MB. It can't save it. */
const DOCKER = `echo "$1" >> "$HERE/calls"
case "$1" in
  image) echo '["sha256:a","sha256:b"] 500000000 linux' ;;
  history) printf '1000000\\n1000000\\n498000000\\n' ;;
  save) exit 1 ;;
esac`;

describe('an image of an engine to build on', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let server: Awaited<ReturnType<typeof scriptedServer>>;

  beforeEach(async () => {
    folder = temporaryFolder();
    writeFileSync(join(folder.path, 'calls'), '');
    server = await scriptedServer((_, response) => response.writeHead(404).end());
  });
  afterEach(() => {
    server.stop();
    folder.remove();
  });

  const calls = () => readFileSync(join(folder.path, 'calls'), 'utf8').split('\n').filter(Boolean);

  function read({ earlier = [], more = 0 }: { earlier?: EarlierImage[]; more?: number }) {
    const { http, log, host } = server;
    const { signal } = new AbortController();
    const env = { ...fakeDocker(folder.path, DOCKER), HERE: folder.path };
    const docker = new DockerCli({ env, signal, log });
    return readEngineParent(
      { docker, id: 'sha256:1d', ownInstructions: 2 },
      {
        registry: new RegistryClient({ http, log, host, repository: 'titanic', credentials: undefined }),
        earlier: { all: async () => earlier } as Partial<EarlierImages> as EarlierImages,
        known: layersOf(earlier),
        tempFolder: folder.path,
        more,
        log,
        signal,
      },
    );
  }

  it('is left to docker where it has little of its own, and little comes on top', async () => {
    await assert.rejects(read({ more: 40_000_000 }), /Only 42\.0 MB of the image's 540 MB/);
    assert.deepEqual(calls(), ['image', 'history']);
  });

  it('is read where a large model comes on top', async () => {
    await assert.rejects(read({ more: 60_000_000 }), /What 'docker save' gave could not be read/);
  });

  describe('that an earlier image was built on', () => {
    const parent: ImageConfig = {
      os: 'linux',
      architecture: 'arm64',
      variant: 'v8',
      config: { Env: ['A=1'] },
      rootfs: { type: 'layers', diff_ids: ['sha256:a', 'sha256:b'] },
      history: [{ created_by: 'FROM' }, { created_by: 'RUN make' }, { created_by: 'ENV', empty_layer: true }],
    };
    const layers = ['a', 'b', 'c'].map((name) => ({
      mediaType: 'layer',
      digest: `sha256:${name}z`,
      size: 1,
    }));
    const image = (id: string): EarlierImage => ({
      repository: 'titanic',
      digest: 'sha256:image',
      layers,
      config: {
        ...parent,
        config: { Env: ['A=1', 'B=2'] },
        rootfs: { type: 'layers', diff_ids: [...parent.rootfs.diff_ids, 'sha256:c'] },
        history: [...parent.history!, { created_by: 'COPY' }],
        ...noteImage({ engineId: id, config: parent, layers: [{}, {}] as never }),
      },
    });

    it('is known by its id, and the engine is asked for nothing', async () => {
      const found = await read({ earlier: [image('sha256:1d')] });
      assert.deepEqual(found.image.config, parent);
      assert.deepEqual(
        found.image.layers.map((layer) => layer.kind === 'remote' && layer.descriptor.digest),
        ['sha256:az', 'sha256:bz'],
      );
      assert.deepEqual(calls(), []);
    });

    for (const [what, part] of [
      ['no layers', { layers: null }],
      ['layers below none', { layers: -1 }],
      ['settings that are none', { config: { Env: 'A=1' } }],
      ['a history that is none', { history: 'x' }],
    ] as const) {
      it(`is not known by a note with ${what}`, async () => {
        const { config, ...rest } = image('sha256:1d');
        const engineImage = { ...(config.engineImage as object), ...part };
        await assert.rejects(read({ earlier: [{ ...rest, config: { ...config, engineImage } }] }), /Only/);
      });
    }

    it('is another where its id is', async () => {
      await assert.rejects(read({ earlier: [image('sha256:0')] }), /Only/);
    });
  });
});
