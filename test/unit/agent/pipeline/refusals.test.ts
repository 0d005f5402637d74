// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the expressions of pipelines
import assert from 'node:assert/strict';
import { readPipelineText } from '../../../../local/agent/pipeline/pipeline';

const read = (yaml: string, files: Record<string, string> = {}) =>
  readPipelineText(yaml, { file: 'p.yml', readFile: (file) => files[file] });

const STEPS = 'steps:\n- bash: a\n';
const LIST =
  'parameters:\n- { name: list, type: object, default: [ a ] }\n- { name: map, type: object, default: { FOO: a } }\n';

describe('What the server refuses before a run', () => {
  const refused: Record<string, [yaml: string, message: RegExp][]> = {
    'expressions in branches that are not taken': [
      ['steps:\n- ${{ if false }}:\n  - bash: ${{ 3 + 4 }}\n', /^p\.yml:3: Unexpected/],
      ['steps:\n- ${{ if false }}:\n  - bash: ${{ eqq(1) }}\n', /^p\.yml:3: There is no function eqq\(\)/],
      [
        'steps:\n- ${{ if false }}:\n  - bash: ${{ parammeters.x }}\n',
        /^p\.yml:3: 'parammeters' means nothing/,
      ],
      [
        `${LIST}steps:\n- \${{ each x in parameters.list }}:\n  - \${{ if false }}:\n    - bash: \${{ y }}\n`,
        /^p\.yml:7: 'y' means nothing.*x\.$/,
      ],
      [
        'steps:\n- bash: a\n- ${{ if true }}:\n  - bash: b\n- ${{ elseif eq(1) }}:\n  - bash: c\n',
        /^p\.yml:5: eq\(\) was given/,
      ],
      ['steps:\n- ${{ if null }}:\n  - bash: a\n', /^p\.yml:2: 'null' means nothing/],
      ['steps:\n- bash: ${{ always() }}\n', /no function always\(\)/],
      ['variables: { a: "${{ counter(1) }}" }\nsteps: []\n', /no function counter\(\)/],
    ],
    directives: [
      ['steps:\n- ${{ IF true }}:\n  - bash: a\n', /^p\.yml:2: /],
      [
        'steps:\n- ${{ if false }}:\n  - bash: a\n- ${{ else if true }}:\n  - bash: b\n',
        /^p\.yml:4: Nothing may follow 'else'.*'elseif' as one word/,
      ],
      [
        'steps:\n- ${{ if false }}:\n  - bash: a\n- ${{ else }}:\n  - bash: b\n- ${{ else }}:\n  - bash: c\n',
        /^p\.yml:6: .*must follow an 'if'/,
      ],
      [
        `${LIST}steps:\n- \${{ if false }}:\n  - bash: a\n- \${{ each x in parameters.list }}:\n  - bash: b\n- \${{ else }}:\n  - bash: c\n`,
        /must follow an 'if'/,
      ],
      [
        `${LIST}steps:\n- \${{ each variables in parameters.list }}:\n  - bash: a\n`,
        /'variables' means something here already/,
      ],
      [
        `${LIST}steps:\n- \${{ each eq in parameters.list }}:\n  - bash: a\n`,
        /'eq' is the name of a function/,
      ],
      [
        `${LIST}steps:\n- \${{ each x in parameters.list }}:\n  - \${{ each X in parameters.list }}:\n    - bash: a\n`,
        /'X' means something here already/,
      ],
      [
        `${LIST}steps:\n- \${{ each x IN parameters.list }}:\n  - bash: a\n`,
        /must read: each <name> in <list>/,
      ],
    ],
    'names that stand twice': [
      ['variables:\n  a: 1\n  A: 2\nsteps: []\n', /^p\.yml:3: 'A' is already defined/],
      [
        `${LIST}variables:\n  FOO: b\n  \${{ insert }}: \${{ parameters.map }}\nsteps: []\n`,
        /'FOO' is already defined/,
      ],
      [
        `${LIST}variables:\n  foo: b\n  \${{ each x in parameters.map }}:\n    \${{ x.key }}: c\nsteps: []\n`,
        /'FOO' is already defined/,
      ],
      [
        'steps:\n- bash: a\n  displayName: b\n  displayname: c\n',
        /^p\.yml:4: 'displayname' is already defined/,
      ],
      [
        'parameters:\n- { name: a, default: b }\n- { name: A, default: c }\nsteps: []\n',
        /^p\.yml:3: The parameter 'A' is declared twice/,
      ],
      ['jobs:\n- { job: a, steps: [] }\n- { job: A, steps: [] }\n', /two jobs named 'A'/],
      ['stages:\n- { stage: a, jobs: [] }\n- { stage: A, jobs: [] }\n', /two stages named 'A'/],
    ],
    'parameters that are not what they are declared': [
      [
        'parameters:\n- { name: p, default: "${{ variables.x }}" }\nsteps: []\n',
        /^p\.yml:2: A template expression is not allowed/,
      ],
      ['parameters:\n- { name: p, default: "a${{ \'b\' }}" }\nsteps: []\n', /not allowed/],
      ['parameters:\n- { name: p, type: object, default: { a: "${{ 1 }}" } }\nsteps: []\n', /not allowed/],
      ['parameters:\n- { name: p, type: string, default: { a: 1 } }\nsteps: []\n', /must be plain text/],
      ['parameters:\n- { name: p, type: number, default: "" }\nsteps: []\n', /must be a number/],
      [
        'parameters:\n- { name: p, type: stringList, values: [ a ], default: [ b ] }\nsteps: []\n',
        /must be a list of: a/,
      ],
      ['parameters:\n- { name: p, type: container, default: { image: a } }\nsteps: []\n', /one container/],
    ],
    'names of jobs, stages and steps': ['build-image', '1st', 'a.b', 'a b', 'ä'].flatMap(
      (name): [string, RegExp][] => [
        [`jobs:\n- job: ${name}\n  steps: []\n`, /^p\.yml:2: The job name '.*' is not valid/],
        [`jobs:\n- deployment: ${name}\n  strategy: {}\n`, /^p\.yml:2: The job name/],
        [`stages:\n- stage: ${name}\n  jobs: []\n`, /^p\.yml:2: The stage name/],
        [`steps:\n- bash: a\n  name: ${name}\n`, /^p\.yml:3: The step name/],
      ],
    ),
    'conditions and variables that cannot be computed': [
      ['steps:\n- bash: a\n  condition: suceeded()\n', /^p\.yml:3: The step condition 'suceeded\(\)'/],
      ["steps:\n- bash: a\n  condition: succeeded('A')\n", /succeeded\(\) was given 1 arguments/],
      ['steps:\n- bash: a\n  condition: eq(dependencies.A.result, 1)\n', /'dependencies' means nothing/],
      [
        'jobs:\n- job: a\n  steps: []\n- job: b\n  dependsOn: a\n  condition: eq(1\n  steps: []\n',
        /^p\.yml:6: The job condition/,
      ],
      ["jobs:\n- job: a\n  condition: always('b')\n  steps: []\n", /always\(\) was given 1/],
      ["jobs:\n- job: a\n  condition: eq(parameters.x, 'b')\n  steps: []\n", /'parameters' means nothing/],
      ["jobs:\n- job: a\n  condition: counter('a', 1)\n  steps: []\n", /no function counter/],
      ['stages:\n- stage: a\n  condition: resources.x\n  jobs: []\n', /^p\.yml:3: The stage condition/],
      [
        'variables: { a: "$[ dependencies.A.result ]" }\nsteps: []\n',
        /The variable 'a': 'dependencies' means nothing/,
      ],
      ['jobs:\n- job: a\n  variables: { b: "$[ eq(1) ]" }\n  steps: []\n', /The variable 'b'/],
      ['variables: { a: "$[ always() ]" }\nsteps: []\n', /no function always/],
    ],
    'machines that this one is not': [
      ['pool: server\nsteps: [ { bash: a } ]\n', /^p\.yml:1: The job 'Job' is for the pool 'server'/],
      ['pool: { vmImage: windows-2022 }\nsteps: [ { bash: a } ]\n', /is for Windows \(windows-2022\)/],
      [
        'pool: { name: Own, demands: "Agent.OS -equals Windows_NT" }\nsteps: [ { bash: a } ]\n',
        /is for Windows/,
      ],
      [
        'jobs:\n- job: a\n  strategy: { matrix: { l: { i: ubuntu-latest }, w: { i: windows-latest } } }\n  pool: { vmImage: $(i) }\n  steps: []\n',
        /'a w' is for Windows \(windows-latest\)/,
      ],
      [
        'variables: { i: windows-latest }\nstages:\n- stage: s\n  pool: { vmImage: $(i) }\n  jobs: [ { job: a, steps: [] } ]\n',
        /'a' is for Windows/,
      ],
    ].filter(() => process.platform !== 'win32') as [string, RegExp][],
    'what would be dropped without a word': [
      ['variables:\n- group: g\n  name: a\n  value: b\nsteps: []\n', /^p\.yml:3: 'name' is not supported/],
      ['resources: { pipelines: [] }\nsteps: []\n', /'pipelines' is not supported/],
      ['jobs:\n- job: a\n  strategy: { parallel: 2 }\n  steps: []\n', /'parallel' is not supported/],
      ['jobs:\n- job: a\n  strategy: { matrix: "$[ variables.m ]" }\n  steps: []\n', /written out only/],
      ['jobs:\n- job: a\n  continueOnError: true\n  steps: []\n', /'continueOnError' is not supported/],
      ['steps:\n- checkout: self\n  submodules: true\n', /submodules/],
      ['steps:\n- download: other\n', /^p\.yml:2: .*'current'/],
      ['stages: []\njobs: []\n', /either 'stages' or 'jobs'/],
    ],
  };
  for (const [kind, cases] of Object.entries(refused)) {
    describe(kind, () => {
      cases.forEach(([yaml, message], index) => {
        it(`${index + 1}. ${message.source}`, () => {
          assert.throws(
            () => read(yaml),
            (error: Error) => {
              assert.equal(error.name, 'PipelineError');
              assert.match(error.message, message);
              return true;
            },
          );
        });
      });
    });
  }

  it('all of it at once, each with its line', () => {
    const yaml =
      'steps:\n- bash: a\n  condition: a(\n- nosuch: b\n- task: c\n- template: d.yml\n- bash: e\n  name: f-g\n';
    assert.throws(
      () => read(yaml),
      (error: Error) => {
        const lines = error.message.split('\n').map((line) => line.slice(0, 'p.yml:1'.length));
        assert.deepEqual(lines, ['p.yml:3', 'p.yml:4', 'p.yml:5', 'p.yml:6', 'p.yml:8']);
        return true;
      },
    );
  });
});

describe('What people write and the server takes', () => {
  const taken: [what: string, yaml: string][] = [
    ['the first lines of the portal', `resources:\n- repo: self\n  clean: true\n${STEPS}`],
    ['jobs without steps', 'jobs:\n- job: a\n- job: b\n  dependsOn: a\n'],
    ['jobs without names', 'jobs:\n- job:\n  steps: []\n- job:\n  steps: []\n'],
    [
      'yes, no, on and off',
      'steps:\n- { bash: a, continueOnError: yes, enabled: on }\n- { bash: a, enabled: no }\n',
    ],
    ['numbers with decimals', 'parameters:\n- { name: a, type: number, default: 1.0 }\nsteps: []\n'],
    [
      'a quoted text as an expression in a default',
      'parameters:\n- { name: a, default: "${{ \'x\' }}" }\nsteps: []\n',
    ],
    [
      'the same directive twice in a mapping',
      'steps:\n- bash: a\n  env:\n    ${{ if true }}: { A: 1 }\n    ${{ if true }}: { B: 1 }\n',
    ],
    [
      'something between if and else',
      'steps:\n- ${{ if false }}:\n  - bash: a\n- bash: b\n- ${{ else }}:\n  - bash: c\n',
    ],
    ['an empty dependsOn', 'stages:\n- { stage: a, jobs: [] }\n- { stage: b, dependsOn: [], jobs: [] }\n'],
    [
      'a target that is the host',
      'steps:\n- bash: a\n  target: { container: host, commands: restricted, settableVariables: none }\n',
    ],
    [
      'a parameter that is missing in a branch that is not taken',
      'steps:\n- ${{ if false }}:\n  - bash: ${{ parameters.nosuch }}\n',
    ],
  ];
  for (const [what, yaml] of taken) it(`is ${what}`, () => void read(yaml));

  it('is a template path with backslashes', () => {
    assert.equal(read('steps:\n- template: a\\b.yml\n', { 'a/b.yml': STEPS }).jobs[0]!.steps.length, 2);
  });
});
