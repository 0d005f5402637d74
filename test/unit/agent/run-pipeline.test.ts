// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the expressions of pipelines
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readVariableGroups } from '../../../local/agent/agent';
import { jsStep, jsTask, outputOf, sayStep, stepOf, ToyAgent } from './toy-extension';

describe('A pipeline that the local agent runs', () => {
  let agent: ToyAgent;
  beforeEach(() => {
    agent = new ToyAgent([
      jsTask,
      {
        ...jsTask,
        name: 'Parts',
        preJob: "console.log('before ' + process.env.INPUT_TEXT)",
        postJob: "console.log('after ' + process.env.INPUT_TEXT)",
      },
    ]);
  });
  afterEach(() => agent.remove());

  it('is put together from templates, parameters, variable groups and variables that override them', async () => {
    agent.write(
      'pipelines/train.yaml',
      `trigger: none
name: $(Build.DefinitionName)-$(Rev:r)
parameters:
- { name: loud, type: boolean, default: false }
variables:
- group: shared-variables
- group: shared-secrets
- { name: model, value: titanic }
- { name: greeting, value: "Hello $(model) $(version)" }
steps:
- template: templates/steps.yaml
  parameters: { model: "$(model)", loud: "\${{ parameters.loud }}" }
`,
    );
    agent.write(
      'pipelines/templates/steps.yaml',
      `parameters:
- name: model
- { name: loud, type: boolean }
steps:
- script: echo "$(greeting)!" \${{ parameters.model }} $(token) $(nowhere.to.be.found)
  name: say
  displayName: Train \${{ parameters.model }}
- \${{ if parameters.loud }}:
  - script: echo LOUD
    name: loud
`,
    );
    const file = join(agent.folder, 'groups.yaml');
    writeFileSync(
      file,
      'shared-variables: { variables: { version: 1.10 } }\nshared-secrets: { secrets: { token: hunter2 } }\n',
    );
    const run = await agent.runPipeline('pipelines/train.yaml', {
      variableGroups: await readVariableGroups(file),
      overrides: { VERSION: '2.0' },
      parameters: { loud: true },
    });
    assert.equal(run.result, 'Succeeded');
    assert.equal(run.buildNumber, 'train-1');
    const step = stepOf(run, 'say');
    assert.equal(step.displayName, 'Train titanic');
    // Nothing orders what comes by two streams.
    const output = outputOf(step);
    assert.equal(output.length, 2);
    assert.ok(output.includes('Hello titanic 2.0! titanic ***'));
    assert.ok(output.some((line) => /nowhere\.to\.be\.found: command not found/.test(line)));
    assert.deepEqual(outputOf(stepOf(run, 'loud')), ['LOUD']);
    assert.deepEqual([run.variables.greeting, run.variables.token], ['Hello titanic 2.0', undefined]);
    assert.deepEqual(JSON.parse(readFileSync(join(run.folder, 'timeline.json'), 'utf8')), run);
  });

  it('runs steps by their conditions, and ends as its worst step', async () => {
    const run = await agent.runSteps(
      `variables: { which: B }\nsteps:\n${[
        sayStep(['a'], { name: 'a', condition: "eq(variables.which, 'a')" }),
        sayStep(['b'], { name: 'b', condition: "eq(variables['WHICH'], 'b')" }),
        sayStep(['##vso[task.complete result=SucceededWithIssues]'], { name: 'c' }),
        sayStep(['$(agent.jobstatus)'], { name: 'd' }),
        sayStep(['##vso[task.complete result=Failed]'], { name: 'e', continueOnError: true }),
        sayStep(['$(agent.jobstatus)'], { name: 'f' }),
        sayStep(['##vso[task.complete result=Failed]'], { name: 'g' }),
        sayStep([], { name: 'h' }),
        sayStep(['$(agent.jobstatus)'], { name: 'i', condition: 'failed()' }),
        sayStep([], { name: 'j', condition: "gt(1, 'nonsense')" }),
        sayStep([], { name: 'k', condition: "and(always(), eq(variables['d'], ''))" }),
      ].join('')}`,
    );
    assert.equal(run.result, 'Failed');
    assert.deepEqual(
      run.jobs[0]!.steps.slice(1).map((step) => [step.name, step.result]),
      [
        ['a', 'Skipped'],
        ['b', 'Succeeded'],
        ['c', 'SucceededWithIssues'],
        ['d', 'Succeeded'],
        ['e', 'SucceededWithIssues'],
        ['f', 'Succeeded'],
        ['g', 'Failed'],
        ['h', 'Skipped'],
        ['i', 'Succeeded'],
        ['j', 'Failed'],
        ['k', 'Succeeded'],
      ],
    );
    assert.deepEqual(
      ['d', 'f', 'i'].map((name) => outputOf(stepOf(run, name))),
      [['SucceededWithIssues'], ['SucceededWithIssues'], ['Failed']],
    );
    assert.deepEqual(stepOf(run, 'a').log, [
      "Skipped, because its condition does not hold: eq(variables.which, 'a')",
    ]);
    assert.match(stepOf(run, 'j').issues[0]!.message, /nonsense/);
  });

  it('runs pre-job parts first and post-job parts last, in reverse, even when steps fail', async () => {
    const part = (text: string, code: string) =>
      jsStep(code, { inputs: { text }, displayName: text }).replace('Js@1', 'Parts@1');
    const run = await agent.runSteps(`steps:\n${part('A', 'process.exit(1)')}${part('B', '')}`);
    assert.deepEqual(
      run.jobs[0]!.steps.map((step) => [
        step.displayName,
        step.result,
        ...outputOf(step).filter((line) => /^(be|af)/.test(line)),
      ]),
      [
        ['Pre-job: A', 'Succeeded', 'before A'],
        ['Pre-job: B', 'Succeeded', 'before B'],
        ['Checkout', 'Succeeded'],
        ['A', 'Failed'],
        ['B', 'Skipped'],
        ['Post-job: B', 'Succeeded', 'after B'],
        ['Post-job: A', 'Succeeded', 'after A'],
      ],
    );
  });

  it('hands outputs from job to job, and runs jobs by their conditions', async () => {
    const run = await agent.runSteps(`
jobs:
- job: last
  dependsOn: [ first, broken ]
  condition: failed()
  variables:
    version: $[ dependencies.first.outputs['set.version'] ]
    missing: $[ dependencies.first.outputs['set.nothing'] ]
    status: $[ format('{0}!', dependencies.broken.result) ]
  steps:
  ${sayStep(['$(version) [$(missing)] $(status)'], { name: 'show' })}
- job: broken
  steps: [ { script: exit 3 } ]
- job: first
  steps:
  ${sayStep(['##vso[task.setvariable variable=version;isoutput=true]1.0'], { name: 'set' })}
- job: never
  dependsOn: broken
  steps: [ { script: echo never } ]
`);
    assert.deepEqual(
      run.jobs.map((job) => [job.name, job.result]),
      [
        ['broken', 'Failed'],
        ['first', 'Succeeded'],
        ['last', 'Succeeded'],
        ['never', 'Skipped'],
      ],
    );
    assert.equal(run.result, 'Failed');
    const show = run.jobs[2]!.steps.find((step) => step.name === 'show')!;
    assert.deepEqual(outputOf(show), ['1.0 [] Failed!']);
  });

  it('runs scripts with bash in the folder that they name, and fails with them', async () => {
    agent.write('sub/file.txt', 'content');
    const run = await agent.runSteps(`
steps:
- script: cat file.txt
  name: a
  workingDirectory: sub
- bash: |
    echo "one \${OWN}"
    false
    echo two
  name: b
  env: { OWN: $(System.TeamProject) }
- script: echo trouble >&2
  name: c
- script: echo trouble >&2
  name: d
  failOnStderr: true
- script: exit 5
  name: e
  condition: always()
- script: pwd
  name: f
  workingDirectory: nowhere
  condition: always()
`);
    assert.deepEqual(outputOf(stepOf(run, 'a')), ['content']);
    assert.deepEqual(outputOf(stepOf(run, 'b')), ['one local', 'two']);
    assert.deepEqual(
      ['a', 'b', 'c', 'd', 'e'].map((name) => stepOf(run, name).result),
      ['Succeeded', 'Succeeded', 'Succeeded', 'Failed', 'Failed'],
    );
    assert.match(stepOf(run, 'f').issues[0]!.message, /The working directory .*\/nowhere does not exist/);
    assert.deepEqual(stepOf(run, 'e').issues, [{ type: 'error', message: "Bash exited with code '5'." }]);
  });

  it('gives scripts no secrets in their environment', async () => {
    const run = await agent.runSteps(
      'variables: [ { group: g } ]\nsteps:\n- script: env | grep -c -e TOKEN -e hunter2 -e VSTS_SECRET\n  name: a\n',
      {
        variableGroups: { g: { token: { value: 'hunter2', isSecret: true } } },
      },
    );
    assert.equal(outputOf(stepOf(run, 'a'))[0], '0');
  });

  it('stands in a copy of the sources that follows them and keeps what steps have made', async () => {
    agent.write('kept.txt', '1');
    agent.write('gone/old.txt', '1');
    agent.write('changed.txt', '1');
    const list =
      '- script: find . -type f | sort | xargs grep -H .\n  name: list\n- script: echo made > made.txt; echo x > kept.txt\n';
    const first = await agent.runSteps(list);
    assert.deepEqual(outputOf(stepOf(first, 'list')), [
      './changed.txt:1',
      './gone/old.txt:1',
      './kept.txt:1',
    ]);
    rmSync(join(agent.sources, 'gone'), { recursive: true });
    agent.write('changed.txt', 'two');
    agent.write('new.txt', '1');
    const second = await agent.runSteps(list);
    assert.deepEqual(outputOf(stepOf(second, 'list')), [
      './changed.txt:two',
      './kept.txt:1',
      './made.txt:made',
      './new.txt:1',
    ]);
    const clean = await agent.runSteps(`- checkout: self\n  clean: true\n${list}`);
    assert.deepEqual(outputOf(stepOf(clean, 'list')), ['./changed.txt:two', './kept.txt:1', './new.txt:1']);
    assert.deepEqual(
      [first, second, clean].map((run) => run.buildId),
      [1, 2, 3],
    );
  });

  it('brings what git tracks or does not ignore, and knows the commit', async () => {
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: agent.sources, encoding: 'utf8' }).trim();
    git('init', '-q', '-b', 'trunk');
    agent.write('.gitignore', 'ignored\n');
    agent.write('tracked', '1');
    git('add', '.');
    git('-c', 'user.name=Ada', '-c', 'user.email=a@b', 'commit', '-qm', 'First ##vso[task.debug]');
    agent.write('ignored', '1');
    agent.write('new', '1');
    const run = await agent.runSteps(
      '- script: ls -A\n  name: a\n- script: echo $(Build.SourceVersion) $(Build.SourceBranchName) "$(Build.SourceVersionMessage)"\n  name: b\n',
    );
    assert.deepEqual(outputOf(stepOf(run, 'a')), ['.git', '.gitignore', 'new', 'tracked']);
    assert.deepEqual(outputOf(stepOf(run, 'b')), [
      `${git('rev-parse', 'HEAD')} trunk First **vso[task.debug]`,
    ]);
  });

  it('has a .git like that of an agent: one commit, no branch, and the address of the repository', async () => {
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=a@b', ...args], {
        cwd: agent.sources,
        encoding: 'utf8',
      }).trim();
    git('init', '-q', '-b', 'trunk');
    git('remote', 'add', 'origin', 'https://example.com/titanic.git');
    for (const text of ['first', 'second']) {
      agent.write('tracked', text);
      git('add', '.');
      git('commit', '-qm', text);
    }
    const look =
      '- script: git rev-list --count HEAD; git branch --show-current | wc -l; git status --porcelain; git remote get-url origin; git log -1 --format=%H%s\n  name: look\n';
    const origin = 'https://example.com/titanic.git';
    const seen = async (steps: string) => outputOf(stepOf(await agent.runSteps(steps), 'look'));
    assert.deepEqual(await seen(look), ['1', '0', origin, `${git('rev-parse', 'HEAD')}second`]);
    agent.write('tracked', 'changed');
    assert.deepEqual(await seen(look), ['1', '0', ' M tracked', origin, `${git('rev-parse', 'HEAD')}second`]);
    git('commit', '-qam', 'third');
    assert.deepEqual(await seen(look), ['1', '0', origin, `${git('rev-parse', 'HEAD')}third`]);
    const whole = `- checkout: self\n  fetchDepth: 0\n${look}`;
    assert.deepEqual(await seen(whole), ['3', '0', origin, `${git('rev-parse', 'HEAD')}third`]);
  });

  it('brings every file of a folder that the git checkout around it ignores', async () => {
    execFileSync('git', ['init', '-q'], { cwd: agent.folder });
    writeFileSync(join(agent.folder, '.gitignore'), '*');
    agent.write('sub/file', '1');
    const run = await agent.runSteps('- script: find . -type f\n  name: a\n');
    assert.deepEqual(outputOf(stepOf(run, 'a')), ['./sub/file']);
  });

  it('does not bring its own folders when they lie in the sources', async () => {
    agent.write('file', '1');
    const options = { workFolder: agent.sources };
    await agent.runSteps('- script: "true"\n', options);
    const run = await agent.runSteps('- script: find . -type f\n  name: a\n', options);
    assert.deepEqual(outputOf(stepOf(run, 'a')), ['./file']);
  });

  it('has a folder of its own for each pipeline, and the build id of the last run when it is tried again', async () => {
    agent.write('one.yaml', 'steps: [ { script: pwd, name: a } ]');
    agent.write('two.yaml', 'steps: [ { script: pwd, name: a } ]');
    const folderOf = async (file: string) => {
      const run = await agent.runPipeline(file);
      return [outputOf(stepOf(run, 'a'))[0]!.slice(join(agent.folder, 'agent').length), run.buildId];
    };
    assert.deepEqual(await folderOf('one.yaml'), ['/_work/1/s', 1]);
    assert.deepEqual(await folderOf('two.yaml'), ['/_work/2/s', 2]);
    assert.deepEqual(await folderOf('one.yaml'), ['/_work/1/s', 3]);
    const again = await agent.runPipeline('one.yaml', { attempt: 2 });
    assert.deepEqual([again.buildId, again.variables['System.StageAttempt']], [3, '2']);
  });

  it('can leave out the steps of a task, and says so', async () => {
    const run = await agent.runSteps(`steps:\n${jsStep('process.exit(1)', { name: 'a' })}`, {
      leaveOut: ['js'],
    });
    assert.equal(stepOf(run, 'a').result, 'Skipped');
    assert.match(stepOf(run, 'a').log[0]!, /left out on request/);
    assert.equal(run.result, 'Succeeded');
  });

  const refusals: [name: string, yaml: string, message: RegExp][] = [
    [
      'a variable group that is not there',
      'variables:\n- group: nosuch\nsteps: []\n',
      /steps\.yaml:2: There is no variable group 'nosuch'\. .* given: none/,
    ],
    [
      'a task that is not there',
      'steps:\n- script: a\n- task: Nosuch@1\n',
      /steps\.yaml:3: There is no task Nosuch@1/,
    ],
    [
      'a wrong runtime expression',
      'variables:\n  a: $[ nosuch(1) ]\nsteps: []\n',
      /steps\.yaml:2: The variable 'a': .*nosuch/,
    ],
    [
      'a key that is not supported',
      'steps:\n- script: a\n  target: x\n',
      /steps\.yaml:3: 'target': the local agent runs steps on this machine itself/,
    ],
  ];
  for (const [name, yaml, message] of refusals) {
    it(`is refused before anything runs for ${name}`, async () => {
      await assert.rejects(agent.runSteps(yaml), { name: 'PipelineError', message });
      assert.ok(!existsSync(join(agent.folder, 'agent/_diag')));
    });
  }
});

describe('A file of variable groups', () => {
  it('that is not in order is refused with its line', async () => {
    const agent = new ToyAgent();
    const file = join(agent.folder, 'groups.yaml');
    writeFileSync(file, 'group:\n  values: { a: 1 }\n');
    await assert.rejects(
      readVariableGroups(file),
      /groups\.yaml:2: 'values' is not supported.*variables, secrets/,
    );
    agent.remove();
  });
});
