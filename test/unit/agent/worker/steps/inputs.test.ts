import assert from 'node:assert/strict';
import type { ServiceConnection } from '../../../../../local/agent/types';
import { connectionProblems, resolveInputs } from '../../../../../local/agent/worker/steps/inputs';
import type { TaskDefinition, TaskInput } from '../../../../../local/agent/worker/tasks/task-definition';

const connection: ServiceConnection = {
  id: 'AAAAAAAA-0000-4000-8000-000000000001',
  name: 'My subscription',
  type: 'azurerm',
  url: 'https://management.azure.com',
  scheme: 'ServicePrincipal',
  parameters: {},
};

function sources(inputs: TaskInput[], given: Record<string, string>, more: object = {}) {
  const variables: Record<string, string> = { a: ' spaced ', ref: '$(a)', folder: 'out' };
  return {
    definition: { inputs } as TaskDefinition,
    given,
    variable: (name: string) => variables[name.toLowerCase()],
    environment: { HOME: '/home/me', folder: 'not this' },
    root: '/agent/1/s',
    connections: [connection],
    ...more,
  };
}

describe('Inputs of a task', () => {
  const text = { name: 'text', aliases: ['words'], defaultValue: ' preset ' };
  const path = { name: 'path', type: 'filePath' };
  const service = { name: 'service', type: 'connectedService:AzureRM' };

  const table: [name: string, input: TaskInput, given: Record<string, string>, value: string][] = [
    ['take the default, trimmed', text, {}, 'preset'],
    ['prefer what is given, trimmed', text, { text: ' x\n' }, 'x'],
    ['take an empty text for given', text, { text: '' }, ''],
    ['can be given by an alias in any case', text, { WORDS: 'x' }, 'x'],
    ['keep the spaces that come from a variable', text, { text: ' $(a) ' }, ' spaced '],
    ['are not expanded a second time', text, { text: '$(ref)' }, '$(a)'],
    ['keep unknown names as they are', text, { text: '$(nope) $(folder)' }, '$(nope) out'],
    [
      'know the environment of the agent, after the variables',
      text,
      { text: '$(HOME)/$(folder)' },
      '/home/me/out',
    ],
    ['root a path in the repository', path, { path: 'a/../b.txt' }, '/agent/1/s/b.txt'],
    ['leave an absolute path', path, { path: '/x//y' }, '/x/y'],
    ['turn an empty path into the repository', path, {}, '/agent/1/s'],
    ['keep the slash at the end of a path', path, { path: '$(folder)/' }, '/agent/1/s/out/'],
    ['name a connection by its id', service, { service: 'my SUBSCRIPTION' }, connection.id.toLowerCase()],
    ['leave an empty connection empty', service, {}, ''],
  ];
  for (const [name, input, given, value] of table) {
    it(name, () => assert.equal(resolveInputs(sources([input], given)).get(input.name), value));
  }

  it('hold what task.json does not declare, too', () => {
    assert.deepEqual([...resolveInputs(sources([], { Extra: ' x ' }))], [['Extra', 'x']]);
  });

  it('obey the settings for trimming', () => {
    assert.equal(resolveInputs(sources([text], { text: ' x ' }, { keepSpaces: true })).get('text'), ' x ');
    assert.equal(
      resolveInputs(sources([text], { text: '$(a)' }, { trimVariables: true })).get('text'),
      'spaced',
    );
  });

  const problems: [value: string, problem: RegExp | undefined][] = [
    ['My subscription', undefined],
    [connection.id, undefined],
    ['$(unknown)', undefined],
    ['', undefined],
    [
      'Other',
      /The input 'service' of step deploy names the service connection 'Other', which does not exist/,
    ],
  ];
  for (const [value, problem] of problems) {
    it(`${problem ? 'are refused' : 'are accepted'} when the connection is '${value}'`, () => {
      const found = connectionProblems(sources([service], { service: value }), 'deploy');
      if (problem) assert.match(found[0]!, problem);
      else assert.deepEqual(found, []);
    });
  }

  it('are refused when the connection is of another type', () => {
    const docker = { name: 'service', type: 'connectedService:dockerregistry' };
    assert.match(
      connectionProblems(sources([docker], { service: 'My subscription' }), 'push')[0]!,
      /needs a service connection of type dockerregistry, but 'My subscription' is of type azurerm/,
    );
  });
});
