import assert from 'node:assert/strict';
import { root } from '../../scripts/paths';
import { findCircles, type Imports, readImports } from '../support/imports';

/*
 * Which room may import which. docs/architecture.md tells what each room is for; a rule that stands in the way is to be
 * thought about before it is changed.
 */

/**
 * A task's rooms from top to bottom: each may import those below it, those in its row, and itself. `*` is every room that
 * is not named.
 */
const LEVELS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  AcrBuildPush: [
    ['index', 'cleanup'],
    ['build-or-promote', 'build-and-push', 'promote', 'locate'],
    ['attach-statements'],
    ['provenance', 'signing'],
    ['publish', 'smoke-test'],
    ['build'],
    [
      'plan',
      'inputs',
      'build-inputs',
      'registry-inputs',
      'signing-inputs',
      'report',
      'labels',
      'tags',
      'tag-templates',
      'smoke-checks',
      'build-plan',
      'model',
      'outcome',
      'origin',
      'refuse-secrets',
    ],
    ['docker', 'base-notes'],
    ['registry', 'azure', 'vault'],
    ['dockerfile', 'bill-of-materials'],
    ['context', 'files'],
    ['image'],
  ],
  ModelRegistryDownload: [
    ['index', 'digest-thread'],
    ['download-model'],
    [
      'open-registry',
      'fetch-version',
      'transfer-and-verify',
      'report',
      'earlier-model',
      'metadata',
      'progress',
      'inputs',
      'inspect-model',
      'verify-signature',
      'libraries',
    ],
    ['version'],
    ['transfer', 'folder', 'pickles', 'signature'],
    ['blob-inputs', 'catalog-inputs'],
    ['catalog'],
    ['registry'],
  ],
  DatabricksRunJob: [['*'], ['databricks']],
};

/** Builders, and which others each may use: docker's leaves the rest of a split build to the direct one. */
const BUILDERS: Readonly<Record<string, readonly string[]>> = {
  direct: [],
  docker: ['direct'],
  'acr-tasks': [],
};

interface Rule {
  readonly name: string;
  /** Why an import is against the rule; undefined where it is not. */
  readonly objection: (file: string, imported: string) => string | undefined;
}

const taskOf = (path: string) => /^tasks\/(\w+)\//.exec(path)?.[1];

/** `publish` of `tasks/AcrBuildPush/publish/layers.ts`, `plan` of `tasks/AcrBuildPush/plan.ts`. */
const roomOf = (path: string) => path.split('/')[2]!.replace(/\.ts$/, '');

const RULES: readonly Rule[] = [
  {
    name: 'imports nothing of local/, test/, bench/ or scripts/ into a task',
    objection: (file, imported) =>
      file.startsWith('tasks/') && /^(local|test|bench|scripts)\//.test(imported)
        ? 'a task is packed without it'
        : undefined,
  },
  {
    name: 'imports no task into another',
    objection: (file, imported) => {
      const [from, to] = [taskOf(file), taskOf(imported)];
      return from && to && to !== 'common' && from !== to
        ? 'what two tasks need belongs in tasks/common/'
        : undefined;
    },
  },
  {
    name: 'keeps what talks to Databricks out of what every task needs',
    objection: (file, imported) =>
      /^tasks\/common\/[^/]+\.ts$/.test(file) && imported.startsWith('tasks/common/databricks/')
        ? 'tasks/common/databricks/ stands above the rest of tasks/common/'
        : undefined,
  },
  {
    name: 'imports azure-pipelines-task-lib in tasks/common/ alone',
    objection: (file, imported) =>
      imported.startsWith('azure-pipelines-task-lib') && !file.startsWith('tasks/common/')
        ? 'it prints what it reads; tasks/common/ wraps it'
        : undefined,
  },
  {
    name: 'starts programs in tasks/common/program.ts alone',
    objection: (file, imported) =>
      file.startsWith('tasks/') &&
      file !== 'tasks/common/program.ts' &&
      /^(node:)?child_process$/.test(imported)
        ? 'a program of that name may lie in the checkout'
        : undefined,
  },
  {
    name: 'imports no inside of a task into local/',
    objection: (file, imported) =>
      file.startsWith('local/') && imported.startsWith('tasks/')
        ? 'local/ runs the packed tasks, and must not share their beliefs'
        : undefined,
  },
  {
    name: 'imports a room from above or beside it only',
    objection: (file, imported) => {
      const task = taskOf(file);
      const levels = task && taskOf(imported) === task ? LEVELS[task] : undefined;
      if (!levels) return undefined;
      const levelOf = (path: string) => {
        const named = levels.findIndex((level) => level.includes(roomOf(path)));
        return named < 0 ? levels.findIndex((level) => level.includes('*')) : named;
      };
      const [from, to] = [levelOf(file), levelOf(imported)];
      if (from < 0 || to < 0) return 'a room that test/unit/architecture.test.ts does not know';
      return to < from ? `${roomOf(imported)} stands above ${roomOf(file)}` : undefined;
    },
  },
  {
    name: 'keeps the builders apart',
    objection: (file, imported) => {
      const builderOf = (path: string) => /^tasks\/AcrBuildPush\/build\/([^/]+)\//.exec(path)?.[1];
      const [from, to] = [builderOf(file), builderOf(imported)];
      if (!from || !to || from === to) return undefined;
      return BUILDERS[from]?.includes(to) ? undefined : 'builders meet in choose-builder.ts';
    },
  },
];

function offences(imports: Imports, { objection }: Rule): string[] {
  return [...imports].flatMap(([file, all]) =>
    all.flatMap((imported) => {
      const reason = objection(file, imported);
      return reason ? [`${file} imports ${imported}: ${reason}`] : [];
    }),
  );
}

describe('the architecture', () => {
  let imports: Imports;

  before(() => {
    imports = readImports(root, ['tasks', 'local', 'scripts', 'bench', 'test']);
  });

  it('is read whole', () => {
    for (const file of [
      'tasks/AcrBuildPush/index.ts',
      'local/demo/main.ts',
      'test/unit/architecture.test.ts',
    ]) {
      assert.ok((imports.get(file)?.length ?? 0) > 0, file);
    }
    const lost = [...imports].flatMap(([file, all]) =>
      all
        .filter((one) => /^(tasks|local)\/.*\.ts$/.test(one) && !imports.has(one))
        .map((one) => `${file}: ${one}`),
    );
    assert.deepEqual(lost, []);
  });

  for (const rule of RULES) {
    it(rule.name, () => assert.deepEqual(offences(imports, rule), []));
  }

  it('has no circle of imports', () => {
    assert.deepEqual(
      findCircles(imports).map((circle) => circle.join(' -> ')),
      [],
    );
  });

  it('sees a circle where there is one', () => {
    const circle = new Map([
      ['a.ts', ['b.ts']],
      ['b.ts', ['c.ts']],
      ['c.ts', ['b.ts']],
    ]);
    assert.deepEqual(findCircles(circle), [['b.ts', 'c.ts']]);
  });
});
