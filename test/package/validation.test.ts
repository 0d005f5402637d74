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
      'a member that no task has',
      (task) => Object.assign(task, { inputz: [] }),
      /additional properties: inputz/,
    ],
    [
      'a type of input that there is not',
      (task) => Object.assign(task.inputs[0], { type: 'dropDown' }),
      /inputs\[0\]\.type/,
    ],
    [
      'a setting of an input that is no text',
      (task) => Object.assign(task.inputs[0], { properties: { EditableOptions: true } }),
      /EditableOptions must be equal to one of the allowed values: True, False/,
    ],
    [
      'a rule that no designer can read',
      (task) => Object.assign(task.inputs[1], { visibleRule: 'authType is token' }),
      /has no comparison in 'authType is token'/,
    ],
    [
      'a rule of a group about an input that is not there',
      (task) => Object.assign(task.groups[0], { visibleRule: 'no = 1' }),
      /group \w+: is shown by the rule of an input 'no'/,
    ],
    [
      'an option of more words than fit',
      (task) => Object.assign(inputNamed(task, 'authType').options, { token: 'A token of the workspace' }),
      /the option 'A token of the workspace' of more than three words/,
    ],
    ['no page to learn more from', (task) => delete task.helpUrl, /has no helpUrl/],
    [
      'a list of an input that takes nothing else',
      (task) => delete inputNamed(task, task.dataSourceBindings[0].target).properties,
      /in which nothing else can be typed/,
    ],
    [
      'a list that its connection does not have',
      (task) => Object.assign(task.dataSourceBindings[0], { dataSourceName: 'Nothing' }),
      /no data source 'Nothing'|must match exactly one schema/,
    ],
    [
      'a list by an input that is no connection',
      (task) => Object.assign(task.dataSourceBindings[0], { endpointId: '$(authType)' }),
      /\$\(authType\) is no input for a service connection/,
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

  const manifestMistakes: [what: string, plant: (manifest: TaskJson) => void, fault: RegExp][] = [
    ['a member that no manifest has', (manifest) => Object.assign(manifest, { catgories: [] }), /catgories/],
    [
      'a category that there is not',
      (manifest) => manifest.categories.push('Machine learning'),
      /categories\[1\]/,
    ],
    [
      'a version that is none',
      (manifest) => Object.assign(manifest, { version: '1' }),
      /\$\.version must match/,
    ],
    [
      'a task in the wrong place',
      (manifest) => Object.assign(manifest.contributions[0], { targets: ['ms.vss-web'] }),
      /contributions\[0\]\.targets/,
    ],
    [
      'a template at a data source, where the service looks for none',
      (manifest) =>
        Object.assign(manifest.contributions.at(-1).properties.dataSources[1], { resultTemplate: '{{x}}' }),
      /dataSources\[1\] must NOT have additional properties: resultTemplate/,
    ],
    [
      'a way to sign in that the service does not have',
      (manifest) =>
        Object.assign(manifest.contributions.at(-1).properties.authenticationSchemes[0], { type: 'oidc' }),
      /authenticationSchemes\[0\]\.type/,
    ],
  ];
  for (const [what, plant, fault] of manifestMistakes) {
    it(`find ${what} in the manifest`, () => {
      const file = join(folder, 'vss-extension.json');
      const manifest = JSON.parse(readFileSync(file, 'utf8'));
      plant(manifest);
      writeFileSync(file, JSON.stringify(manifest));
      assert.match(validateExtension(folder).join('\n'), fault);
    });
  }
});
