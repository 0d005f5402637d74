import assert from 'node:assert/strict';
import { pagesOf } from '../../../tasks/common/paged-list';

describe('a list in pages', () => {
  /** @param next the name of the page after each */
  async function read(next: (page: number) => string | null | undefined): Promise<(string | undefined)[]> {
    const asked: (string | undefined)[] = [];
    const ask = async (name: string | undefined) => asked.push(name);
    for await (const _ of pagesOf('the jobs', ask, next));
    return asked;
  }

  for (const end of ['', null, undefined]) {
    it(`ends with a page that names none after it: ${JSON.stringify(end)}`, async () => {
      assert.deepEqual(await read((page) => (page < 3 ? `page ${page}` : end)), [
        undefined,
        'page 1',
        'page 2',
      ]);
    });
  }

  for (const [what, next] of Object.entries({
    'names a page again': () => 'again',
    'goes round in a circle': (page: number) => String(page % 3),
    'names new pages for ever': (page: number) => String(page),
  })) {
    it(`does not hold a step where the service ${what}`, async () => {
      await assert.rejects(read(next), { message: /The list of the jobs has no end\. Try again later/ });
    });
  }

  it('asks for no more than is wanted', async () => {
    let asked = 0;
    const ask = async () => ++asked;
    for await (const _ of pagesOf('the jobs', ask, String)) break;
    assert.equal(asked, 1);
  });
});
