import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../../scripts/paths';

const [header = '', ...lines] = readFileSync(join(root, 'data/titanic.csv'), 'utf8').trimEnd().split('\n');
const columns = header.split(',');
const groups = lines.map((line) => {
  const values = line.split(',');
  return Object.fromEntries(columns.map((column, index) => [column, values[index]]));
});

const people = (where: Record<string, string>) =>
  groups
    .filter((group) => Object.entries(where).every(([column, value]) => group[column] === value))
    .reduce((sum, group) => sum + Number(group.count), 0);

describe('The table of the people on board of the Titanic', () => {
  // The totals of the British inquiry's table.
  const totals = [
    [2201, {}],
    [711, { survived: 'yes' }],
    [325, { class: '1st' }],
    [285, { class: '2nd' }],
    [706, { class: '3rd' }],
    [885, { class: 'crew' }],
    [470, { sex: 'female' }],
    [344, { sex: 'female', survived: 'yes' }],
    [109, { age: 'child' }],
    [57, { age: 'child', survived: 'yes' }],
    [203, { class: '1st', survived: 'yes' }],
    [118, { class: '2nd', survived: 'yes' }],
    [178, { class: '3rd', survived: 'yes' }],
    [212, { class: 'crew', survived: 'yes' }],
  ] as const;
  for (const [total, where] of totals) {
    const group = Object.values(where).join(', ') || 'everybody';
    it(`counts ${total} for ${group}`, () => assert.equal(people(where), total));
  }

  it('has each group once', () => {
    assert.equal(new Set(lines.map((line) => line.slice(0, line.lastIndexOf(',')))).size, 24);
    assert.equal(groups.length, 24);
  });
});
