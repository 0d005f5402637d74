// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the expressions of pipelines
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PipelineRecord } from '../../../local/agent/agent';
import { outputOf, ToyAgent } from './toy-extension';

/** What the named step of a job has printed. */
function printed(run: PipelineRecord, jobName: string, step: string): string[] {
  const job = run.jobs.find(({ name, stage }) => `${stage ? `${stage}.` : ''}${name}` === jobName);
  const found = job?.steps.find(({ name }) => name === step);
  assert.ok(found, `${jobName} has ${step}`);
  return outputOf(found);
}

const results = (run: PipelineRecord) =>
  run.jobs.map(({ stage, name, result }) => [stage ? `${stage}.${name}` : name, result].join(' '));

describe('Stages and jobs that depend on each other', () => {
  const agent = new ToyAgent();
  after(() => agent.remove());
  const start = (yaml: string, more = {}) => {
    agent.write('p.yaml', yaml);
    return agent.runPipeline('p.yaml', more);
  };
  /** A job that prints a text. */
  const job = (name: string, more: string[] = [], text = name) =>
    [
      `- job: ${name}`,
      ...more.map((line) => `  ${line}`),
      '  steps:',
      '  - checkout: none',
      `  - bash: echo "${text}"`,
      '    name: say',
    ].join('\n');
  const failing = (name: string) => job(name).replace('echo', 'exit 1; echo');
  const inner = (text: string) => text.replace(/^/gm, '  ');

  const conditions: [of: string, condition: string, jobs: string[], expected: string][] = [
    ['nothing', 'succeeded()', [], 'Succeeded'],
    ['nothing', 'succeededOrFailed()', [], 'Succeeded'],
    ['nothing', 'failed()', [], 'Skipped'],
    ['a success', 'failed()', ['good'], 'Skipped'],
    ['a failure', 'failed()', ['bad'], 'Succeeded'],
    ['a failure', "failed('good')", ['good', 'bad'], 'Skipped'],
    ['a failure', "succeeded('GOOD')", ['good', 'bad'], 'Succeeded'],
    ['a failure', "succeeded('good', 'bad')", ['good', 'bad'], 'Skipped'],
    ['a failure', "succeeded('nobody')", ['good'], 'Skipped'],
    ['something skipped', 'succeeded()', ['good', 'skipped'], 'Skipped'],
    ['something skipped', 'succeededOrFailed()', ['skipped'], 'Skipped'],
    ['something skipped', 'succeededOrFailed()', ['good', 'skipped'], 'Succeeded'],
    ['something skipped', 'failed()', ['skipped'], 'Skipped'],
    ['something skipped', 'not(canceled())', ['skipped'], 'Succeeded'],
    ['something skipped', "eq(dependencies.Skipped.result, 'Skipped')", ['skipped'], 'Succeeded'],
    ['every result', "containsValue(dependencies.*.result, 'Failed')", ['good', 'bad'], 'Succeeded'],
  ];
  for (const [of, condition, needed, expected] of conditions) {
    it(`answers ${condition} over ${of} (${needed.join(' and ') || 'no dependency'}) as the service does`, async () => {
      const run = await start(`jobs:
${job('good')}
${failing('bad')}
${job('skipped', ['condition: false'])}
${job('asked', [`dependsOn: [ ${needed.join(', ')} ]`, `condition: ${condition}`])}
`);
      assert.equal(run.jobs.find(({ name }) => name === 'asked')?.result, expected);
    });
  }

  it('looks at all ancestors, not only at those that a job names', async () => {
    const run = await start(`jobs:
${failing('first')}
${job('second', ['dependsOn: first', 'condition: always()'])}
${job('third', ['dependsOn: second'])}
${job('cleanUp', ['dependsOn: second', 'condition: failed()'])}
`);
    assert.deepEqual(results(run), [
      'first Failed',
      'second Succeeded',
      'third Skipped',
      'cleanUp Succeeded',
    ]);
  });

  it('abandons a job whose condition cannot be computed, which fails the run', async () => {
    const run = await start(
      `jobs:\n${job('odd', ["condition: gt(1, 'x')"])}\n${job('next', ['dependsOn: odd', 'condition: failed()'])}\n`,
    );
    assert.deepEqual(results(run), ['odd Abandoned', 'next Skipped']);
    assert.match(run.jobs[0]!.note!, /'x' cannot be compared with a number/);
    assert.equal(run.result, 'Failed');
  });

  it('runs after a cancel what does not ask for success, to its end', async () => {
    const cancel = new AbortController();
    const run = await start(
      `jobs:
${job('slow').replace('echo "slow"', 'echo ready; sleep 30')}
${job('anyhow', ['dependsOn: slow', "condition: eq(variables['Build.Reason'], 'Manual')"])}
${job('usual', ['dependsOn: slow'])}
`,
      { signal: cancel.signal, onLine: (line: string) => line === 'ready' && cancel.abort() },
    );
    assert.deepEqual(results(run), ['slow Canceled', 'anyhow Succeeded', 'usual Canceled']);
    assert.deepEqual(printed(run, 'anyhow', 'say'), ['anyhow']);
  });

  it('runs stages in their order, with conditions, variables and outputs of those before', async () => {
    const run = await start(`variables: { where: pipeline, mine: pipeline }
stages:
- stage: build
  variables: { where: build }
  jobs:
${inner(job('compile').replace('echo "compile"', `echo "##vso[task.setvariable variable=tag;isOutput=true]v7"; echo "$(where) $(mine)"`))}
- stage: skipped
  condition: false
  jobs:
${inner(job('never'))}
- stage: ship
  dependsOn: [ build, skipped ]
  condition: and(not(failed()), eq(dependencies.build.outputs['compile.say.tag'], 'v7'))
  jobs:
${inner(job('push', ['variables: { tag: "$[ stageDependencies.build.compile.outputs[\'say.tag\'] ]" }'], '$(tag) $(System.StageName)'))}
- stage: report
  jobs:
${inner(job('tell'))}
`);
    assert.deepEqual(results(run), [
      'build.compile Succeeded',
      'skipped.never Skipped',
      'ship.push Succeeded',
      'report.tell Skipped',
    ]);
    assert.deepEqual(printed(run, 'build.compile', 'say'), ['build pipeline']);
    assert.deepEqual(printed(run, 'ship.push', 'say'), ['v7 ship']);
    assert.match(run.jobs[3]!.note!, /^Its stage was left out/);
  });

  it('runs a job once for each leg of its matrix, and is as good as the worst of them', async () => {
    const run = await start(`jobs:
- job: train
  strategy: { matrix: { small: { size: 1 }, big: { size: 20 } } }
  steps:
  - checkout: none
  - bash: echo "##vso[task.setvariable variable=size;isOutput=true]$(size)"; echo "$(size) $(System.JobName)"
    name: say
${job('use', ['dependsOn: train', 'variables: { size: "$[ dependencies.train.outputs[\'big.say.size\'] ]" }'], '$(size)')}
`);
    assert.deepEqual(results(run), ['train small Succeeded', 'train big Succeeded', 'use Succeeded']);
    assert.deepEqual(printed(run, 'train big', 'say'), ['20 big']);
    assert.deepEqual(printed(run, 'use', 'say'), ['20']);
  });

  it('deploys hook by hook, into an environment, with what the run has published', async () => {
    const deployment = (deploy: string) => `jobs:
- job: build
  steps:
  - checkout: none
  - bash: mkdir -p $(Pipeline.Workspace)/x && echo model > $(Pipeline.Workspace)/x/m.txt
  - publish: $(Pipeline.Workspace)/x
    artifact: drop
- deployment: ship
  dependsOn: build
  environment: production.cluster
  strategy:
    runOnce:
      preDeploy: { steps: [ { bash: "echo $(Environment.Name) $(Environment.ResourceName)", name: say } ] }
      deploy:
        steps:
        - bash: ${deploy}
          name: say
      on:
        success: { steps: [ { bash: echo well, name: say } ] }
        failure: { steps: [ { bash: echo ill, name: say } ] }
${job('after', ['dependsOn: ship', 'condition: always()', 'variables: { where: "$[ dependencies.ship.outputs[\'ship.say.where\'] ]" }'], '[$(where)]')}
`;
    const run = await start(
      deployment(
        `cat $(Pipeline.Workspace)/drop/m.txt; ls; echo '##vso[task.setvariable variable=where;isOutput=true]here'`,
      ),
    );
    assert.deepEqual(results(run).slice(1), [
      'ship preDeploy Succeeded',
      'ship deploy Succeeded',
      'ship success Succeeded',
      'after Succeeded',
    ]);
    assert.deepEqual(printed(run, 'ship preDeploy', 'say'), ['production cluster']);
    assert.deepEqual(printed(run, 'ship deploy', 'say'), ['model']);
    assert.deepEqual(printed(run, 'after', 'say'), ['[here]']);
    const failed = await start(deployment('exit 3'));
    assert.deepEqual(results(failed).slice(1, 4), [
      'ship preDeploy Succeeded',
      'ship deploy Failed',
      'ship failure Succeeded',
    ]);
    assert.equal(failed.result, 'Failed');
  });

  it('takes a pipeline from a template of another repository, and checks both out side by side', async () => {
    const other = join(agent.folder, 'tools');
    mkdirSync(other);
    writeFileSync(
      join(other, 'frame.yml'),
      'parameters: [ { name: steps, type: stepList } ]\njobs:\n- job: framed\n  steps:\n  - checkout: self\n  - checkout: lib\n  - template: first.yml\n  - ${{ parameters.steps }}\n',
    );
    writeFileSync(join(other, 'first.yml'), "steps: [ { bash: 'ls tools', name: first } ]\n");
    const run = await start(
      `resources: { repositories: [ { repository: lib, type: git, name: Team/tools } ] }
extends:
  template: frame.yml@lib
  parameters: { steps: [ { bash: "ls", name: own } ] }
`,
      { repositories: { tools: other } },
    );
    assert.deepEqual(printed(run, 'framed', 'first'), ['first.yml', 'frame.yml']);
    assert.deepEqual(printed(run, 'framed', 'own'), ['sources', 'tools']);
  });

  it('keeps secret what is made of a secret, also in a later job', async () => {
    const run = await start(
      `variables:
- group: g
- { name: made, value: "$[ format('<{0}>', variables['TOKEN']) ]" }
- { name: again, value: "$[ upper(variables.made) ]" }
- { name: plain, value: "$[ upper('abc') ]" }
jobs:
${job('first').replace('echo "first"', `echo "##vso[task.setvariable variable=t;isOutput=true;isSecret=true]tiptop"; echo "$(made) $(again) $(plain)"; env | grep -c HUNTER || true`)}
${job('second', ['dependsOn: first', 'variables: { got: "$[ dependencies.first.outputs[\'say.t\'] ]" }'], '$(got)')}
`,
      { variableGroups: { g: { token: { value: 'hunter2', isSecret: true } } } },
    );
    assert.deepEqual(printed(run, 'first', 'say'), ['*** *** ABC', '0']);
    assert.deepEqual(printed(run, 'second', 'say'), ['***']);
    const timeline = readFileSync(join(run.folder, 'timeline.json'), 'utf8');
    assert.doesNotMatch(timeline, /hunter2|tiptop/i);
  });
});
