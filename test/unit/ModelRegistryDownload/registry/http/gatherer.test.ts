import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { Gatherer } from '../../../../../tasks/ModelRegistryDownload/registry/http/gatherer';

const RECORD = 16 * 1024;

describe('what a connection brings in one go', () => {
  let handedOn: string[];
  let gatherer: Gatherer;

  beforeEach(() => {
    handedOn = [];
    gatherer = new Gatherer((piece) => handedOn.push(summary(piece.toString())));
  });

  /** Such as `a16384 b16384`. */
  function summary(text: string): string {
    return [...text.matchAll(/(.)\1*/g)].map(([run, letter]) => `${letter}${run.length}`).join(' ');
  }

  function come(letter: string, length: number): void {
    gatherer.room.fill(letter, 0, length);
    gatherer.add(length);
  }

  it('is handed on together', async () => {
    come('a', RECORD);
    come('b', RECORD);
    assert.deepEqual(handedOn, []);
    await setImmediate();
    assert.deepEqual(handedOn, ['a16384 b16384']);
    come('c', RECORD);
    await setImmediate();
    assert.deepEqual(handedOn, ['a16384 b16384', 'c16384']);
  });

  it('is handed on at once when a record is not whole, since that is the last for now', () => {
    come('a', RECORD);
    come('b', 100);
    assert.deepEqual(handedOn, ['a16384 b100']);
  });

  it('never overwrites what was not handed on yet, and always has room for a record', async () => {
    const letters = 'abcdefghijklmnopqrstuvwxyz';
    for (const letter of letters) {
      assert.ok(gatherer.room.length >= RECORD);
      come(letter, RECORD);
    }
    await setImmediate();
    const all = [...letters].map((letter) => `${letter}${RECORD}`).join(' ');
    assert.equal(handedOn.join(' '), all);
    assert.ok(handedOn.length < letters.length / 4, `${handedOn.length} pieces`);
  });

  it('is forgotten with its connection', async () => {
    come('a', RECORD);
    gatherer.drop();
    await setImmediate();
    come('b', 1);
    assert.deepEqual(handedOn, ['b1']);
  });
});
