import assert from 'node:assert/strict';
import {
  escapeCommand,
  parseCommand,
  unescapeCommand,
} from '../../../../../local/agent/worker/commands/commands';
import { environmentName } from '../../../../../local/agent/worker/context/environment';

describe('Logging commands', () => {
  const table: [
    line: string,
    area: string,
    event: string,
    properties: Record<string, string>,
    data: string,
  ][] = [
    ['##vso[area.event k1=v1;]msg', 'area', 'event', { k1: 'v1' }, 'msg'],
    ['##vso[area.event]', 'area', 'event', {}, ''],
    ['>>>   ##vso[area.event k1=v1;]msg', 'area', 'event', { k1: 'v1' }, 'msg'],
    ['##vso[area.event k1=;k2=;]', 'area', 'event', {}, ''],
    ['##vso[area.event K1=v1;k2=a=b==]', 'area', 'event', { k1: 'v1', k2: 'a=b==' }, ''],
    ['##vso[area.event k1==v1]', 'area', 'event', { k1: 'v1' }, ''],
    ['##vso[area.event a=1;;b=2]', 'area', 'event', { a: '1', b: '2' }, ''],
    ['##vso[.area..event. a=1]x', 'area', 'event', { a: '1' }, 'x'],
    ['##vso[area.event a=x y]d]d', 'area', 'event', { a: 'x y' }, 'd]d'],
    ['##vso[task.debug]##vso[a.b]', 'task', 'debug', {}, '##vso[a.b]'],
    [
      '##vso[area.event k1=%3B=%0D=%0A=%5D%AZP25;]%3B-%0D-%0A-%5D%AZP253B',
      'area',
      'event',
      { k1: ';=\r=\n=]%' },
      ';-\r-\n-]%3B',
    ],
  ];
  for (const [line, area, event, properties, data] of table) {
    it(`reads ${line}`, () => {
      const command = parseCommand(line)!;
      assert.deepEqual([command.area, command.event, command.data], [area, event, data]);
      assert.deepEqual(Object.fromEntries(command.properties), properties);
    });
  }

  it('leaves %AZP25 alone where decoding of percents is off', () => {
    const command = parseCommand('##vso[area.event k1=%3B%AZP25]%5D%AZP253B', false)!;
    assert.equal(command.properties.get('k1'), ';%AZP25');
    assert.equal(command.data, ']%AZP253B');
  });

  for (const line of [
    'text',
    '##vso',
    '##vso[area.event',
    '##vso[event]',
    '##vso[a.b.c]',
    '##vso[ a.b]',
    '##VSO[a.b]',
  ]) {
    it(`takes ${line} for no command`, () => assert.equal(parseCommand(line), undefined));
  }

  it('escapes what it can read again', () => {
    const text = '100%;\r\n]%3B %AZP25';
    assert.equal(unescapeCommand(escapeCommand(text)), text);
  });
});

describe('Names of environment variables', () => {
  const table: [name: string, environment: string][] = [
    ['tesT vaLue.3', 'TEST_VALUE_3'],
    ['.. TEST   VALUE. 6', '___TEST___VALUE__6'],
    ['acr-name', 'ACR-NAME'],
    ['', ''],
  ];
  for (const [name, environment] of table) {
    it(`'${name}' is '${environment}'`, () => assert.equal(environmentName(name), environment));
  }

  it('keeps the case where the variable asks for it', () => {
    assert.equal(environmentName('my.Value', true), 'my_Value');
  });
});
