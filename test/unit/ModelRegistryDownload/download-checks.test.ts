import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc64 } from '../../../tasks/ModelRegistryDownload/registry/crc64';
import { MANIFEST, useDownload } from './download';

describe('downloading a model', () => {
  const story = useDownload();

  describe('that says what it consists of', () => {
    const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
    const MODEL = { path: 'model.pkl', size: 9, sha256: sha256('the model') };
    const places: [where: string, file: string, lost: string, statement: (path: string) => object][] = [
      ['in its metadata', 'metadata.json', 'scaler.pkl', (path) => ({ files: [MODEL, { path, size: 5 }] })],
      [
        'in its manifest',
        MANIFEST,
        'scaler.pkl',
        (path) => ({ files: [MODEL, { path, sha256: 'a'.repeat(64) }] }),
      ],
      [
        'in the index of its weights',
        'hf/model.safetensors.index.json',
        'hf/model-00002-of-00002.safetensors',
        (path) => ({ metadata: {}, weight_map: { a: path.slice(3), b: path.slice(3) } }),
      ],
    ];
    for (const [where, file, lost, statement] of places) {
      it(`${where} is refused without one of those files, also by name and with patterns`, async () => {
        story.server.put('titanic', `1.0.0/${file}`, JSON.stringify(statement(lost)));
        const message = new RegExp(
          `'1\\.0\\.0' is not complete: it lacks '${lost}', which its ${file} names`,
        );
        await assert.rejects(story.download(), { name: 'TaskError', message });
        await assert.rejects(story.download({ patterns: ['lookup.pkl'] }), { name: 'TaskError', message });
        await story.download({ completeness: 'off' });
        assert.equal((await story.modelFiles())['model.pkl'], 'the model');
      });

      it(`${where} is passed over by latest without one of those files`, async () => {
        story.server.put('titanic', `1.0.0/${file}`, JSON.stringify(statement(lost)));
        for (const name of ['model.pkl', MANIFEST]) story.server.put('titanic', `0.9.0/${name}`, '{}');
        await story.download({ version: 'latest' });
        assert.equal(story.step.outputs.modelVersion, '0.9.0');
        assert.match(story.step.text, /Passed over version 1\.0\.0, which is not complete: it lacks/);
      });
    }

    it('is refused for a file that is not as long as it says', async () => {
      story.server.put('titanic', '1.0.0/metadata.json', JSON.stringify({ files: [{ ...MODEL, size: 10 }] }));
      await assert.rejects(
        story.download(),
        /has 'model\.pkl' with 9 bytes, where its metadata\.json says 10/,
      );
    });

    const others: unknown[] = [
      ['train.csv'],
      [{ path: 'train.csv', rows: 5 }],
      { 'train.csv': 1 },
      [null, 7],
      { main: 'model.pkl', format: 'pickle', made: { by: 'joblib 1.4' }, count: 3 },
      [MODEL, { path: 'data', size: 4096 }],
    ];
    for (const files of others) {
      it(`is not held to what only looks like a list of its files: ${JSON.stringify(files)}`, async () => {
        story.server.put('titanic', '1.0.0/metadata.json', JSON.stringify({ files, weight_map: { a: 'b' } }));
        await story.download();
      });
    }

    const SUM = MODEL.sha256;
    const inBase64 = (hex: string) => Buffer.from(hex, 'hex').toString('base64');
    const told = (path: string) => ({ path, size: path.endsWith('flags.pkl') ? 9 : 5 });
    /** Lists of model.pkl and of one other file, as programs of all kinds write them. */
    const lists: [how: string, list: (other: string) => unknown][] = [
      ['names alone', (other) => ['model.pkl', other]],
      ['names alone, with folders among them', (other) => ['model.pkl', 'data', 'data/', other]],
      ['objects without a size', (other) => [{ path: 'model.pkl' }, { path: other }]],
      ['objects that call the path a name', (other) => [{ ...MODEL, name: 'model.pkl' }, { name: other }]],
      ['an object of objects', (other) => ({ 'model.pkl': { size: 9, sha256: SUM }, [other]: told(other) })],
      ['an object of checksums', (other) => ({ 'model.pkl': SUM, [other]: sha256('the flags') })],
      ['an object of what each file is', (other) => ({ model: 'model.pkl', other })],
      ['paths that begin with a dot', (other) => [{ ...MODEL, path: './model.pkl' }, told(`./${other}`)]],
      ['backslashes', (other) => [{ ...MODEL, path: '.\\model.pkl' }, told(other.replaceAll('/', '\\'))]],
      [
        'paths of the container',
        (other) => [MODEL, told(other)].map((one) => ({ ...one, path: `1.0.0/${one.path}` })),
      ],
      [
        'paths of another machine',
        (other) => [MODEL, told(other)].map((one) => ({ ...one, path: `/dbfs/tmp/r/${one.path}` })),
      ],
      [
        'paths of Windows',
        (other) =>
          [MODEL, told(other)].map((one) => ({ ...one, path: `C:\\w\\${one.path.replaceAll('/', '\\')}` })),
      ],
      [
        'addresses',
        (other) =>
          [MODEL, told(other)].map((one) => ({
            ...one,
            path: `https://a.example/titanic/1.0.0/${one.path}`,
          })),
      ],
      [
        'paths above its folder',
        (other) => [MODEL, told(other)].map((one) => ({ ...one, path: `../1.0.0/${one.path}` })),
      ],
      [
        'a size that is a text',
        (other) => [
          { ...MODEL, size: '9' },
          { ...told(other), size: `${told(other).size}` },
        ],
      ],
      [
        'checksums in capitals',
        (other) => [{ ...MODEL, sha256: `SHA256:${SUM.toUpperCase()}` }, told(other)],
      ],
      ['checksums in Base64', (other) => [{ ...MODEL, sha256: inBase64(SUM) }, told(other)]],
      [
        'something else of other places',
        (other) => [MODEL, told(other), { path: '/data/train.csv', size: 7 }],
      ],
    ];
    for (const [how, list] of lists) {
      it(`is read where its list has ${how}`, async () => {
        const stateWith = (other: string) =>
          story.server.put('titanic', '1.0.0/metadata.json', JSON.stringify({ files: list(other) }));
        stateWith('data/flags.pkl');
        await story.download();
        assert.doesNotMatch(story.step.text, /warning/);
        // The file is called by its path in the version, whatever the list calls it.
        stateWith('data/lost.pkl');
        await assert.rejects(
          story.download(),
          /is not complete: it lacks 'data\/lost\.pkl', which its metadata\.json/,
        );
      });
    }

    const json = JSON.stringify({ note: 'NaN of "Infinity"', files: [MODEL, told('data/lost.pkl')] });
    const encodings: [how: string, content: Buffer][] = [
      [
        'with numbers that only Python takes for JSON',
        Buffer.from(json.replace('{', '{"f1":NaN,"loss":[-Infinity, Infinity],')),
      ],
      ['with a byte order mark', Buffer.from(`\ufeff${json}`)],
      ['in UTF-16', Buffer.from(`\ufeff${json}`, 'utf16le')],
      ['in UTF-16, the other way round', Buffer.from(`\ufeff${json}`, 'utf16le').swap16()],
    ];
    for (const [how, content] of encodings) {
      it(`is read where it is written ${how}`, async () => {
        story.server.put('titanic', '1.0.0/metadata.json', content);
        await assert.rejects(story.download(), /is not complete: it lacks 'data\/lost\.pkl'/);
      });
    }

    it('is downloaded with a warning where what it says cannot be read', async () => {
      story.server.put('titanic', '1.0.0/metadata.json', json.slice(0, -10));
      await story.download();
      assert.match(
        story.step.text,
        /##vso\[task\.logissue type=warning;\]'metadata\.json' of the version is no JSON/,
      );
    });

    it('is verified by the MD5 that it says, where the one that is stored is stale', async () => {
      const md5 = createHash('md5').update('the model').digest('base64');
      story.server.put('titanic', '1.0.0/model.pkl', 'the model', {
        md5: createHash('md5').update('an older one').digest('base64'),
      });
      story.server.put(
        'titanic',
        '1.0.0/metadata.json',
        JSON.stringify({ files: [{ path: 'model.pkl', md5 }] }),
      );
      await story.download();
      assert.match(
        story.step.text,
        /The MD5 that is stored with 'model\.pkl'.*Another checksum proves the file/,
      );
    });

    it('transfers nothing and asks for no data when nothing has changed', async () => {
      story.server.put('titanic', '1.0.0/metadata.json', JSON.stringify({ files: [MODEL] }));
      for (const version of ['1.0.0', 'latest']) {
        await story.download({ version });
        story.server.requests.length = 0;
        await story.download({ version });
        assert.deepEqual(story.server.reads, []);
      }
    });

    it('is verified by the MD5 that it says, where none is stored', async () => {
      const md5 = createHash('md5').update('the model').digest('hex');
      story.server.put('titanic', '1.0.0/model.pkl', 'the model', { md5: undefined });
      story.server.put(
        'titanic',
        '1.0.0/metadata.json',
        JSON.stringify({ files: [{ path: './model.pkl', md5 }] }),
      );
      let flips = 1;
      story.server.fault = ({ blob }) =>
        blob === '1.0.0/model.pkl' && flips-- > 0 ? { flipByte: 0 } : undefined;
      await story.download();
      assert.equal((await story.modelFiles())['model.pkl'], 'the model');
      assert.match(story.step.summary, /\| model\.pkl \|.*\| MD5 in the version \|/);
      const manifest = JSON.parse(await readFile(join(story.destination, MANIFEST), 'utf8'));
      assert.equal(manifest.files.find(({ path }: { path: string }) => path === 'model.pkl').md5, null);
    });
  });

  describe('whose stored MD5 is stale', () => {
    const stale = { md5: createHash('md5').update('an older model').digest('base64') };
    beforeEach(() => story.server.put('titanic', '1.0.0/model.pkl', 'the model', stale));

    it('is refused with the command that corrects it, and with what helps who may only read', async () => {
      const right = createHash('md5').update('the model').digest('base64');
      await assert.rejects(story.download(), (error: Error) => {
        assert.match(
          error.message,
          /stored with 'model\.pkl'.*left the MD5\. Correct it: az storage blob update/,
        );
        assert.ok(error.message.includes(`--name '1.0.0/model.pkl' --content-md5 ${right}`));
        assert.match(error.message, /not damaged.*'verify' to crc64/);
        return true;
      });
    });

    it('is taken with a warning, when the CRC64 of each part proves it', async () => {
      story.server.crc64 = crc64;
      await story.download({ verify: 'crc64' });
      assert.equal((await story.modelFiles())['model.pkl'], 'the model');
      assert.match(
        story.step.text,
        /type=warning;\]The MD5 that is stored with 'model\.pkl'.*CRC64 of each part proves/,
      );
      assert.match(story.step.summary, /\| model\.pkl \|.*\| CRC64 of each part \|/);
    });

    it('is taken with a warning, when the version states its SHA-256', async () => {
      const sha256 = createHash('sha256').update('the model').digest('hex');
      story.server.put(
        'titanic',
        '1.0.0/metadata.json',
        JSON.stringify({ files: [{ path: 'model.pkl', sha256 }] }),
      );
      await story.download();
      assert.equal((await story.modelFiles())['model.pkl'], 'the model');
      assert.match(story.step.text, /type=warning;\]The MD5 that is stored with 'model\.pkl'/);
    });
  });

  it('whose stored MD5 is stale is refused with one command, whatever the name of the file holds', async () => {
    const name = "it's $(id).pkl";
    story.server.put('titanic', `1.0.0/${name}`, 'x', {
      md5: createHash('md5').update('y').digest('base64'),
    });
    await assert.rejects(story.download(), (error: Error) => {
      const [, word] = /--name (.*) --content-md5/.exec(error.message)!;
      assert.equal(execFileSync('sh', ['-c', `printf %s ${word}`], { encoding: 'utf8' }), `1.0.0/${name}`);
      return true;
    });
  });

  it('with an empty file whose stored MD5 is stale can be taken as well', async () => {
    story.server.crc64 = crc64;
    story.server.put('titanic', '1.0.0/empty.txt', '', {
      md5: createHash('md5').update('y').digest('base64'),
    });
    await assert.rejects(story.download(), /stored with 'empty\.txt'.*'verify' to crc64/);
    await story.download({ verify: 'crc64' });
    assert.equal((await story.modelFiles())['empty.txt'], '');
    assert.match(story.step.text, /type=warning;\]The MD5 that is stored with 'empty\.txt'/);
  });

  for (const [what, md5] of [
    ['a text', 'unknown'],
    ['hexadecimal digits', '9e107d9d372bb6826bd81d3542a419d6'],
    ['another checksum', createHash('sha256').update('the model').digest('base64')],
  ] as const) {
    it(`that has ${what} in the place of an MD5 counts as having none`, async () => {
      story.server.put('titanic', '1.0.0/model.pkl', 'the model', { md5 });
      await story.download();
      assert.match(story.step.summary, /\| model\.pkl \|.*\| length and ETag \|/);
    });
  }

  describe('that arrives damaged', () => {
    it('downloads the file again, and says so', async () => {
      let flips = 1;
      story.server.fault = ({ blob }) =>
        blob === '1.0.0/model.pkl' && flips-- > 0 ? { flipByte: 0 } : undefined;
      await story.download();
      assert.equal((await story.modelFiles())['model.pkl'], 'the model');
      assert.match(story.step.text, /'model\.pkl' arrived damaged: its MD5/);
    });

    it('notices by the SHA-256 that the version states, where no MD5 is stored', async () => {
      const sha256 = createHash('sha256').update('the model').digest('hex');
      story.server.put('titanic', '1.0.0/model.pkl', 'the model', { md5: undefined });
      story.server.put(
        'titanic',
        `1.0.0/${MANIFEST}`,
        JSON.stringify({ files: [{ path: 'model.pkl', sha256 }] }),
      );
      let flips = 1;
      story.server.fault = ({ blob }) =>
        blob === '1.0.0/model.pkl' && flips-- > 0 ? { flipByte: 0 } : undefined;
      await story.download();
      assert.equal((await story.modelFiles())['model.pkl'], 'the model');
      assert.match(story.step.summary, /\| model\.pkl \| 9 B \| [0-9a-f]{12} \| SHA-256 in the version \|/);
    });
  });

  it('reads the checksums that the version states over a connection that breaks', async () => {
    const sha256 = createHash('sha256').update('the model').digest('hex');
    const stated = JSON.stringify({ files: [{ path: 'model.pkl', sha256 }] });
    story.server.put('titanic', '1.0.0/metadata.json', stated);
    let resets = 1;
    story.server.fault = ({ blob }) =>
      blob === '1.0.0/metadata.json' && resets-- > 0 ? { resetAfter: 10 } : undefined;
    await story.download();
    assert.match(story.step.summary, /\| model\.pkl \|.*\| SHA-256 in the version \|/);
  });
});
