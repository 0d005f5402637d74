import type { ToyTask } from '../toy-extension';

/** Helpers that the code of a probe may use, and the code that it is given. */
const RUN_CODE = `
const out = (...parts) => console.log(...parts);
const cmd = (name, properties, data) =>
  console.log('##vso[' + name + (properties ? ' ' + properties : '') + ']' + (data || ''));
const J = (name) => console.log('ENV ' + name + '=' + JSON.stringify(process.env[name] ?? null));
const AsyncFunction = (async () => {}).constructor;
new AsyncFunction('out', 'cmd', 'J', 'e', 'require', process.env.INPUT_CODE ?? '')(out, cmd, J, process.env, require)
  .catch((error) => { console.log('THROWN ' + error.stack); process.exit(9); });
`;

const CODE = { name: 'code', type: 'multiLine', defaultValue: '' };
const restricted = (restrictions: object) => ({ more: { restrictions } });
const only = (execution: object) => ({ more: { execution } });

const TASKS: ToyTask[] = [
  {
    name: 'Js',
    version: '1.2.3',
    code: RUN_CODE,
    inputs: [
      CODE,
      { name: 'plain', type: 'string', defaultValue: '  preset  ' },
      { name: 'flag', type: 'boolean', defaultValue: 'false' },
      { name: 'file', type: 'filePath', defaultValue: '' },
      { name: 'Dotted', type: 'string', aliases: ['friendly', 'old'] },
      { name: 'conn', type: 'connectedService:Generic' },
      { name: 'pick', type: 'pickList', defaultValue: 'a' },
    ],
    more: { outputVariables: [{ name: 'declared', description: 'd' }] },
  },
  {
    name: 'PrePost',
    code: `console.log('MAIN ' + (process.env.VSTS_TASKVARIABLE_TV || 'none'));
console.log('##vso[task.settaskvariable variable=tv2]fromMain');
if (process.env.INPUT_CODE === 'fail') console.log('##vso[task.complete result=Failed;]no');`,
    preJob: "console.log('PRE'); console.log('##vso[task.settaskvariable variable=tv]fromPre');",
    postJob:
      "console.log('POST ' + (process.env.VSTS_TASKVARIABLE_TV || 'none') + ' ' + (process.env.VSTS_TASKVARIABLE_TV2 || 'none'));",
    inputs: [CODE],
  },
  {
    name: 'Restricted',
    code: RUN_CODE,
    inputs: [CODE],
    ...restricted({ commands: { mode: 'restricted' }, settableVariables: { allowed: ['myVar', 'pre*'] } }),
  },
  { name: 'NoVars', code: RUN_CODE, inputs: [CODE], ...restricted({ settableVariables: { allowed: [] } }) },
  { name: 'OnlyNode24', code: RUN_CODE, inputs: [CODE], ...only({ Node24: { target: 'index.js' } }) },
  { name: 'OnlyNode16', code: RUN_CODE, inputs: [CODE], ...only({ Node16: { target: 'index.js' } }) },
  { name: 'WindowsOnly', code: '', inputs: [CODE], ...only({ PowerShell3: { target: 'x.ps1' } }) },
  {
    name: 'WorkDir',
    code: RUN_CODE,
    inputs: [CODE, { name: 'wd', type: 'string', defaultValue: '' }],
    ...only({ Node20_1: { target: 'index.js', workingDirectory: '$(currentDirectory)' } }),
  },
  { name: 'Req', code: RUN_CODE, inputs: [CODE, { name: 'need', type: 'string' }] },
];

/** Tasks that do what a vector tells them to; their ids are counted from 1. */
export const PROBE_TASKS: ToyTask[] = TASKS.map((task, index) => ({
  ...task,
  more: { ...task.more, id: `00000000-0000-4000-8000-00000000000${index + 1}` },
}));
