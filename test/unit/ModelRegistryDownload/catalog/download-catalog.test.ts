import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { schemaFaults } from '../../../../scripts/json-schema';
import { root } from '../../../../scripts/paths';
import { MANIFEST } from '../download';
import { asRead, FILES, MODEL, useCatalog } from './story';

const schema = JSON.parse(readFileSync(join(root, 'docs/model-manifest.schema.json'), 'utf8'));

const FILES_API = /\/api\/2\.0\/fs\/files\//;

describe('a download from Unity Catalog', () => {
  const story = useCatalog();
  const manifest = async () => JSON.parse(await readFile(join(story.destination, MANIFEST), 'utf8'));

  it('brings the files of a version, and says where they and their run come from', async () => {
    const outcome = await story.download();
    assert.equal(outcome.result, 'Succeeded');
    assert.deepEqual(await story.modelFiles(), asRead(FILES));
    const { name, version, source, files } = await manifest();
    assert.deepEqual(schemaFaults(await manifest(), schema), []);
    assert.deepEqual(Object.keys(source), Object.keys(schema.properties.source.oneOf[1].properties));
    assert.deepEqual([name, version], [MODEL, '1']);
    assert.deepEqual(source, {
      registryType: 'unityCatalog',
      host: new URL(story.workspace.url).host,
      model: MODEL,
      versionId: story.workspace.catalog.models.get(MODEL)!.versions.get(1)!.id,
      runId: '0123456789abcdef',
      runWorkspaceId: '4081234567890123',
      createdAt: source.createdAt,
    });
    assert.match(source.createdAt, /^\d{4}-\d\d-\d\dT/);
    assert.deepEqual([...new Set(files.map(({ etag }: { etag: null }) => etag))], [null]);
    assert.equal(story.step.outputs.modelVersion, '1');
    assert.equal(story.step.outputs.fileCount, 4);
    assert.match(story.step.summary, /Unity Catalog/);
    assert.match(story.step.summary, /MLflow run.*0123456789abcdef/);
  });

  it('reads by links, each file with the MD5 that the storage tells', async () => {
    await story.download();
    assert.ok(!story.asked().some((request) => FILES_API.test(request)), story.asked().join('\n'));
    assert.ok(story.workspace.storage.requests.every(({ headers }) => headers.authorization === undefined));
    assert.match(story.step.summary, /Content-MD5/);
    assert.doesNotMatch(story.step.summary, /length and/);
    assert.doesNotMatch(story.step.text + story.step.summary, /sig=/);
  });

  const closed: [how: string, close: () => void, why: RegExp][] = [
    [
      'gives no links',
      () => (story.workspace.givesLinks = false),
      /gives no links to them \(HTTP 403 PERMISSION_DENIED\)/,
    ],
    [
      'keeps its storage behind a firewall',
      () => (story.workspace.storage.state = 'refusing'),
      /turns this agent away/,
    ],
    ['has a storage that nobody can reach', () => void story.workspace.storage.stop(), /can't be re/],
  ];
  for (const [how, close, why] of closed) {
    it(`goes through a workspace that ${how}, and says so once`, async () => {
      close();
      await story.download();
      assert.deepEqual(await story.modelFiles(), asRead(FILES));
      assert.equal(story.step.lines.filter((line) => /come through the workspace/.test(line)).length, 1);
      assert.match(story.step.text, why);
      assert.match(story.step.summary, /length and time/);
    });
  }

  it('asks for another link where one has expired', async () => {
    story.workspace.storage.uses = 1;
    await story.download();
    assert.deepEqual(await story.modelFiles(), asRead(FILES));
    assert.ok(!story.asked().some((request) => FILES_API.test(request)));
  });

  it('transfers nothing when nothing has changed, whatever the version is asked for by', async () => {
    await story.download();
    for (const modelVersion of ['1', '@champion', 'latest']) {
      story.forget();
      const outcome = await story.download({ modelVersion });
      assert.match(outcome.message, /nothing: unchanged since the last download/);
      assert.equal(story.step.outputs.downloadedBytes, 0);
      assert.deepEqual(story.workspace.storage.requests, []);
      assert.ok(!story.asked().some((request) => /fs\/(files|create)/.test(request)));
    }
  });

  it('brings a model again that was deleted and made anew with the same number', async () => {
    await story.download();
    const { catalog } = story.workspace;
    catalog.models.delete(MODEL);
    catalog.register(MODEL, { ...FILES, MLmodel: 'another' });
    await story.download();
    assert.equal((await story.modelFiles()).MLmodel, 'another');
  });

  it('brings again only what is missing', async () => {
    await story.download();
    await rm(join(story.destination, 'MLmodel'));
    await story.download();
    assert.deepEqual(await story.modelFiles(), asRead(FILES));
    assert.equal(story.step.outputs.downloadedBytes, FILES.MLmodel!.length);
  });

  it('lists in pages, of which some are empty', async () => {
    await story.restart({ emptyPages: true, catalogPages: { versions: 1, entries: 1 } });
    story.workspace.catalog.register(MODEL, { MLmodel: 'two' });
    story.workspace.catalog.register(MODEL, { MLmodel: 'three' });
    await story.download({ modelVersion: 'latest' });
    assert.equal(story.step.outputs.modelVersion, '3');
    await story.download({ modelVersion: '1' });
    assert.deepEqual(await story.modelFiles(), asRead(FILES));
  });

  it('takes a file that fits into no memory by its parts', async () => {
    const big = Buffer.alloc(20 * 1024 * 1024, 'weights');
    story.workspace.catalog.register(MODEL, { 'model.bin': big });
    await story.download({ modelVersion: '2' });
    assert.equal((await readFile(join(story.destination, 'model.bin'))).compare(big), 0);
    assert.ok(story.workspace.storage.requests.length >= 4);
  });

  it('takes only what patterns match', async () => {
    await story.download({ patterns: '**\n!code/**' });
    const { 'code/ümlaut/train.py': _, ...rest } = asRead(FILES);
    assert.deepEqual(await story.modelFiles(), rest);
  });

  describe('of a volume', () => {
    const volume = '/Volumes/main/ml/registry/titanic';
    beforeEach(() => {
      const { catalog } = story.workspace;
      for (const version of ['1.0.0', '1.2.0', '2.0.0-rc.1']) {
        catalog.put(`${volume}/${version}/model.pkl`, `the model ${version}`);
        catalog.put(`${volume}/${version}/data/flags.pkl`, 'the flags');
      }
    });

    for (const [modelVersion, chosen] of [
      ['1.0.0', '1.0.0'],
      ['1.x', '1.2.0'],
      ['latest', '1.2.0'],
    ] as const) {
      it(`finds ${modelVersion} among its folders`, async () => {
        await story.download({ modelName: volume, modelVersion });
        assert.equal(story.step.outputs.modelVersion, chosen);
        assert.deepEqual(await story.modelFiles(), {
          'data/flags.pkl': 'the flags',
          'model.pkl': `the model ${chosen}`,
        });
        const { name, source } = await manifest();
        assert.deepEqual(schemaFaults(await manifest(), schema), []);
        assert.equal(name, 'titanic');
        assert.deepEqual(source, {
          registryType: 'volume',
          host: new URL(story.workspace.url).host,
          path: `${volume}/${chosen}/`,
        });
      });
    }

    it('passes over a version without the marker that others have', async () => {
      const { catalog } = story.workspace;
      catalog.put(`${volume}/1.0.0/_SUCCESS`, '');
      catalog.put(`${volume}/1.2.0/_SUCCESS`, '');
      catalog.put(`${volume}/1.3.0/model.pkl`, 'half of it');
      await story.download({ modelName: volume, modelVersion: 'latest' });
      assert.equal(story.step.outputs.modelVersion, '1.2.0');
      assert.match(story.step.text, /Passed over version 1\.3\.0/);
    });

    it('brings a file again that was replaced', async () => {
      await story.download({ modelName: volume, modelVersion: '1.0.0' });
      await new Promise((resolve) => setTimeout(resolve, 2));
      story.workspace.catalog.put(`${volume}/1.0.0/model.pkl`, 'another model');
      await story.download({ modelName: volume, modelVersion: '1.0.0' });
      assert.equal((await story.modelFiles())['model.pkl'], 'another model');
    });

    it('names the versions that there are', async () => {
      await assert.rejects(story.download({ modelName: volume, modelVersion: '3.0.0' }), {
        message: new RegExp(`no version '3\\.0\\.0' of the model in '${volume}'.*its versions are`),
      });
    });
  });
});
