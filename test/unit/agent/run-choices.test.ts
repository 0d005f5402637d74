// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the expressions of pipelines
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readKeyVaults, readVariableGroups } from '../../../local/agent/agent';
import { outputOf, stepOf, ToyAgent } from './toy-extension';

describe('What a person can choose for a run', () => {
  const agent = new ToyAgent();
  after(() => agent.remove());

  it('lets the YAML and its groups win over variables set when queueing, and an override over all', async () => {
    const yaml = `variables:
- group: g
- { name: own, value: yaml }
jobs:
- job: a
  variables: { inner: job }
  steps:
  - checkout: none
  - bash: echo $(own) $(grouped) $(inner) $(free) \${{ variables.own }}
    name: say
`;
    agent.write('p.yaml', yaml);
    const given = { own: 'x', grouped: 'x', inner: 'x', free: 'x' };
    const variableGroups = { g: { grouped: 'group' } };
    const queued = await agent.runPipeline('p.yaml', { variableGroups, variables: given });
    assert.deepEqual(outputOf(stepOf(queued, 'say')), ['yaml group job x yaml']);
    const overridden = await agent.runPipeline('p.yaml', { variableGroups, overrides: given });
    assert.deepEqual(outputOf(stepOf(overridden, 'say')), ['x x x x x']);
  });

  it('runs only what is asked for, whatever stands before it', async () => {
    agent.write(
      'p.yaml',
      `jobs:
- job: first
  steps: [ { bash: exit 1 } ]
- job: second
  dependsOn: first
  steps:
  - { bash: exit 1, name: prepare }
  - { bash: ls, name: train, displayName: Train it }
`,
    );
    const run = await agent.runPipeline('p.yaml', { only: ['train it'] });
    assert.deepEqual(
      run.jobs.map(({ name, result, steps }) => [name, result, ...steps.map((step) => step.result)]),
      [
        ['first', 'Skipped'],
        ['second', 'Succeeded', 'Succeeded', 'Skipped', 'Succeeded'],
      ],
    );
    assert.match(run.jobs[1]!.steps[1]!.log[0]!, /left out: it is not among what was asked for/);
    await assert.rejects(
      agent.runPipeline('p.yaml', { only: ['nobody'] }),
      /called 'nobody'.*prepare, train/,
    );
  });

  it('names all that is wrong at once, before anything runs', async () => {
    const marker = join(agent.folder, 'marker');
    agent.write(
      'p.yaml',
      `variables:
- group: missing
- { name: count, value: "$[ counter('a', 1) ]" }
jobs:
- job: a
  steps:
  - bash: touch ${marker}
  - task: Nosuch@1
  - task: CopyFiles@2
    inputs: { TargetFolder: b, retryCount: 3 }
  - bash: b
    target: box
  - task: Other@2
- job: b
  pool: server
  condition: suceeded()
`,
    );
    await assert.rejects(agent.runPipeline('p.yaml'), (error: Error) => {
      const lines = error.message
        .split('\n')
        .map((line) => line.replace(/^(p\.yaml:\d+): .*?('[^']*'|\w+@\d).*/, '$1 $2'));
      assert.deepEqual(lines.sort(), [
        "p.yaml:12 'target'",
        'p.yaml:13 Other@2',
        "p.yaml:16 'suceeded()'",
        "p.yaml:2 'missing'",
        "p.yaml:3 'count'",
        'p.yaml:8 Nosuch@1',
        "p.yaml:9 'retryCount'",
      ]);
      return true;
    });
    assert.ok(!existsSync(marker));
  });

  it('goes on without tasks that are not here when asked to, and says so', async () => {
    const run = await agent.runSteps("steps:\n- task: Nosuch@1\n  name: a\n- { bash: 'echo b', name: b }\n", {
      skipUnknownTasks: true,
    });
    assert.equal(run.result, 'Succeeded');
    assert.equal(stepOf(run, 'a').result, 'Skipped');
    assert.deepEqual(stepOf(run, 'a').log, [
      'This step was left out on request: the task Nosuch@1 is not here. On a real agent it would run.',
    ]);
  });

  it('takes the secrets of a group from the key vault that it is linked to', async () => {
    const [groups, vaults] = [join(agent.folder, 'g.yaml'), join(agent.folder, 'v.yaml')];
    writeFileSync(groups, 'g:\n  keyVault: safe\n  secrets: [ token ]\n');
    writeFileSync(vaults, 'safe: { token: hunter2, other: x }\n');
    const keyVaults = await readKeyVaults(vaults);
    assert.deepEqual(await readVariableGroups(groups, keyVaults), {
      g: { token: { value: 'hunter2', isSecret: true } },
    });
    await assert.rejects(readVariableGroups(groups), /g\.yaml:2: There is no key vault 'safe'/);
    await assert.rejects(
      readVariableGroups(groups, { safe: {} }),
      /g\.yaml:3: The key vault 'safe' has no secret 'token'/,
    );
  });
});

describe('What a run finds', () => {
  const agent = new ToyAgent();
  after(() => agent.remove());
  const look =
    'ls $(Build.ArtifactStagingDirectory) $(Common.TestResultsDirectory) $(Build.BinariesDirectory) | grep -c left || true';
  const leave =
    'touch {$(Build.ArtifactStagingDirectory),$(Common.TestResultsDirectory),$(Build.BinariesDirectory)}/left';
  const yaml = (clean: string) =>
    `jobs:\n- job: a\n  ${clean}\n  steps: [ { checkout: none }, { bash: '${look}', name: look }, { bash: '${leave}' } ]\n`;

  it('is staging and test results emptied, binaries only where the job says so', async () => {
    agent.write('p.yaml', yaml('displayName: a'));
    await agent.runPipeline('p.yaml');
    assert.deepEqual(outputOf(stepOf(await agent.runPipeline('p.yaml'), 'look')), ['1']);
    agent.write('p.yaml', yaml('workspace: { clean: outputs }'));
    assert.deepEqual(outputOf(stepOf(await agent.runPipeline('p.yaml'), 'look')), ['0']);
  });

  it('is a machine whose variables count as macros, too', async () => {
    const run = await agent.runSteps("steps:\n- { bash: 'echo $(FROM_HERE) $(from_here)', name: a }\n", {
      environment: { PATH: process.env.PATH, FROM_HERE: 'here' },
    });
    // Bash takes what is left for a command.
    assert.match(outputOf(stepOf(run, 'a')).join(), /here/);
  });

  it('is no variable that a Node task would have taken for its own', async () => {
    const names = [
      'input_x',
      'secret_x',
      'endpoint_auth_x',
      'securefile_ticket_x',
      'vsts_taskvariable_x',
      'endpoint_url_x',
    ];
    const run = await agent.runSteps(
      `variables: { ${names.map((name) => `${name}: v`).join(', ')} }\nsteps:\n- bash: env | grep -E '_X=' | sort\n  name: a\n  env: { INPUT_OWN_X: v, OWN_X: v }\n`,
    );
    assert.deepEqual(outputOf(stepOf(run, 'a')), ['ENDPOINT_URL_X=v', 'OWN_X=v']);
  });

  it('is warned of variables that are one in the environment of scripts', async () => {
    const run = await agent.runSteps('variables: { A.B: 1, A_B: 2 }\nsteps: [ { bash: a } ]\n');
    assert.match(run.jobs[0]!.initialize!.issues[0]!.message, /A\.B and A_B are both A_B/);
  });

  it('is no logging command in a name that somebody wrote', async () => {
    const run = await agent.runSteps(
      'jobs:\n- job: a\n  displayName: "##vso[task.complete result=Failed]x"\n  steps: [ { checkout: none }, { bash: "env | grep DISPLAYNAME; env | grep AGENT_JOBNAME" } ]\n',
    );
    assert.equal(run.result, 'Succeeded');
  });
});
