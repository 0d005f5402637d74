import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { root } from '../../scripts/paths';

interface TaskStep {
  task?: string;
  inputs?: Record<string, string>;
}

interface TaskManifest {
  version: { Major: number };
  inputs: {
    name: string;
    required?: boolean;
    defaultValue?: string;
    visibleRule?: string;
    options?: Record<string, string>;
  }[];
}

/** The steps of every pipeline that a reader may copy: those of the example, and those in the pages. */
function examples(): [where: string, step: Required<TaskStep>][] {
  const yaml: [where: string, text: string][] = ['README.md', 'overview.md'].flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/```yaml\n(.*?)```/gs)].map(
      ([, text]): [string, string] => [page, text!],
    ),
  );
  for (const file of readdirSync(join(root, 'pipelines'), { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.yaml'))
      yaml.push([`pipelines/${file}`, readFileSync(join(root, 'pipelines', file), 'utf8')]);
  }
  return yaml.flatMap(([where, text]) =>
    ((parse(text).steps ?? []) as TaskStep[])
      .filter(({ task }) => task)
      .map((step): [string, Required<TaskStep>] => [where, step as Required<TaskStep>]),
  );
}

describe('what a reader may copy', () => {
  for (const [where, { task, inputs }] of examples()) {
    it(`gives ${task} in ${where} inputs that it has, and all that it needs`, () => {
      const [name, major] = task.split('@') as [string, string];
      const manifest: TaskManifest = JSON.parse(readFileSync(join(root, 'tasks', name, 'task.json'), 'utf8'));
      assert.equal(major, String(manifest.version.Major));
      for (const [input, value] of Object.entries(inputs)) {
        const declared = manifest.inputs.find((candidate) => candidate.name === input);
        assert.ok(declared, `there is no input ${input}`);
        if (declared.options) assert.ok(value in declared.options, `${input} can't be ${value}`);
      }
      const missing = manifest.inputs
        .filter(
          (input) => input.required && !input.defaultValue && !input.visibleRule && !(input.name in inputs),
        )
        .map(({ name }) => name);
      assert.deepEqual(missing, []);
    });
  }

  for (const page of [
    'README.md',
    ...readdirSync(join(root, 'docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
  ]) {
    it(`has no dead links in ${page}`, () => {
      const text = readFileSync(join(root, page), 'utf8');
      const targets = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target]) => target!);
      const dead = targets.filter((target) => !existsSync(join(root, dirname(page), target)));
      assert.deepEqual(dead, []);
    });
  }
});
