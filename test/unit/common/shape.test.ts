import assert from 'node:assert/strict';
import { EACH, faultIn, type Shape, withoutNulls } from '../../../tasks/common/shape';

const SHAPE = {
  name: 'text',
  size: 'number',
  isNew: 'flag',
  job_id: 'id',
  settings: 'object',
  tasks: [{ key: 'text', notebook: { path: 'text' } }],
  labels: { [EACH]: 'text' },
} as const satisfies Shape;

describe('what an answer is to be', () => {
  it('is so with all of it, with some, with nulls, and with more', () => {
    const all = {
      ...{ name: 'a', size: 1.5, isNew: false, job_id: 12, settings: {} },
      tasks: [{ key: 'b', notebook: { path: '/c' } }],
      labels: { d: 'e' },
    };
    assert.equal(faultIn(all, SHAPE), undefined);
    assert.equal(faultIn({ ...all, other: [null] }, SHAPE), undefined);
    assert.equal(faultIn({}, SHAPE), undefined);
    const nothing = Object.fromEntries(Object.keys(all).map((name) => [name, null]));
    assert.equal(faultIn(nothing, SHAPE), undefined);
    assert.equal(faultIn({ labels: { a: null } }, SHAPE), undefined);
  });

  it('has no nulls where they stand for what is not there, and keeps those of others', () => {
    const told = {
      ...{ name: null, size: 1, other: null },
      tasks: [{ key: null, notebook: { path: null } }],
      labels: { a: 'b', c: null, __proto__: null },
      settings: { kept: null },
    };
    assert.deepEqual(withoutNulls(told, SHAPE), {
      ...{ size: 1, other: null },
      tasks: [{ notebook: {} }],
      labels: { a: 'b' },
      settings: { kept: null },
    });
    assert.equal(withoutNulls(null, SHAPE), null);
  });

  for (const id of [0, 12, '12', 2n ** 60n, '9223372036854775807']) {
    it(`is an id: ${typeof id} ${id}`, () => assert.equal(faultIn(id, 'id'), undefined));
  }

  for (const [value, fault] of [
    [undefined, 'it is no JSON, where an object should be'],
    [null, 'it is null, where an object should be'],
    [[], 'it is a list, where an object should be'],
    [{ name: 17 }, "'name' is a number, where a text should be"],
    [{ name: 17n }, "'name' is a number, where a text should be"],
    [{ size: '1' }, "'size' is a text, where a number should be"],
    [{ isNew: 'true' }, "'isNew' is a text, where true or false should be"],
    [{ job_id: 1.5 }, "'job_id' is a number, where an id should be"],
    [{ job_id: 2 ** 60 }, "'job_id' is a number, where an id should be"],
    [{ job_id: '1; drop' }, "'job_id' is a text, where an id should be"],
    [{ settings: [] }, "'settings' is a list, where an object should be"],
    [{ tasks: {} }, "'tasks' is an object, where a list should be"],
    [{ tasks: 'x' }, "'tasks' is a text, where a list should be"],
    [{ tasks: [{}, null] }, "'tasks[1]' is null, where an object should be"],
    [{ tasks: [{ notebook: { path: [] } }] }, "'tasks[0].notebook.path' is a list, where a text should be"],
    [{ labels: { 'dose-secret': true } }, "'labels.…' is true or false, where a text should be"],
  ] as const) {
    it(`is not so: ${fault}`, () => assert.equal(faultIn(value, SHAPE), fault));
  }

  it('holds only its own members', () =>
    assert.equal(faultIn(JSON.parse('{"__proto__":{"name":1}}'), { name: 'text' }), undefined));
});
