import assert from 'node:assert/strict';
import {
  chooseHandler,
  chooseNodeFolder,
  type HandlerName,
} from '../../../../../local/agent/worker/tasks/nodes';

describe('The handler of a task', () => {
  const table: [keys: string[], handler: string | undefined][] = [
    [['Node20_1', 'Node24'], 'Node24'],
    [['Node10', 'Node16', 'Node20_1'], 'Node20_1'],
    [['Node'], 'Node'],
    [['Node20', 'Node22', 'PowerShell3'], undefined],
  ];
  for (const [keys, handler] of table) {
    it(`is ${handler} when task.json has ${keys.join(', ')}`, () => {
      const execution = Object.fromEntries(keys.map((key) => [key, { target: `${key}.js` }]));
      assert.deepEqual(chooseHandler(execution), handler && { name: handler, target: `${handler}.js` });
    });
  }
});

describe('The Node that runs a handler', () => {
  const table: [handler: HandlerName, settings: string[], folder: string][] = [
    ['Node24', [], 'node20_1'],
    ['Node24', ['AGENT_USE_NODE24_WITH_HANDLER_DATA'], 'node24'],
    ['Node24', ['AGENT_USE_NODE24'], 'node24'],
    ['Node20_1', [], 'node20_1'],
    ['Node20_1', ['AGENT_USE_NODE24_WITH_HANDLER_DATA'], 'node20_1'],
    ['Node20_1', ['AGENT_USE_NODE24', 'AGENT_USE_NODE20_1'], 'node24'],
    ['Node24', ['AGENT_USE_NODE20_1', 'AGENT_USE_NODE24_WITH_HANDLER_DATA'], 'node20_1'],
    ['Node24', ['AGENT_USE_NODE10'], 'node10'],
    ['Node16', [], 'node16'],
  ];
  for (const [handler, settings, folder] of table) {
    it(`is ${folder} for ${handler}${settings.length > 0 ? ` with ${settings.join(' and ')}` : ''}`, () => {
      assert.equal(
        chooseNodeFolder(handler, (name) => settings.includes(name)),
        folder,
      );
    });
  }
});
