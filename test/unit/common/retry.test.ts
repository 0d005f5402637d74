import assert from 'node:assert/strict';
import { Patience, retryDelay } from '../../../tasks/common/retry';

const LEFT = 300_000;
const now = Date.parse('2026-11-23T10:00:00Z');
const wait = (failures: number, header: string | null, random = 1) =>
  retryDelay(failures, header, LEFT, now, random);

describe('the wait before a new try', () => {
  it('doubles, with jitter, up to half a minute', () => {
    assert.equal(wait(1, null, 0), 250);
    assert.equal(wait(1, null), 500);
    assert.equal(wait(4, null), 4000);
    assert.equal(wait(40, null), 30_000);
  });

  for (const [header, milliseconds] of [
    ['3', 3000],
    [' 3 ', 3000],
    ['1.5', 1500],
    ['300', 300_000],
    ['Mon, 23 Nov 2026 10:00:10 GMT', 10_000],
    ['Monday, 23-Nov-26 10:00:10 GMT', 10_000],
    ['Mon Nov 23 10:00:10 2026 GMT', 10_000],
  ] as const) {
    it(`is what the server asks for: ${header}`, () => assert.equal(wait(1, header), milliseconds));
  }

  for (const header of [
    '0',
    '0.1',
    '-5',
    '',
    'soon',
    'NaN',
    'Mon, 23 Nov 2026 10:00:00 GMT',
    'Mon, 23 Nov 2026 09:59:59 GMT',
    'Thu, 01 Jan 1970 00:00:00 GMT',
  ]) {
    it(`is never less than its own for '${header}'`, () => {
      assert.equal(wait(1, header), 500);
      assert.equal(wait(9, header), 30_000);
    });
  }

  for (const header of ['301', '86400', '1e9', '1e400', 'Infinity', 'Fri, 31 Dec 9999 23:59:59 GMT']) {
    it(`is its own where the server asks for more than there is patience: ${header}`, () => {
      assert.equal(wait(3, header), 2000);
    });
  }
});

describe('patience', () => {
  /** All waits of a request that never gets on, with tries of so many milliseconds. */
  function waits(forMilliseconds: number, took: number, retryAfter: string | null = null): number[] {
    const patience = new Patience({ forMilliseconds });
    const all: number[] = [];
    for (
      let next = patience.next(took, retryAfter);
      next !== undefined;
      next = patience.next(took, retryAfter)
    ) {
      all.push(next);
    }
    return all;
  }
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

  for (const header of [null, '0', '7', '1e9']) {
    it(`is over after its time and not before, whatever the server asks: ${header}`, () => {
      const all = waits(300_000, 0, header);
      assert.equal(Math.round(sum(all)), 300_000);
      assert.ok(all.length < 60, `${all.length} tries`);
    });
  }

  it('counts the time of the tries, too', () => {
    const all = waits(60_000, 30_000);
    assert.equal(all.length, 1);
  });

  it('is none where one try is all', () => assert.deepEqual(waits(0, 0), []));
});
