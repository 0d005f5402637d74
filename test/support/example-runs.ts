import type { PipelineRecord } from '../../local/agent/agent';
import { jsStep, jsTask, ToyAgent, type ToyTask } from '../unit/agent/toy-extension';

/** Tasks that print what those of the extension print, by name. */
const TASKS: readonly ToyTask[] = ['DatabricksRunJob', 'ModelRegistryDownload', 'AcrBuildPush'].map(
  (name) => ({
    ...jsTask,
    name,
  }),
);

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;
const ESC = '\u001b';

const SUMMARY = `# Databricks job train-titanic-model

[Run 1517306255171367888 in Databricks](https://adb-1.azuredatabricks.net/run/1517306255171367888)

| | |
|---|---|
| Job | train-titanic-model (1317730197892607554) |
| Notebook | /live/scikit-titanic |
| Result | SUCCESS |

| Parameter | Value |
|---|---|
${Array.from({ length: 12 }, (_, index) => `| parameter_${index} | https://devstoreaccount1.blob.core.windows.net/titanic/${index}/${'long-'.repeat(12)} |`).join('\n')}

\`\`\`json
{"model": "titanic", "blobs": ["model.pkl", "lookup.pkl", "flags.pkl"], "digest": "${DIGEST}"}
\`\`\`

<details><summary>More of it</summary>

- one
- two

</details>
`;

/** Two runs like the demo's, whose logs are half as long again as the demo's, and one whose script fails in a second stage. */
export async function runExamples(): Promise<PipelineRecord[]> {
  const agent = new ToyAgent([...TASKS]);
  try {
    agent.write('pipelines/train-titanic-model.yaml', `steps:\n${trainStep()}`);
    agent.write('pipelines/build-titanic-image.yaml', `steps:\n${modelStep()}${imageStep()}`);
    agent.write('pipelines/test.yaml', FAILING);
    const runs: PipelineRecord[] = [];
    for (const name of ['train-titanic-model', 'build-titanic-image', 'test']) {
      runs.push(await agent.runPipeline(`pipelines/${name}.yaml`));
    }
    return runs;
  } finally {
    agent.remove();
  }
}

const setOutput = (name: string, value: string) =>
  `##vso[task.setvariable variable=${name};isoutput=true]${value}`;

function step(task: string, name: string, displayName: string, lines: readonly string[], more = ''): string {
  const log = Array.from(
    { length: 100 },
    (_, index) => `${index} a line of the log, as long as most of them are <&>`,
  );
  return jsStep(`${more}console.log(${JSON.stringify([...log, ...lines].join('\n'))})`, {
    name,
    displayName,
  }).replace('Js@1', `${task}@1`);
}

function trainStep(): string {
  const write = `const file = process.env.AGENT_TEMPDIRECTORY + '/Databricks job train-titanic-model.md'; require('fs').writeFileSync(file, ${JSON.stringify(SUMMARY)}); console.log('##vso[task.uploadsummary]' + file); `;
  return step(
    'DatabricksRunJob',
    'train',
    'Train titanic 1.0.0',
    [
      setOutput('runId', '1517306255171367888'),
      setOutput('runUrl', 'https://adb-1.azuredatabricks.net/run/1517306255171367888'),
      setOutput('jobId', '1317730197892607554'),
      setOutput('resultState', 'SUCCESS'),
      setOutput('notebookOutput.accuracy', '0.791345'),
    ],
    write,
  );
}

function modelStep(): string {
  return step('ModelRegistryDownload', 'download', 'Download titanic 1.0.0', [
    setOutput('modelVersion', '1.0.0'),
    setOutput('modelDigest', DIGEST),
    setOutput('fileCount', '3'),
    setOutput('totalBytes', '1234567'),
  ]);
}

function imageStep(): string {
  return step('AcrBuildPush', 'image', 'Build and push titanic-model-api 1.0.0', [
    setOutput('imageRef', 'example.azurecr.io/titanic-model-api:1.0.0'),
    setOutput('imageRefByDigest', `example.azurecr.io/titanic-model-api@${DIGEST}`),
    setOutput('imageDigest', DIGEST),
    setOutput('imageTags', '1.0.0,latest'),
    setOutput('imageSizeBytes', '48123456'),
  ]);
}

const COLORS = Array.from({ length: 8 }, (_, index) =>
  [30, 90]
    .map(
      (base) =>
        `${ESC}[${base + index}m${base + index}${ESC}[0m ${ESC}[37;${base + 10 + index}m on it ${ESC}[0m`,
    )
    .join(' '),
);

const FAILING = `stages:
- stage: Check
  jobs:
  - job: Lint
    steps:
    - checkout: none
    - bash: echo fine
      displayName: Check the format
- stage: Test
  jobs:
  - job: Unit
    displayName: Unit tests
    steps:
    - checkout: none
    - bash: |
        cat <<'END'
${[
  '##[group]Installing packages',
  'numpy==2.1.0',
  'scikit-learn==1.5.2',
  '##[endgroup]',
  `${ESC}[1m=== test session starts ===${ESC}[0m`,
  ...COLORS,
  `tests/test_model.py ${ESC}[32m....${ESC}[31mF${ESC}[0m`,
  '>       assert answer["prediction"] == "survived"',
  `${ESC}[31mE       AssertionError: assert 'died' == 'survived'${ESC}[0m`,
  `${ESC}[31mFAILED${ESC}[0m tests/test_model.py::test_first_class - AssertionError`,
  '##vso[task.logissue type=warning]A package is old',
]
  .map((line) => `        ${line}`)
  .join('\n')}
        END
        exit 1
      displayName: Run the model's tests
    - bash: echo never
      displayName: Publish the results
- stage: Ship
  jobs:
  - job: Push
    steps: [ { checkout: none }, { bash: echo never } ]
`;
