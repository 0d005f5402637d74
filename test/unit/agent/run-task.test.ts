import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { skip } from '../../support/skip';
import { jsStep, jsTask, outputOf, show, stepOf, ToyAgent } from './toy-extension';

describe('A task that the local agent runs', () => {
  let agent: ToyAgent;
  before(() => {
    agent = new ToyAgent([jsTask, { name: 'Versions', version: '1.2.0', code: '' }]);
  });
  after(() => agent.remove());

  it('gets inputs by their names in task.json, expanded, with paths rooted in the repository', async () => {
    const run = await agent.runSteps(
      `variables: { who: " you " }\nsteps:\n${jsStep(
        'console.log(JSON.stringify([process.env.INPUT_TEXT, process.env.INPUT_FILE, process.env.INPUT_MORE_HERE, process.env.INPUT_WORDS]))',
        {
          name: 'a',
          inputs: { Words: ' hi $(who) $(nobody)', file: 'sub/x.txt', 'more.here': 1 },
        },
      )}`,
    );
    const sources = join(agent.folder, 'agent/_work/1/s');
    assert.deepEqual(JSON.parse(outputOf(stepOf(run, 'a'))[0]!), [
      'hi  you  $(nobody)',
      join(sources, 'sub/x.txt'),
      '1',
      null,
    ]);
  });

  it('gets variables, but secret ones only as secrets', async () => {
    const run = await agent.runSteps(
      `variables:\n- group: secrets\n- { name: a.b c-d, value: x$(token) }\n- { name: plain, value: y }\nsteps:\n${jsStep(
        `${show('PLAIN', 'TOKEN', 'A_B_C-D')} console.log(process.env.SECRET_TOKEN === ['hun', 'ter2'].join(''));
         console.log(process.env['SECRET_A_B_C-D'].length, JSON.parse(process.env.VSTS_SECRET_VARIABLES).sort().join());
         console.log(JSON.parse(process.env.VSTS_PUBLIC_VARIABLES).includes('plain'), process.env.TF_BUILD)`,
        { name: 'a' },
      )}`,
      { variableGroups: { secrets: { token: { value: 'hunter2', isSecret: true } } } },
    );
    assert.deepEqual(outputOf(stepOf(run, 'a')), [
      'y',
      'undefined',
      'undefined',
      'true',
      '8 System.AccessToken,a.b c-d,token',
      'true True',
    ]);
  });

  it('gets the env of its step, unless a variable has the same name', async () => {
    const run = await agent.runSteps(
      `variables: { both: variable }\nsteps:\n${jsStep(show('OWN', 'BOTH'), { name: 'a', env: { OWN: ' $(both)! ', BOTH: 'step' } })}`,
    );
    assert.deepEqual(outputOf(stepOf(run, 'a')), ['variable!', 'variable']);
  });

  it('gets the predefined variables, and knows itself', async () => {
    const run = await agent.runSteps(
      `steps:\n${jsStep(
        `${show('BUILD_BUILDID', 'SYSTEM_JOBATTEMPT', 'SYSTEM_COLLECTIONURI', 'SYSTEM_OIDCREQUESTURI', 'AGENT_JOBSTATUS', 'agent.jobstatus', 'SYSTEM_TASKINSTANCENAME', 'TASK_DISPLAYNAME', 'ENDPOINT_URL_SYSTEMVSSCONNECTION', 'SYSTEM_ACCESSTOKEN')}
         console.log(process.env.ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN === process.env.SECRET_SYSTEM_ACCESSTOKEN);
         console.log(process.env.AGENT_TEMPDIRECTORY.endsWith('_temp'), process.cwd() === process.env.BUILD_SOURCESDIRECTORY)`,
        { name: 'me', displayName: 'It is me' },
      )}`,
      { buildId: 77, attempt: 3, collectionUri: 'https://server', oidcRequestUri: 'https://server/oidc' },
    );
    assert.deepEqual(outputOf(stepOf(run, 'me')), [
      '77',
      '3',
      'https://server',
      'https://server/oidc',
      'Succeeded',
      'Succeeded',
      'me',
      'It is me',
      'https://server/',
      'undefined',
      'true',
      'true true',
    ]);
  });

  for (const [nodeVersion, major] of [
    [undefined, 20],
    [20, 20],
    [24, 24],
  ] as const) {
    it(`runs on Node ${major} when ${nodeVersion ? `Node ${nodeVersion} is asked for` : 'nothing is said'}`, async function () {
      const run = await agent.runSteps(
        `steps:\n${jsStep('console.log(process.versions.node)', { name: 'a' })}`,
        {
          ...(nodeVersion && { nodeVersion }),
        },
      );
      const step = stepOf(run, 'a');
      assert.deepEqual(outputOf(step), [step.nodeVersion]);
      const folder = join(agent.folder, 'agent/externals', major === 24 ? 'node24' : 'node20_1');
      assert.ok(existsSync(join(folder, 'bin/node')));
      if (!step.nodeVersion!.startsWith(`${major}.`) && step.nodeVersion === process.versions.node) {
        skip(this, `the package agent-node${major} is not installed or does not run here`);
      }
      assert.ok(step.nodeVersion!.startsWith(`${major}.`));
    });
  }

  it('is described at the head of its log, and its lines carry the time in the file', async () => {
    const run = await agent.runSteps(`steps:\n${jsStep("console.log('one\\ntwo')", { name: 'a' })}`);
    const step = stepOf(run, 'a');
    assert.deepEqual(step.log.slice(0, 7), [
      '##[section]Starting: Js',
      '='.repeat(78),
      'Task         : Toy Js',
      'Description  : A toy',
      'Version      : 1.0.0',
      'Author       : Test',
      'Help         : No help',
    ]);
    const file = readFileSync(step.logFile, 'utf8').trimEnd().split('\n');
    assert.equal(file.length, step.log.length);
    for (const [index, line] of file.entries()) {
      assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z /);
      assert.equal(line.slice(29), step.log[index]);
    }
  });

  it('has its output read line by line from both streams, with every kind of line end', async () => {
    const run = await agent.runSteps(
      `steps:\n${jsStep("process.stdout.write('a\\rb\\r\\nc\\n\\nd'); process.stdout.end(() => process.stderr.write('é##vso[task.setvariable variable=e;isoutput=true]5'))", { name: 'a' })}`,
    );
    const step = stepOf(run, 'a');
    assert.deepEqual(outputOf(step), ['a', 'b', 'c', '', 'd']);
    assert.equal(step.outputVariables.e, '5');
  });

  it('finds no input waiting, so that it cannot hang on a question', async () => {
    const run = await agent.runSteps(
      `steps:\n${jsStep("process.stdin.on('data', () => {}).on('end', () => console.log('end of input'))", { name: 'a' })}`,
    );
    assert.deepEqual(outputOf(stepOf(run, 'a')), ['end of input']);
  });

  it('is told where the server vouches for its job', async () => {
    const run = await agent.runSteps(
      `steps:\n${jsStep(show('SYSTEM_OIDCREQUESTURI', 'SYSTEM_TEAMPROJECTID', 'SYSTEM_PLANID', 'SYSTEM_JOBID'), { name: 'a' })}`,
      { collectionUri: 'https://server/org/' },
    );
    const [uri, project, plan, job] = outputOf(stepOf(run, 'a'));
    assert.equal(
      uri,
      `https://server/org/${project}/_apis/distributedtask/hubs/build/plans/${plan}/jobs/${job}/oidctoken`,
    );
  });

  it('gets the service connections that its inputs name, with their secrets hidden', async () => {
    const id = '12345678-90ab-4def-8abc-1234567890ab';
    agent.pack([
      { ...jsTask, inputs: [...jsTask.inputs, { name: 'connection', type: 'connectedService:Registry' }] },
    ]);
    const names = ['URL_ID', 'AUTH_SCHEME_ID', 'AUTH_ID', 'DATA_ID_PLAN_NAME', 'URL_OTHER'].map(
      (name) => `ENDPOINT_${name.replace('ID', id).replace('OTHER', '22345678-90ab-4def-8abc-1234567890ab')}`,
    );
    const run = await agent.runSteps(
      `variables: { plan: free }\nsteps:\n${jsStep(`${show('INPUT_CONNECTION', ...names)} console.log(process.env['ENDPOINT_AUTH_PARAMETER_${id}_PASS_WORD'].length)`, { name: 'a', inputs: { connection: 'My Registry' } })}`,
      {
        serviceConnections: [
          {
            id: id.toUpperCase(),
            name: 'my registry',
            type: 'registry',
            url: 'https://registry.example',
            scheme: 'UsernamePassword',
            parameters: { 'pass.word': 'hunter2', role: 'reader' },
            data: { 'plan.name': '$(plan)' },
          },
          {
            id: '22345678-90ab-4def-8abc-1234567890ab',
            name: 'other',
            type: 'registry',
            url: 'https://other.example',
            scheme: 'Token',
            parameters: {},
          },
        ],
      },
    );
    assert.deepEqual(outputOf(stepOf(run, 'a')), [
      id,
      'https://registry.example/',
      'UsernamePassword',
      '{"parameters":{"pass.word":"***","role":"reader"},"scheme":"UsernamePassword"}',
      'free',
      'undefined',
      '7',
    ]);
  });

  it('is the highest version of the major that the YAML names, from the package as it is now', async () => {
    agent.pack([{ name: 'Tool', version: '2.1.3', code: "console.log('old')" }]);
    await agent.runSteps('steps: [ { task: Tool@2 } ]');
    agent.pack([{ name: 'Tool', version: '2.1.3', code: "console.log('new')" }]);
    const run = await agent.runSteps('steps: [ { task: tool@2, name: t } ]');
    assert.equal(stepOf(run, 't').task, 'Tool@2.1.3');
    assert.deepEqual(outputOf(stepOf(run, 't')), ['new']);
    await assert.rejects(
      agent.runSteps('steps:\n- script: a\n- task: Tool@1\n'),
      /steps\.yaml:3: There is no task Tool@1 here\. The local agent knows Tool@2, Bash@3/,
    );
  });

  it('fails when it has no handler for Node', async () => {
    agent.pack([{ name: 'Windows', more: { execution: { PowerShell3: { target: 'a.ps1' } } } }]);
    const run = await agent.runSteps('steps: [ { task: Windows@1, name: w } ]');
    assert.equal(run.result, 'Failed');
    assert.match(stepOf(run, 'w').issues[0]!.message, /A supported task execution handler was not found/);
  });
});
