import assert from 'node:assert/strict';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { billOfMaterials } from '../../../../tasks/AcrBuildPush/bill-of-materials/document';
import { layersToRead, takeInventory } from '../../../../tasks/AcrBuildPush/bill-of-materials/inventory';
import { LayerPackages } from '../../../../tasks/AcrBuildPush/bill-of-materials/layer-packages';
import { modelComponent } from '../../../../tasks/AcrBuildPush/bill-of-materials/model';
import { readNotes } from '../../../../tasks/AcrBuildPush/bill-of-materials/notes';
import { capturedLog } from '../support';
import { debian, type LayerEntry, localLayer, python } from './support';

const OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\n';
const SITE = 'usr/local/lib/python3.12/site-packages';
const DIGEST = `sha256:${'a1'.repeat(32)}`;

const MODEL = {
  name: 'titanic',
  version: '1.2.0',
  digest: `sha256:${'b2'.repeat(32)}`,
  trainingRun: '42',
  files: [{ path: 'model.pkl', sha256: 'c3'.repeat(32), size: 1_024 }],
  metadata: {
    content: {
      model: 'titanic',
      version: '1.2.0',
      metrics: { accuracy: 0.81, f1: 0.7 },
      parameters: { n_estimators: 100, grid: [1, 2] },
      datasets: [{ name: 'people', url: 'https://example.com/people.csv', rows: 891 }, 'ports'],
      estimator: 'RandomForestClassifier(max_depth=4)',
      libraries: { numpy: '2.1.0' },
      features: ['age', 'class'],
      gitCommit: null,
      huge: 'x'.repeat(10_000),
    },
  },
};

type Document = {
  metadata: { timestamp: string; properties: { name: string; value: string }[] };
  components: {
    type: string;
    name: string;
    purl?: string;
    evidence?: { occurrences: object[] };
    [key: string]: unknown;
  }[];
  compositions: { aggregate: string }[];
  [key: string]: unknown;
};

/** Reads layers, those of numbers not at all. */
async function inventoryOf(
  layers: readonly (Readonly<Record<string, LayerEntry>> | number)[],
  noted = [] as Buffer[],
) {
  const packages = new LayerPackages(capturedLog().log);
  const diffIds: string[] = [];
  for (const entries of layers) {
    if (typeof entries === 'number') diffIds.push(`sha256:${String(entries).repeat(64)}`);
    else {
      const layer = localLayer(entries);
      diffIds.push(layer.diffId);
      await packages.read(layer, new AbortController().signal);
    }
  }
  const notes = noted.map((one) => readNotes(one)!);
  return { inventory: takeInventory(diffIds, packages.known, notes), diffIds, notes, known: packages.known };
}

async function bill(...layers: Parameters<typeof inventoryOf>[0]) {
  const { inventory } = await inventoryOf(layers);
  return billOf(inventory);
}

function billOf(inventory: Parameters<typeof billOfMaterials>[1]): Buffer {
  const subject = {
    name: 'r.azurecr.io/models/titanic-model-api',
    digest: DIGEST,
    architecture: 'amd64',
    created: '2026-11-30T00:00:00.000Z',
    base: { name: 'docker.io/library/python:3.12-slim', digest: `sha256:${'d4'.repeat(32)}` },
  };
  return billOfMaterials(subject, inventory, modelComponent(MODEL), '1.2.3');
}

async function packagesOf(...layers: Parameters<typeof inventoryOf>[0]): Promise<string[]> {
  const { components }: Document = JSON.parse((await bill(...layers)).toString());
  return components.filter(({ type }) => type === 'library').map(({ purl }) => purl!);
}

describe('the bill of materials of an image', () => {
  const full = {
    'usr/lib/os-release': OS_RELEASE,
    'etc/os-release': { link: '../usr/lib/os-release' },
    'var/lib/dpkg/status':
      debian('libc6', '2.41-12+deb13u1', 'Source: glibc (2.41-12)\n') + debian('tar', '1.35'),
    [`${SITE}/Flask_Login-0.6.3.dist-info/METADATA`]: python('Flask_Login', '0.6.3'),
    [`${SITE}/old-1.0.egg-info/PKG-INFO`]: python('old', '1.0'),
    [`${SITE}/file-2.0.egg-info`]: python('file', '2.0'),
    'opt/conda/conda-meta/numpy-2.1.0-py312.json':
      '{"name":"numpy","version":"2.1.0","build":"py312","subdir":"linux-64"}',
    'opt/conda/conda-meta/history': 'x',
  };

  it('lists the packages of every manager by the names that scanners know them by', async () => {
    assert.deepEqual(await packagesOf(full), [
      'pkg:conda/numpy@2.1.0?build=py312&subdir=linux-64',
      'pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64&distro=debian-13&upstream=glibc%402.41-12',
      'pkg:deb/debian/tar@1.35?arch=amd64&distro=debian-13',
      'pkg:pypi/file@2.0',
      'pkg:pypi/flask-login@0.6.3',
      'pkg:pypi/old@1.0',
    ]);
  });

  it('lists those of Alpine, and of images without a package manager', async () => {
    const alpine = {
      'etc/os-release': 'ID=alpine\nVERSION_ID=3.22.1\n',
      'lib/apk/db/installed':
        'C:Q1x=\nP:musl\nV:1.2.5-r9\nA:x86_64\no:musl\nL:MIT\n\nP:libcrypto3\nV:3.5.1-r0\nA:x86_64\no:openssl\n',
    };
    assert.deepEqual(await packagesOf(alpine), [
      'pkg:apk/alpine/libcrypto3@3.5.1-r0?arch=x86_64&distro=alpine-3.22.1&upstream=openssl',
      'pkg:apk/alpine/musl@1.2.5-r9?arch=x86_64&distro=alpine-3.22.1',
    ]);
    const distroless = {
      'usr/lib/os-release': OS_RELEASE,
      'var/lib/dpkg/status.d/base': 'Package: base-files\nVersion: 13.8\nArchitecture: amd64\n',
      'var/lib/dpkg/status.d/base.md5sums': 'Package: no\nVersion: 1\n',
    };
    assert.deepEqual(await packagesOf(distroless), [
      'pkg:deb/debian/base-files@13.8?arch=amd64&distro=debian-13',
    ]);
  });

  it('leaves out packages whose files are gone, and keeps those that are not set up', async () => {
    const status = ['deinstall ok config-files', 'purge ok not-installed', 'install ok half-configured']
      .map((state, index) => debian(`p${index}`, '1').replace('install ok installed', state))
      .join('');
    assert.deepEqual(await packagesOf({ 'var/lib/dpkg/status': status }), ['pkg:deb/debian/p2@1?arch=amd64']);
  });

  it('tells where each was found, once however often it is there', async () => {
    const path = `${SITE}/flask-3.0.dist-info/METADATA`;
    const document: Document = JSON.parse(
      (
        await bill(
          { a: 'x', [path]: python('flask', '3.0') },
          {
            'opt/venv/flask-3.0.dist-info/METADATA': { hardlink: 'z' },
            'app/flask-3.0.dist-info/METADATA': python('Flask', '3.0'),
          },
        )
      ).toString(),
    );
    const [flask, ...others] = document.components.filter(({ type }) => type === 'library');
    assert.equal(others.length, 0);
    assert.deepEqual(flask!.evidence!.occurrences, [
      { location: '/app/flask-3.0.dist-info/METADATA', additionalContext: 'layer 2' },
      { location: `/${path}`, additionalContext: 'layer 1' },
    ]);
  });

  it('follows links of a file within a layer', async () => {
    const found = await packagesOf(
      {
        'root/.cache/uv/x/a-1.dist-info/METADATA': python('a', '1'),
        [`${SITE}/a-1.dist-info/METADATA`]: { hardlink: 'root/.cache/uv/x/a-1.dist-info/METADATA' },
      },
      { 'root/.cache/.wh.uv': '' },
    );
    assert.deepEqual(found, ['pkg:pypi/a@1']);
  });

  describe('never lists what an upper layer has taken away', () => {
    const below = {
      [`${SITE}/a-1.dist-info/METADATA`]: python('a', '1'),
      'opt/b-1.dist-info/METADATA': python('b', '1'),
    };
    const cases: Record<string, Record<string, LayerEntry>> = {
      'the file': { [`${SITE}/a-1.dist-info/.wh.METADATA`]: '' },
      'its folder': { [`${SITE}/.wh.a-1.dist-info`]: '' },
      'a folder far above': { 'usr/.wh.local': '' },
      'all of a folder': { [`${SITE}/.wh..wh..opq`]: '' },
      'by a link in the place of a folder': { 'usr/local/lib': { link: '/opt/lib' } },
      'by a file in the place of a folder': { usr: 'x' },
      'by another file': { [`${SITE}/a-1.dist-info/METADATA`]: '' },
    };
    for (const [name, layer] of Object.entries(cases)) {
      it(name, async () => assert.deepEqual(await packagesOf(below, layer), ['pkg:pypi/b@1']));
    }

    it('all of the image', async () => assert.deepEqual(await packagesOf(below, { '.wh..wh..opq': '' }), []));

    it('though not what it has itself', async () => {
      const again = { [`${SITE}/.wh..wh..opq`]: '', [`${SITE}/c-1.dist-info/METADATA`]: python('c', '1') };
      assert.deepEqual(await packagesOf(below, again), ['pkg:pypi/b@1', 'pkg:pypi/c@1']);
    });

    it('nor what only looks alike', async () => {
      assert.deepEqual(
        await packagesOf(below, { op: 'x', [`${SITE}/.wh.a-1`]: '', 'optional/.wh..wh..opq': '' }),
        ['pkg:pypi/a@1', 'pkg:pypi/b@1'],
      );
    });
  });

  describe('says what was not read', () => {
    const remarks = (document: Buffer): string[] =>
      (JSON.parse(document.toString()) as Document).metadata.properties
        .filter(({ name }) => name === 'acr-build-push:not-read')
        .map(({ value }) => value);

    it('nothing, where all was', async () => {
      const document = await bill(full);
      assert.deepEqual(remarks(document), []);
      assert.equal(JSON.parse(document.toString()).compositions[0].aggregate, 'unknown');
    });

    it('layers, and with them all that lies below', async () => {
      const document = await bill(full, 7, { 'app/x-1.dist-info/METADATA': python('x', '1') });
      assert.deepEqual(remarks(document), ['layers 1 to 2 of 3: what they hold was not looked at']);
      assert.equal(JSON.parse(document.toString()).compositions[0].aggregate, 'incomplete');
      assert.deepEqual(await packagesOf(full, 7, { 'app/x-1.dist-info/METADATA': python('x', '1') }), [
        'pkg:pypi/x@1',
      ]);
    });

    it('databases of another format, and those that are too large', async () => {
      const document = await bill({
        'var/lib/rpm/rpmdb.sqlite': 'SQLite',
        'var/lib/dpkg/status': Buffer.alloc(32 * 1024 * 1024 + 1, 'x'),
        [`${SITE}/big-1.dist-info/METADATA`]: python('big', '1') + 'x'.repeat(5_000_000),
      });
      assert.deepEqual(remarks(document), [
        '/var/lib/rpm/rpmdb.sqlite in layer 1: what rpm has installed is in a database that is not read',
        '/var/lib/dpkg/status in layer 1: it has 33554433 bytes',
      ]);
      assert.match(document.toString(), /pkg:pypi\/big@1/);
    });
  });

  it('is the same however often it is made', async () => {
    assert.deepEqual(await bill(full), await bill(full));
  });

  it('is valid by the schema of CycloneDX', async () => {
    const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
    for (const document of [
      await bill(full),
      await bill(),
      await bill(7),
      await bill({ 'var/lib/rpm/Packages': 'x' }),
    ]) {
      assert.equal(await validator.validate(document.toString()), null);
    }
    const wrong = (await bill(full)).toString().replace('"SHA-256"', '"sha256"');
    assert.notEqual(await validator.validate(wrong), null, 'the validator sees what is wrong');
  });

  it('has the model with its files, metrics, data and parameters', async () => {
    const { components }: Document = JSON.parse((await bill(full)).toString());
    const model = components.find(({ type }) => type === 'machine-learning-model')!;
    const { name, version, hashes, modelCard, components: files } = model as Record<string, unknown>;
    assert.deepEqual(
      { name, version, hashes },
      {
        name: 'titanic',
        version: '1.2.0',
        hashes: [{ alg: 'SHA-256', content: 'b2'.repeat(32) }],
      },
    );
    assert.deepEqual(files, [
      {
        type: 'file',
        'bom-ref': 'pkg:generic/titanic@1.2.0#model.pkl',
        name: 'model.pkl',
        hashes: [{ alg: 'SHA-256', content: 'c3'.repeat(32) }],
        properties: [{ name: 'size', value: '1024' }],
      },
    ]);
    assert.deepEqual(modelCard, {
      modelParameters: {
        modelArchitecture: 'RandomForestClassifier(max_depth=4)',
        datasets: [
          {
            type: 'dataset',
            name: 'people',
            contents: { url: 'https://example.com/people.csv', properties: [{ name: 'rows', value: '891' }] },
          },
          { type: 'dataset', name: 'ports' },
        ],
      },
      quantitativeAnalysis: {
        performanceMetrics: [
          { type: 'accuracy', value: '0.81' },
          { type: 'f1', value: '0.7' },
        ],
      },
      properties: [
        { name: 'parameter:n_estimators', value: '100' },
        { name: 'parameter:grid', value: '[1,2]' },
        { name: 'trainingRun', value: '42' },
        { name: 'libraries:numpy', value: '2.1.0' },
        { name: 'features', value: '["age","class"]' },
      ],
    });
  });

  describe('of an earlier image spares the reading of the layers that the next one has as well', () => {
    const top = { 'app/model.pkl': 'one' };
    const another = { 'app/model.pkl': 'another' };
    const upgrade = { 'var/lib/dpkg/status': debian('tar', '2'), [`${SITE}/.wh.old-1.0.egg-info`]: '' };

    /** The layers of the second image, of which the first `shared` are those of the first. */
    async function second(
      first: readonly Record<string, LayerEntry>[],
      shared: number,
      own: readonly Record<string, LayerEntry>[],
    ) {
      const earlier = await inventoryOf(first);
      const whole = await inventoryOf([...first.slice(0, shared), ...own]);
      const unread = new Map(
        [...whole.known].filter(([diffId]) => !earlier.diffIds.slice(0, shared).includes(diffId)),
      );
      const notes = [readNotes(billOf(earlier.inventory))!];
      return {
        missing: layersToRead(whole.diffIds, unread, notes),
        made: billOf(takeInventory(whole.diffIds, unread, notes)).toString(),
        expected: billOf(whole.inventory).toString(),
        diffIds: whole.diffIds,
      };
    }

    it('with the same document as if they were read', async () => {
      const { missing, made, expected } = await second([full, upgrade, top], 2, [another]);
      assert.deepEqual(missing, []);
      assert.equal(made, expected);
      assert.match(made, /tar@2/);
    });

    it('unless an upper layer of the earlier image has taken some of it away', async () => {
      const { missing, diffIds } = await second([full, upgrade], 1, [another]);
      assert.deepEqual(missing, [diffIds[0]]);
    });

    it('with what could not be read before', async () => {
      const rpm = { 'var/lib/rpm/Packages': 'x' };
      const { missing, made, expected } = await second([rpm, top], 1, [another]);
      assert.deepEqual(missing, []);
      assert.equal(made, expected);
      assert.match(made, /what rpm has installed/);
    });

    it('but not where somebody else has made it', async () => {
      const text = billOf((await inventoryOf([full])).inventory).toString();
      assert.ok(readNotes(Buffer.from(text)));
      assert.equal(readNotes(Buffer.from(text.replace('"AcrBuildPush"', '"syft"'))), undefined);
      for (const broken of [
        '',
        'null',
        '[]',
        '{"metadata":{"tools":{"components":[{"name":"AcrBuildPush"}]}}}',
      ]) {
        assert.equal(readNotes(Buffer.from(broken)), undefined);
      }
    });
  });
});
