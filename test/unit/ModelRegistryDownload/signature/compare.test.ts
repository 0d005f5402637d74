import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compareWithSigned } from '../../../../tasks/ModelRegistryDownload/signature/compare';
import type { SignedModel } from '../../../../tasks/ModelRegistryDownload/signature/signed-model';
import { temporaryFolder } from '../support';

const digest = (content: string, hash = 'sha256') => createHash(hash).update(content).digest('hex');

describe('a model beside what was signed', () => {
  let room: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeEach(async () => {
    room = await temporaryFolder();
  });
  afterEach(() => room.remove());

  async function compare(
    files: Readonly<Record<string, string>>,
    resources: Readonly<Record<string, string>>,
    changes: Partial<SignedModel> & { registered?: readonly string[] } = {},
  ) {
    for (const [path, content] of Object.entries(files))
      await writeFile(join(room.path, path.replace('/', '_')), content);
    const signed = {
      digest: '',
      key: '',
      hash: 'sha256' as const,
      shardSize: undefined,
      ignored: [],
      ...changes,
      resources: new Map(Object.entries(resources)),
    };
    return compareWithSigned(signed, {
      files: Object.entries(files).map(([path, content]) => ({
        path,
        size: content.length,
        sha256: digest(content),
      })),
      registered: new Set([...Object.keys(files), ...(changes.registered ?? [])]),
      open: (path) => openSync(join(room.path, path.replace('/', '_')), 'r'),
      signal: new AbortController().signal,
    });
  }

  it('is as it was signed', async () => {
    const all = { 'model.pkl': 'a', 'data/empty': '', 'model.sig': 'never signed' };
    const coverage = await compare(all, { 'model.pkl': digest('a'), 'data/empty': digest('') });
    assert.deepEqual(coverage, { uncovered: [], absent: [] });
  });

  it('is refused with a file that has changed, one that was added, and one that is gone', async () => {
    await assert.rejects(compare({ a: 'x' }, { a: digest('y') }), /changed since it was signed 'a'/);
    await assert.rejects(compare({ a: 'x', b: 'x' }, { a: digest('x') }), /knows nothing of 'b'/);
    await assert.rejects(compare({ a: 'x' }, { a: digest('x'), b: digest('x') }), /does not hold: 'b'/);
  });

  it('is refused with a name in another case', async () => {
    await assert.rejects(compare({ Model: 'x' }, { model: digest('x') }), /knows nothing of 'Model'/);
  });

  it('may be downloaded in part', async () => {
    const { absent } = await compare({ a: 'x' }, { a: digest('x'), b: digest('x') }, { registered: ['b'] });
    assert.deepEqual(absent, ['b']);
  });

  it('tells what its signer left out', async () => {
    const files = { a: 'x', cache: '1', 'cache/b': '1', '.gitignore': '2' };
    const { uncovered } = await compare(files, { a: digest('x') }, { ignored: ['cache'] });
    assert.deepEqual(uncovered, ['cache', 'cache/b', '.gitignore']);
    await assert.rejects(
      compare({ a: 'x', 'b/.git': '1', caches: '2' }, { a: digest('x') }, { ignored: ['cache'] }),
      /'b\/\.git', 'caches'/,
    );
  });

  it('is compared by BLAKE2 where it was signed so', async () => {
    const changes = { hash: 'blake2b' as const };
    await compare({ a: 'x', b: '' }, { a: digest('x', 'blake2b512'), b: digest('', 'blake2b512') }, changes);
    await assert.rejects(compare({ a: 'y' }, { a: digest('x', 'blake2b512') }, changes), /'a'/);
  });

  describe('part by part', () => {
    const changes = { shardSize: 4 };
    const parts = { 'a:0:4': digest('abcd'), 'a:4:6': digest('ef'), 'b:1:2:0:1': digest('x') };

    it('is as it was signed, though empty files have no parts', async () => {
      await compare({ a: 'abcdef', 'b:1:2': 'x', empty: '' }, parts, changes);
    });

    for (const [what, content] of [
      ['changed', 'abcdeg'],
      ['cut', 'abcd'],
      ['longer', 'abcdefghi'],
      ['empty', ''],
    ] as const) {
      it(`is refused with a file that is ${what}`, async () => {
        await assert.rejects(
          compare({ a: content, 'b:1:2': 'x' }, parts, changes),
          /changed since it was signed 'a'/,
        );
      });
    }

    it('is refused with parts that overlap, or are too many', async () => {
      await assert.rejects(
        compare({ a: 'abcdef' }, { 'a:0:4': digest('abcd'), 'a:2:6': digest('cdef') }, changes),
        /'a'/,
      );
      await assert.rejects(
        compare({ a: 'abcd' }, { 'a:0:4': digest('abcd'), 'a:4:4': digest('') }, changes),
        /'a'/,
      );
    });
  });
});
