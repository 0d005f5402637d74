// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the expressions of pipelines
import assert from 'node:assert/strict';
import { readPipeline } from '../../../../local/agent/pipeline/pipeline';
import type { JobPlan, PipelinePlan, TaskStepPlan } from '../../../../local/agent/pipeline/plan';

interface More {
  files?: Record<string, string>;
  parameters?: Record<string, unknown>;
  known?: Record<string, string>;
  queueTime?: Record<string, string>;
  overrides?: Record<string, string>;
}

function read(yaml: string, more: More = {}): PipelinePlan {
  const files: Record<string, string> = { 'pipelines/main.yaml': yaml, ...more.files };
  return readPipeline({
    file: 'pipelines/main.yaml',
    readFile: (file) => files[file],
    parameters: more.parameters ?? {},
    knownVariables: more.known ?? {},
    queueTimeVariables: more.queueTime ?? {},
    overrides: more.overrides ?? {},
  });
}

function scripts(job: JobPlan): string[] {
  return job.steps.flatMap((step) => (step.kind === 'script' ? [step.script] : []));
}

const firstJob = (yaml: string, more?: More) => read(yaml, more).jobs[0]!;
const task = (job: JobPlan, name: string) => job.steps.find((step) => step.name === name) as TaskStepPlan;

describe('Reading a pipeline', () => {
  it('takes steps as one job that checks the sources out first', () => {
    const plan = read('steps:\n- script: echo hi\n');
    assert.equal(plan.name, 'main');
    assert.deepEqual(
      plan.jobs.map((job) => [job.name, job.timeoutInMinutes, job.steps.map((step) => step.kind)]),
      [['Job', 60, ['checkout', 'script']]],
    );
  });

  it('checks nothing out where the steps say so, and nothing twice', () => {
    assert.deepEqual(
      firstJob('steps:\n- checkout: none\n- script: a\n').steps.map((step) => step.kind),
      ['script'],
    );
    const own = firstJob('steps:\n- script: a\n- checkout: self\n  clean: true\n').steps;
    assert.deepEqual(
      own.map((step) => step.kind),
      ['script', 'checkout'],
    );
  });

  it('reads everything a step may say', () => {
    const job = firstJob(`
steps:
- task: Publisher.ext.Tool@2
  name: tool
  displayName: Use the tool
  condition: always()
  continueOnError: true
  timeoutInMinutes: 5
  retryCountOnTaskFailure: 2
  env: { A: 1.10 }
  inputs:
    version: 1.10
    flag: true
    text: |
      two
      lines
    nothing:
`);
    const { at, kind, ...step } = task(job, 'tool');
    assert.equal(at.line, 3);
    assert.deepEqual(step, {
      name: 'tool',
      displayName: 'Use the tool',
      condition: 'always()',
      continueOnError: true,
      timeoutInMinutes: 5,
      retryCountOnTaskFailure: 2,
      env: { A: '1.10' },
      task: 'Publisher.ext.Tool@2',
      inputs: { version: '1.10', flag: 'true', text: 'two\nlines\n', nothing: '' },
    });
  });

  it('names steps after their tasks, numbered where several are alike', () => {
    const job = firstJob(`
steps:
- task: Tool@1
- script: a
- script: b
- bash: c
  name: CmdLine2
- task: Other@1
`);
    assert.deepEqual(
      job.steps.map((step) => step.name),
      ['Checkout', 'Tool', 'CmdLine1', 'CmdLine3', 'CmdLine2', 'Other'],
    );
  });

  it('leaves out steps that are not enabled', () => {
    assert.deepEqual(scripts(firstJob('steps:\n- script: a\n  enabled: false\n- script: b\n')), ['b']);
  });

  it('reads jobs with their own variables and dependencies', () => {
    const plan = read(`
pool: { vmImage: ubuntu-latest }
variables: { a: 1 }
jobs:
- job: one
  steps: [ { script: "one \${{ variables.a }}" } ]
- job: two
  displayName: Second
  dependsOn: [ one ]
  condition: succeededOrFailed()
  timeoutInMinutes: 0
  variables: { a: 2, b: "\${{ variables.a }}" }
  steps: [ { script: "two \${{ variables.a }} \${{ variables.b }}" } ]
`);
    assert.deepEqual(
      plan.jobs.map((job) => [job.name, job.displayName, job.dependsOn, job.condition, job.timeoutInMinutes]),
      [
        ['one', 'one', [], undefined, 60],
        ['two', 'Second', ['one'], 'succeededOrFailed()', 0],
      ],
    );
    assert.deepEqual(plan.jobs.flatMap(scripts), ['one 1', 'two 2 2']);
  });
});

describe('Variables of a pipeline', () => {
  it('keep their order and say where they stand', () => {
    const plan = read(
      `
variables:
- group: shared
- name: a
  value: $(b) 1.10
  readonly: true
- template: vars.yaml
  parameters: { x: 5 }
steps: [ { script: a } ]
`,
      {
        files: {
          'pipelines/vars.yaml': 'parameters:\n- name: x\nvariables:\n  fromTemplate: ${{ parameters.x }}\n',
        },
      },
    );
    assert.deepEqual(
      plan.variables.map(({ at, ...declaration }) => [declaration, at.file, at.line]),
      [
        [{ group: 'shared' }, 'pipelines/main.yaml', 3],
        [{ name: 'a', value: '$(b) 1.10', readOnly: true }, 'pipelines/main.yaml', 5],
        [{ name: 'fromTemplate', value: '5', readOnly: false }, 'pipelines/vars.yaml', 4],
      ],
    );
  });

  it('are known to template expressions: predefined, queue-time and those above, which win, but not groups', () => {
    const yaml = `
variables:
- group: shared
- { name: a, value: one }
- { name: b, value: "\${{ variables.a }}/\${{ variables['Build.Reason'] }}" }
steps:
- script: "[\${{ variables.b }}] [\${{ variables.fromGroup }}] [\${{ variables.a }}]"
`;
    const more = { known: { 'Build.Reason': 'Manual' } };
    assert.deepEqual(scripts(firstJob(yaml, more)), ['[one/Manual] [] [one]']);
    assert.deepEqual(scripts(firstJob(yaml, { ...more, queueTime: { A: 'queued' } })), [
      '[one/Manual] [] [one]',
    ]);
    assert.deepEqual(scripts(firstJob(yaml, { ...more, overrides: { A: 'mine' } })), [
      '[mine/Manual] [] [mine]',
    ]);
  });
});

describe('Templates', () => {
  const steps = `
parameters:
- name: model
- name: flag
  type: boolean
  default: false
- name: size
  type: number
  default: 2
- name: kind
  default: small
  values: [ small, large ]
- name: more
  type: stepList
  default: []
- name: options
  type: object
  default: { first: { on: true }, second: { on: false } }
steps:
- script: \${{ parameters.model }} \${{ parameters.flag }} \${{ parameters.size }} \${{ parameters.kind }}
- \${{ if parameters.flag }}:
  - script: flag
- \${{ elseif gt(parameters.size, 5) }}:
  - script: big
- \${{ else }}:
  - script: neither
- \${{ each option in parameters.options }}:
  - \${{ if option.value.on }}:
    - script: option \${{ option.key }}
- \${{ parameters.more }}
`;
  const using = (parameters: string) => `
steps:
- template: templates/steps.yaml
  parameters: ${parameters}
- script: last
`;
  const files = { 'pipelines/templates/steps.yaml': steps };

  const table: [name: string, parameters: string, scripts: string[]][] = [
    ['defaults', '{ model: titanic }', ['titanic False 2 small', 'neither', 'option first', 'last']],
    [
      'given values',
      '{ MODEL: x, flag: true, kind: large }',
      ['x True 2 large', 'flag', 'option first', 'last'],
    ],
    ['elseif', '{ model: x, size: 6.5 }', ['x False 6.5 small', 'big', 'option first', 'last']],
    [
      'lists of steps and objects',
      '{ model: x, more: [ { script: extra }, { script: extra2 } ], options: { z: { on: 1 } } }',
      ['x False 2 small', 'neither', 'option z', 'extra', 'extra2', 'last'],
    ],
  ];
  for (const [name, parameters, expected] of table) {
    it(`are expanded with ${name}`, () => {
      assert.deepEqual(scripts(firstJob(using(parameters), { files })), expected);
    });
  }

  it('may use templates themselves, relative to themselves or from the root', () => {
    const nested = {
      'pipelines/a/outer.yaml': 'steps:\n- template: ../b/inner.yaml\n- template: /root.yaml@self\n',
      'pipelines/b/inner.yaml': 'steps: [ { script: inner } ]',
      'root.yaml': 'steps: [ { script: root } ]',
    };
    assert.deepEqual(scripts(firstJob('steps:\n- template: a/outer.yaml\n', { files: nested })), [
      'inner',
      'root',
    ]);
  });

  it('may hold jobs', () => {
    const plan = read('jobs:\n- template: jobs.yaml\n  parameters: { names: [ a, b ] }\n', {
      files: {
        'pipelines/jobs.yaml':
          'parameters:\n- { name: names, type: object }\njobs:\n- ${{ each name in parameters.names }}:\n  - job: ${{ name }}\n    steps: [ { script: "in ${{ name }}" } ]\n',
      },
    });
    assert.deepEqual(
      plan.jobs.map((job) => [job.name, ...scripts(job)]),
      [
        ['a', 'in a'],
        ['b', 'in b'],
      ],
    );
  });

  it('may build a step of what they are given, key by key', () => {
    const yaml = `
parameters:
- { name: inputs, type: object, default: { a: 1, b: two } }
- { name: withEnv, type: boolean, default: true }
steps:
- task: Tool@1
  name: tool
  inputs:
    fixed: yes
    \${{ insert }}: \${{ parameters.inputs }}
    \${{ if parameters.withEnv }}:
      extra: \${{ format('{0}!', parameters.inputs.b) }}
    \${{ each pair in parameters.inputs }}:
      x\${{ pair.key }}: \${{ pair.value }}
`;
    assert.deepEqual(task(firstJob(yaml), 'tool').inputs, {
      fixed: 'yes',
      a: '1',
      b: 'two',
      extra: 'two!',
      xa: '1',
      xb: 'two',
    });
    assert.equal(task(firstJob(yaml, { parameters: { withEnv: false } }), 'tool').inputs.extra, undefined);
  });

  it('do not expand what a parameter brings', () => {
    const yaml = 'parameters:\n- name: text\nsteps:\n- script: ${{ parameters.text }}\n';
    assert.deepEqual(scripts(firstJob(yaml, { parameters: { text: '${{ nosuch }} $(macro)' } })), [
      '${{ nosuch }} $(macro)',
    ]);
  });

  const mistakes: [name: string, parameters: string, message: RegExp][] = [
    ['a missing parameter', '{}', /main\.yaml:3: The parameter 'model' needs a value/],
    [
      'an unknown parameter',
      '{ model: x, color: red }',
      /main\.yaml:4: There is no parameter 'color'.*model, flag/,
    ],
    [
      'a wrong boolean',
      '{ model: x, flag: yes }',
      /main\.yaml:4: The parameter 'flag' must be true or false, not 'yes'/,
    ],
    ['a wrong number', '{ model: x, size: big }', /'size' must be a number/],
    ['a value that is not allowed', '{ model: x, kind: huge }', /must be one of: small, large, not 'huge'/],
    ['a list for text', '{ model: [ a ] }', /'model' must be plain text/],
  ];
  for (const [name, parameters, message] of mistakes) {
    it(`refuse ${name}`, () => assert.throws(() => read(using(parameters), { files }), message));
  }
});

describe('What the local agent refuses', () => {
  const table: [name: string, yaml: string, message: RegExp][] = [
    [
      'broken YAML',
      'steps:\n- script: "a\n',
      /^PipelineError: pipelines\/main\.yaml:\d: This is not valid YAML/,
    ],
    [
      'a key it does not know',
      'steps:\n- script: a\n  nosuch: host\n',
      /main\.yaml:3: 'nosuch' is not supported/,
    ],
    [
      'a kind of step it does not know',
      'steps:\n- getPackage: a\n',
      /main\.yaml:2: A step cannot begin with 'getPackage'/,
    ],
    [
      'PowerShell where there is none',
      'steps:\n- pwsh: a\n',
      /main\.yaml:2: 'pwsh' needs PowerShell \(pwsh\), which is not on this machine/,
    ],
    [
      'containers',
      'jobs:\n- job: a\n  container: b\n  steps: []\n',
      /main\.yaml:3: 'container' is not supported/,
    ],
    [
      'deployments by degrees',
      'jobs:\n- deployment: a\n  strategy:\n    canary: {}\n',
      /main\.yaml:4: .*the strategy runOnce only, not 'canary'/,
    ],
    ['a pipeline without steps', 'trigger: none\n', /needs 'stages', 'jobs', 'steps' or 'extends'/],
    [
      'a step without a version of its task',
      'steps:\n- task: Tool\n',
      /main\.yaml:2: 'Tool' must name a task and its major/,
    ],
    [
      'a wrong boolean',
      'steps:\n- script: a\n  continueOnError: maybe\n',
      /main\.yaml:3: 'continueOnError' must be true or false/,
    ],
    [
      'a wrong number',
      'steps:\n- script: a\n  timeoutInMinutes: 0.5\n',
      /main\.yaml:3: 'timeoutInMinutes' must be a whole/,
    ],
    [
      'a bad step name',
      'steps:\n- script: a\n  name: my-step\n',
      /main\.yaml:3: The step name 'my-step' is not valid: it may hold letters/,
    ],
    [
      'two steps of one name',
      'steps:\n- script: a\n  name: x\n- script: b\n  name: X\n',
      /main\.yaml:4: The step name 'X' is used twice/,
    ],
    [
      'another repository',
      'steps:\n- checkout: other\n',
      /main\.yaml:2: There is no repository 'other' under 'resources: repositories:'/,
    ],
    [
      'a template that does not exist',
      'steps:\n- template: no.yaml\n',
      /main\.yaml:2: The template pipelines\/no\.yaml does not exist/,
    ],
    [
      'a template outside of the sources',
      'steps:\n- template: ../../no.yaml\n',
      /main\.yaml:2: .* is outside of its repository/,
    ],
    [
      'a template of another repository',
      'steps:\n- template: a.yaml@lib\n',
      /main\.yaml:2: There is no repository 'lib' under 'resources: repositories:'/,
    ],
    ['a template that uses itself', 'steps:\n- template: main.yaml\n', /nested more than 50 deep/],
    [
      'an unknown name in an expression',
      'steps:\n- script: ${{ resources.x }}\n',
      /main\.yaml:2: 'resources' means nothing here/,
    ],
    [
      'an expression that is not closed',
      'steps:\n- script: ${{ a\n',
      /main\.yaml:2: An expression is opened here/,
    ],
    [
      'else without if',
      'steps:\n- ${{ else }}:\n  - script: a\n',
      /main\.yaml:2: 'elseif' and 'else' must follow an 'if'/,
    ],
    [
      'an object as text',
      'parameters:\n- { name: o, type: object, default: { a: 1 } }\nsteps:\n- script: x${{ parameters.o }}\n',
      /main\.yaml:4: An object cannot be used as text/,
    ],
    ['anchors', 'variables: &a { x: 1 }\nsteps: []\n', /does not allow YAML anchors/],
    ['a key that is written twice', 'steps: []\nSteps: []\n', /main\.yaml:2: 'Steps' is already defined/],
    [
      'a dependency on nothing',
      'jobs:\n- job: a\n  dependsOn: b\n  steps: []\n',
      /main\.yaml:2: 'a' depends on 'b', which is no job/,
    ],
    [
      'jobs that wait for each other',
      'jobs:\n- { job: a, dependsOn: b, steps: [] }\n- { job: b, dependsOn: a, steps: [] }\n',
      /depends on itself/,
    ],
    [
      'an unknown parameter type',
      'parameters:\n- { name: a, type: String }\nsteps: []\n',
      /main\.yaml:2: There is no parameter type 'String' in a pipeline/,
    ],
  ];
  for (const [name, yaml, message] of table) {
    it(name, () => {
      const files = { 'pipelines/main.yaml': yaml };
      assert.throws(() => read(yaml, { files }), message);
    });
  }

  it('a pipeline file that is not there', () => {
    assert.throws(
      () => readPipeline({ file: 'no.yaml', readFile: () => undefined }),
      /The pipeline file no\.yaml does not exist/,
    );
  });
});
