import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildFolder, taskNames } from '../../scripts/paths';
import { validateExtension } from '../../scripts/validate';

// biome-ignore lint/suspicious/noExplicitAny: the mistakes are what no type would let through
type TaskJson = any;

const inputNamed = (task: TaskJson, name: string) =>
  task.inputs.find((input: TaskJson) => input.name === name);

describe('The checks of the laid-out extension', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'laid-out-'));
    for (const part of ['tasks', 'images', 'vss-extension.json']) {
      cpSync(join(buildFolder, part), join(folder, part), { recursive: true });
    }
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('are content with it as it is', () => assert.deepEqual(validateExtension(folder), []));

  const mistakes: [what: string, plant: (task: TaskJson) => void, fault: RegExp][] = [
    ['an id that is no GUID', (task) => Object.assign(task, { id: 'mine' }), /id/],
    ['a name with a space', (task) => Object.assign(task, { name: 'My task' }), /name/],
    ['a long friendly name', (task) => Object.assign(task, { friendlyName: 'x'.repeat(41) }), /friendlyName/],
    ['no format for the names of steps', (task) => delete task.instanceNameFormat, /instanceNameFormat/],
    ['code that is not there', (task) => Object.assign(task.execution.Node24, { target: 'no.js' }), /no\.js/],
    ['an input without help', (task) => delete task.inputs[0].helpMarkDown, /has no help/],
    ['an input without a label', (task) => delete task.inputs[0].label, /has no label/],
    [
      'an input in no group',
      (task) => Object.assign(task.inputs[0], { groupName: 'no' }),
      /has no group 'no'/,
    ],
    [
      'a default that is no option',
      (task) => Object.assign(inputNamed(task, 'authType'), { defaultValue: 'no' }),
      /not one of its options/,
    ],
    [
      'a rule about an input that is not there',
      (task) => Object.assign(task.inputs[1], { visibleRule: 'no = 1' }),
      /'no' that is not there/,
    ],
    [
      'an output without a description',
      (task) => Object.assign(task.outputVariables[0], { description: '' }),
      /is not described/,
    ],
  ];
  for (const name of taskNames) {
    for (const [what, plant, fault] of mistakes) {
      it(`find ${what} in ${name}`, () => {
        const file = join(folder, 'tasks', name, 'task.json');
        const task = JSON.parse(readFileSync(file, 'utf8'));
        plant(task);
        writeFileSync(file, JSON.stringify(task));
        assert.match(validateExtension(folder).join('\n'), fault);
      });
    }

    it(`find that ${name} has no icon`, () => {
      rmSync(join(folder, 'tasks', name, 'icon.png'));
      assert.match(validateExtension(folder).join('\n'), /icon\.png is missing/);
    });
  }
});
