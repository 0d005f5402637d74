import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FormTask, isPicked, shownGroups } from '../../../../scripts/designer/form';
import { isVisible, readRule } from '../../../../scripts/designer/visible-rules';
import { root, taskNames } from '../../../../scripts/paths';

const read = (name: string): FormTask =>
  JSON.parse(readFileSync(join(root, 'tasks', name, 'task.json'), 'utf8'));

describe('Rules of visibility', () => {
  const cases: [rule: string, values: Record<string, string>, visible: boolean][] = [
    ['a = x', { a: 'x' }, true],
    ['a = x', { a: 'X' }, true],
    ['a==x', { A: 'x' }, true],
    ['a = x', {}, false],
    ['a != x', {}, true],
    ['a = ""', {}, true],
    ['a = two words', { a: 'two words' }, true],
    ['a = x && b = y', { a: 'x', b: 'y' }, true],
    ['a = x && b = y', { a: 'x' }, false],
    ['a = x || b = y', { b: 'y' }, true],
    ['a EndsWith .sql', { a: 'it.SQL' }, true],
    ['a NotEndsWith .sql', { a: 'it.sql' }, false],
  ];
  for (const [rule, values, visible] of cases) {
    it(`'${rule}' for ${JSON.stringify(values)} is ${visible}`, () =>
      assert.equal(isVisible(rule, values), visible));
  }

  for (const rule of ['a', 'a ~ x', 'a = x && b = y || c = z', '= x']) {
    it(`'${rule}' is refused`, () => assert.throws(() => readRule(rule)));
  }
});

describe('The form of', () => {
  for (const name of taskNames) {
    const task = read(name);
    const shown = (values: Record<string, string>) =>
      shownGroups(task, values).flatMap(({ inputs }) => inputs);

    it(`${name} opens with groups that hold what everybody needs, and the others closed`, () => {
      const open = shownGroups(task, {}).filter(({ isExpanded }) => isExpanded);
      const closed = shownGroups(task, {}).filter(({ isExpanded }) => !isExpanded);
      assert.ok(open.flatMap(({ inputs }) => inputs).length <= 17, 'more than fits a screen or two');
      assert.ok(closed.length > 0);
      assert.deepEqual(
        closed.flatMap(({ inputs }) => inputs).filter(({ required }) => required),
        [],
      );
    });

    it(`${name} shows each of its inputs for some way to sign in and some builder`, () => {
      const choices = task.inputs.filter(({ options }) => options);
      const ever = new Set(
        choices.flatMap((choice) =>
          Object.keys(choice.options!).flatMap((value) =>
            shown({ [choice.name]: value }).map((input) => input.name),
          ),
        ),
      );
      assert.deepEqual(
        task.inputs.map((input) => input.name).filter((input) => !ever.has(input)),
        [],
      );
    });
  }

  const typed: [task: (typeof taskNames)[number], signIn: string, inputs: string[]][] = [
    ['DatabricksRunJob', 'databricksConnection', []],
    ['DatabricksRunJob', 'azureServiceConnection', []],
    ['ModelRegistryDownload', 'azureServiceConnection', ['modelVersion']],
    ['AcrBuildPush', 'azureServiceConnection', []],
    ['AcrBuildPush', 'dockerRegistryConnection', []],
  ];
  for (const [name, authType, wanted] of typed) {
    it(`${name} with ${authType} asks to type ${wanted.join(', ') || 'nothing'}`, () => {
      const task = read(name);
      const needed = shownGroups(task, { authType })
        .flatMap(({ inputs }) => inputs)
        .filter((input) => input.required && !isPicked(task, input));
      assert.deepEqual(
        needed.map((input) => input.name),
        wanted,
      );
    });
  }

  const stars: [task: (typeof taskNames)[number], values: Record<string, string>, inputs: string[]][] = [
    ['AcrBuildPush', {}, ['acrName', 'acrPassword', 'repository', 'dockerfile']],
    ['AcrBuildPush', { authType: 'azureServiceConnection' }, ['azureServiceConnection', 'acrName']],
    [
      'DatabricksRunJob',
      { authType: 'servicePrincipal' },
      ['databricksHost', 'clientId', 'clientSecret', 'job'],
    ],
    [
      'ModelRegistryDownload',
      {},
      ['storageAccount', 'storageKey', 'modelName', 'modelVersion', 'destinationFolder'],
    ],
  ];
  for (const [name, values, inputs] of stars) {
    it(`${name} marks what is needed for ${JSON.stringify(values)}`, () => {
      const marked = shownGroups(read(name), values)
        .flatMap((group) => group.inputs)
        .filter(({ required }) => required);
      for (const input of inputs)
        assert.ok(
          marked.some((one) => one.name === input),
          input,
        );
    });
  }

  const refused: [builder: string, inputs: string[]][] = [
    ['direct', ['buildSecrets', 'cacheFrom', 'cacheTo', 'dockerVersion', 'buildxVersion']],
    ['acrTasks', ['buildSecrets', 'cacheFrom', 'cacheTo', 'dockerVersion', 'buildxVersion']],
  ];
  for (const [builder, inputs] of refused) {
    it(`AcrBuildPush hides what the builder ${builder} refuses`, () => {
      const names = shownGroups(read('AcrBuildPush'), { builder })
        .flatMap((group) => group.inputs)
        .map(({ name }) => name);
      assert.deepEqual(
        inputs.filter((input) => names.includes(input)),
        [],
      );
    });
  }
});
