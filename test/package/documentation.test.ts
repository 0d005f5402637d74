import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parse } from 'yaml';
import { root, taskNames } from '../../scripts/paths';

interface TaskStep {
  task?: string;
  inputs?: Record<string, string>;
}

interface TaskManifest {
  version: { Major: number };
  inputs: {
    name: string;
    aliases?: string[];
    required?: boolean;
    defaultValue?: string;
    visibleRule?: string;
    options?: Record<string, string>;
  }[];
}

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'overview.md',
  'notebooks/README.md',
  'model-api/README.md',
  'data/README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

/** The steps of every pipeline that a reader may copy: those of the example, and those in the pages. */
function examples(): [where: string, step: Required<TaskStep>][] {
  const yaml: [where: string, text: string][] = PAGES.flatMap((page) =>
    [...read(page).matchAll(/```yaml\n(.*?)```/gs)].map(([, text]): [string, string] => [page, text!]),
  );
  for (const file of readdirSync(join(root, 'pipelines'), { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.yaml'))
      yaml.push([`pipelines/${file}`, readFileSync(join(root, 'pipelines', file), 'utf8')]);
  }
  return yaml.flatMap(([where, text]) =>
    stepsOf(parse(text))
      // What other tasks take, the judge in test/unit/pipelines knows.
      .filter(({ task }) => taskNames.some((name) => task?.startsWith(`${name}@`)))
      .map(({ task, inputs }): [string, Required<TaskStep>] => [
        where,
        { task: task!, inputs: withConditional(inputs!) },
      ]),
  );
}

/** Inputs with those of either side of a template's conditions. */
function withConditional(inputs: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(inputs).flatMap(([name, value]) =>
      name.startsWith('${{') ? Object.entries(withConditional(value)) : [[name, value]],
    ),
  );
}

/** The steps of a pipeline, of its jobs, or of a list of steps. */
function stepsOf(yaml: TaskStep[] | { steps?: TaskStep[]; jobs?: { steps?: TaskStep[] }[] }): TaskStep[] {
  if (Array.isArray(yaml)) return yaml;
  return [...(yaml.steps ?? []), ...(yaml.jobs ?? []).flatMap(({ steps }) => steps ?? [])];
}

function scripts(): Record<string, string> {
  return JSON.parse(read('package.json')).scripts;
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(page: string): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** Files and folders of the repository; a folder ends with a slash. */
function repositoryPaths(): string[] {
  const own = readdirSync(root, { withFileTypes: true }).filter(
    ({ name }) => !['.git', 'node_modules', 'build', '.local'].includes(name),
  );
  return own.flatMap((entry) => {
    if (!entry.isDirectory()) return [entry.name];
    const below = readdirSync(join(root, entry.name), { recursive: true, withFileTypes: true });
    return [
      `${entry.name}/`,
      ...below.map(
        (one) =>
          `${relative(root, join(one.parentPath, one.name)).replaceAll('\\', '/')}${one.isDirectory() ? '/' : ''}`,
      ),
    ];
  });
}

/**
 * The files and folders that a page names in backticks. A section whose heading names a folder speaks of what is below
 * that one; a name that begins with one of the repository's own folders is meant from the root.
 */
function namedFiles(page: string): { name: string; below: string }[] {
  return page.split(/^(?=##+ )/m).flatMap((section) => {
    const folder = /^##+ `([\w/-]+\/)`/.exec(section)?.[1] ?? '';
    const prose = section.replace(/^```.*?^```/gms, '');
    return [...prose.matchAll(/`([\w.<>/-]+(?:\/|\.(?:ts|json|ya?ml|md|py)|\/[\w-]+))`/g)]
      .map(([, name]) => name!)
      .map((name) => ({ name, below: TOP_FOLDERS.test(name) ? '^' : `^${folder}` }));
  });
}

const TOP_FOLDERS =
  /^(?:tasks|local|deploy|test|docs|scripts|bench|pipelines|notebooks|model-api|data|\.ci)\//;

/** `tasks/<Task>/task.json` stands for one of each. */
function patternOf(name: string): string {
  return name.replaceAll('.', '\\.').replace(/<[^>]+>/g, '[^/]+');
}

/** YAML may call an input by its name or by an alias. */
function namesOf({ name, aliases = [] }: TaskManifest['inputs'][number]): string[] {
  return [name, ...aliases];
}

describe('what a reader may copy', () => {
  for (const [where, { task, inputs }] of examples()) {
    it(`gives ${task} in ${where} inputs that it has, and all that it needs`, () => {
      const [name, major] = task.split('@') as [string, string];
      const manifest: TaskManifest = JSON.parse(readFileSync(join(root, 'tasks', name, 'task.json'), 'utf8'));
      assert.equal(major, String(manifest.version.Major));
      for (const [input, value] of Object.entries(inputs)) {
        const declared = manifest.inputs.find((candidate) => namesOf(candidate).includes(input));
        assert.ok(declared, `there is no input ${input}`);
        if (declared.options) assert.ok(value in declared.options, `${input} can't be ${value}`);
      }
      const missing = manifest.inputs
        .filter(
          (input) =>
            input.required &&
            !input.defaultValue &&
            !input.visibleRule &&
            !namesOf(input).some((one) => one in inputs),
        )
        .map(({ name }) => name);
      assert.deepEqual(missing, []);
    });
  }

  for (const page of PAGES) {
    it(`has as many cells in each row of a table in ${page} as in its head`, () => {
      const prose = read(page).replace(/^```.*?^```/gms, '');
      for (const [table] of prose.matchAll(/(?:^[ \t]*\|.*\n?)+/gm)) {
        // A pipe that is not escaped divides cells in code, too; what is too much for the head is not shown.
        const cells = (row: string) => row.match(/(?<!\\)\|/g)!.length;
        const [head = '', ...rows] = table.trim().split('\n');
        for (const row of rows) assert.equal(cells(row), cells(head), row);
      }
    });

    it(`has no dead links in ${page}`, () => {
      const targets = [...read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
      const dead = targets.filter(([, path, anchor]) => {
        const target = path ? join(dirname(page), path) : page;
        if (!existsSync(join(root, target))) return true;
        return anchor !== undefined && !anchors(read(target)).includes(anchor);
      });
      assert.deepEqual(
        dead.map(([link]) => link),
        [],
      );
    });
  }
});

describe('what a newcomer reads', () => {
  const paths = repositoryPaths();

  for (const page of ['docs/architecture.md', 'CONTRIBUTING.md']) {
    it(`names no file in ${page} that does not exist`, () => {
      const missing = namedFiles(read(page)).filter(({ name, below }) => {
        const pattern = new RegExp(`${below}(?:.*/)?${patternOf(name)}$`);
        return !paths.some((path) => pattern.test(path));
      });
      assert.deepEqual(missing, []);
    });
  }

  for (const page of PAGES) {
    it(`names no script in ${page} that is not there`, () => {
      const ofNpm = [...read(page).matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script!);
      const files = [...read(page).matchAll(/npx tsx ([\w./-]+\.ts)/g)].map(([, file]) => file!);
      assert.deepEqual(
        [
          ...ofNpm.filter((script) => !(script in scripts())),
          ...files.filter((file) => !existsSync(join(root, file))),
        ],
        [],
      );
    });
  }

  it('finds every script in the README', () => {
    const page = read('README.md');
    assert.deepEqual(
      Object.keys(scripts()).filter((script) => !new RegExp(`npm (run )?${script}(?![\\w:-])`).test(page)),
      [],
    );
  });
});

describe('docs/troubleshooting.md', () => {
  it('lists messages that tasks give', () => {
    const source = joinedSource();
    const messages = [...read('docs/troubleshooting.md').matchAll(/^\| `([^`]+)` \|/gm)].map(
      ([, message]) => message!,
    );
    assert.ok(messages.length > 80);
    const unknown = messages.filter(
      (message) =>
        !new RegExp(
          message
            .split(/\s*…\s*/)
            .map(literally)
            .join(ANYTHING),
        ).test(source),
    );
    assert.deepEqual(unknown, []);
  });

  for (const task of ['DatabricksRunJob', 'ModelRegistryDownload', 'AcrBuildPush']) {
    it(`has the errors of ${task}`, () => {
      const [, section = ''] = read('docs/troubleshooting.md').split(`\n## ${task}\n`);
      assert.ok([...section.split('\n## ')[0]!.matchAll(/^\| `/gm)].length >= 15);
    });
  }
});

/** What may stand for `…` in a message: an expression in a template, or words. */
const ANYTHING = '[^\\n]{0,200}?';

/** A text as a pattern; an apostrophe may be escaped in the source. */
function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&').replaceAll("'", "\\\\?'");
}

/** All code of the tasks, with strings that were broken over lines put together. */
function joinedSource(): string {
  return readdirSync(join(root, 'tasks'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => read(`tasks/${file}`).replace(/['"`] \+\s+['"`]/g, ''))
    .join('\n');
}
