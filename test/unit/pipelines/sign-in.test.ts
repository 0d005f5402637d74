import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPipeline } from '../../../local/agent/pipeline/pipeline';
import type { PipelinePlan } from '../../../local/agent/pipeline/plan';
import { root } from '../../../scripts/paths';

const SECRETS = ['acrPassword', 'databricksToken', 'storageKey'];

function plan(file: string, parameters: Record<string, string> = {}): PipelinePlan {
  const readFile = (path: string) => readFileSync(join(root, path), 'utf8');
  return readPipeline({ file: `pipelines/${file}`, readFile, parameters });
}

const tasksOf = ({ jobs }: PipelinePlan) =>
  jobs.flatMap(({ steps }) => steps.filter((step) => step.kind === 'task'));
const inputsOf = (pipeline: PipelinePlan) =>
  tasksOf(pipeline).flatMap(({ task, inputs }) => Object.keys(inputs).map((name) => ({ task, name })));
const groupsOf = ({ variables }: PipelinePlan) =>
  variables.flatMap((one) => ('group' in one ? [one.group] : []));

describe('the pipelines that deploy', () => {
  for (const file of ['titanic.yaml', 'batcomputer.yaml', 'deploy-titanic.yaml', 'deploy-batcomputer.yaml']) {
    it(`${file} needs no secret unless it is asked for keys`, () => {
      const without = plan(file);
      assert.deepEqual(groupsOf(without), ['shared-variables']);
      assert.deepEqual(
        inputsOf(without).filter(({ name }) => SECRETS.includes(name)),
        [],
      );
      for (const { task, inputs } of tasksOf(without)) {
        assert.equal(inputs.azureSubscription, 'model-pipelines', task);
      }

      const withKeys = plan(file, { signIn: 'keys' });
      assert.deepEqual(groupsOf(withKeys), ['shared-variables', 'shared-secrets']);
      assert.deepEqual(
        inputsOf(withKeys).filter(({ name, task }) => name === 'authType' && !task.startsWith('AzureCLI')),
        [],
      );
    });

    if (!file.startsWith('deploy')) {
      it(`${file} keeps the job like its committed file, where set-up has made it`, () => {
        const definitions = (pipeline: PipelinePlan) =>
          tasksOf(pipeline).flatMap(({ inputs }) => inputs.jobDefinition ?? []);
        const [definition] = definitions(plan(file));
        assert.equal(definition, `deploy/databricks/train-${file.replace('.yaml', '')}-model.json`);
        const [task] = JSON.parse(readFileSync(join(root, definition!), 'utf8')).tasks;
        const { notebookPath } = tasksOf(plan(file)).find(({ inputs }) => inputs.job)!.inputs;
        assert.equal(task.notebook_task.notebook_path, `${notebookPath}/scikit-${file.replace('.yaml', '')}`);
        assert.deepEqual(definitions(plan(file, { signIn: 'keys' })), []);
      });
    }

    for (const [place, script] of [
      ['containerApp', 'on_container_apps.py'],
      ['containerInstance', 'on_container_instance.py'],
      ['kubernetes', 'on_kubernetes.py'],
    ] as const) {
      it(`${file} deploys to the place that is chosen, after an approval: ${place}`, () => {
        const chosen = plan(file, { place });
        const scripts = tasksOf(chosen).flatMap(({ inputs }) => inputs.inlineScript ?? []);
        assert.equal(scripts.length, 1);
        assert.match(scripts[0]!, new RegExp(`deploy/${script} `));
        assert.equal(chosen.jobs.at(-1)!.deployment?.environment, 'models');
      });
    }
  }
});
