import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TASKS_LIMITS } from '../tasks/AcrBuildPush/build/acr-tasks/builder';
import { DIRECT_LIMITS } from '../tasks/AcrBuildPush/build/direct/builder';
import { DOCKER_LIMITS } from '../tasks/AcrBuildPush/build/docker/options';
import { LIMITED_INPUTS, type Limit } from '../tasks/AcrBuildPush/build/limits';
import { root, taskNames } from './paths';

interface TaskManifest {
  name: string;
  groups: { name: string; displayName: string }[];
  inputs: {
    name: string;
    aliases?: string[];
    type: string;
    groupName: string;
    required?: boolean;
    defaultValue?: string;
    helpMarkDown: string;
    visibleRule?: string;
    options?: Record<string, string>;
  }[];
  outputVariables: { name: string; description: string }[];
}

/** What AcrBuildPush's builders take of the inputs that not all of them do. */
const BUILDERS: Readonly<Record<string, readonly Limit[]>> = {
  buildx: DOCKER_LIMITS.buildx,
  'BuildKit in docker before 23': DOCKER_LIMITS['built-in'],
  'legacy builder': DOCKER_LIMITS.legacy,
  '`acrTasks`': TASKS_LIMITS,
  '`direct`': DIRECT_LIMITS,
};

const LIMITS_START = "<!-- The table below comes from the builders' own limits: npm run docs -->";
const LIMITS_END = '<!-- end of the table of limits -->';

const START = '<!-- The tables below come from task.json: npm run docs -->';
const END = '<!-- end of the tables -->';

/** The reference page of a task, with its tables of inputs and outputs made anew from its task.json. */
export function referencePage(task: string): { file: string; current: string; wanted: string } {
  const file = join(root, 'docs', `${task}.md`);
  const current = readFileSync(file, 'utf8');
  const manifest = JSON.parse(readFileSync(join(root, 'tasks', task, 'task.json'), 'utf8')) as TaskManifest;
  const withTables = replace(current, START, END, tables(manifest));
  const wanted = current.includes(LIMITS_START)
    ? replace(withTables, LIMITS_START, LIMITS_END, limits())
    : withTables;
  return { file, current, wanted };
}

/** A text with something else between two markers. */
function replace(text: string, start: string, end: string, content: string): string {
  const [head, rest] = split(text, start);
  const [, tail] = split(rest, end);
  return `${head}${start}\n\n${content}\n\n${end}${tail}`;
}

function limits(): string {
  const columns = Object.keys(BUILDERS);
  const rows = LIMITED_INPUTS.map((input) => {
    const cells = Object.values(BUILDERS).map((all) => {
      const limit = all.find((one) => one.input === input);
      return limit ? (limit.allows ?? 'refused') : 'yes';
    });
    return `| \`${input}\` | ${cells.join(' | ')} |`;
  });
  return [`| | ${columns.join(' | ')} |`, `|${'---|'.repeat(columns.length + 1)}`, ...rows].join('\n');
}

function split(text: string, marker: string): [before: string, after: string] {
  const at = text.indexOf(marker);
  if (at < 0) throw new Error(`'${marker}' is missing.`);
  return [text.slice(0, at), text.slice(at + marker.length)];
}

function tables(task: TaskManifest): string {
  const groups = task.groups.map(({ name, displayName }) => {
    const rows = task.inputs
      .filter(({ groupName }) => groupName === name)
      .map(
        (input) =>
          `| ${[input.name, ...(input.aliases ?? [])].map((name) => `\`${name}\``).join(' or ')} | ${cell(facts(input))} | ${cell(input.helpMarkDown)} |`,
      );
    return [`### ${displayName}`, '', '| input | | what it is |', '|---|---|---|', ...rows].join('\n');
  });
  const outputs = task.outputVariables.map(
    ({ name, description }) => `| \`${name}\` | ${cell(description)} |`,
  );
  return [
    ...groups,
    ['### Output variables', '', '| output | what it is |', '|---|---|', ...outputs].join('\n'),
  ].join('\n\n');
}

function facts({ required, defaultValue, options, visibleRule }: TaskManifest['inputs'][number]): string {
  const parts: string[] = [];
  if (required) parts.push(visibleRule ? `required with \`${visibleRule}\`` : 'required');
  if (options)
    parts.push(
      Object.keys(options)
        .map((option) => `\`${option}\``)
        .join(', '),
    );
  if (defaultValue) parts.push(`default \`${defaultValue}\``);
  return parts.join('; ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const task of taskNames) {
    const { file, wanted } = referencePage(task);
    writeFileSync(file, wanted);
  }
}
