import {
  asBoolean,
  asMapping,
  asText,
  asTexts,
  childOf,
  PipelineError,
  refuseOtherKeys,
  type YamlNode,
} from './yaml';

export interface Filter {
  include: string[];
  readonly exclude: string[];
}

/** Which pushes start a pipeline; `none` when only people do. */
export type Trigger = 'none' | { branches: Filter; paths: Filter };

const everything = (): Filter => ({ include: ['*'], exclude: [] });
const noFilter = (): Filter => ({ include: [], exclude: [] });

/** Reads `trigger:` or `pr:`. Leaving it out means every push to every branch. */
export function readTrigger(node: YamlNode | undefined, key: 'trigger' | 'pr'): Trigger {
  if (!node) return { branches: everything(), paths: noFilter() };
  if (node.kind === 'scalar') {
    if (node.text === 'none') return 'none';
    throw new PipelineError(`'${key}' must be none, a list of branches, or branches and paths.`, node.at);
  }
  if (node.kind === 'sequence') {
    return { branches: { include: asTexts(node, `'${key}'`), exclude: [] }, paths: noFilter() };
  }
  const own = key === 'trigger' ? ['batch'] : ['autoCancel', 'drafts'];
  const tags = key === 'trigger' ? ['tags'] : [];
  refuseOtherKeys(
    node.entries.map((entry) => entry.key),
    ['branches', 'paths', ...tags, ...own],
    `'${key}'`,
  );
  for (const name of own) {
    const flag = childOf(node, name);
    if (flag) asBoolean(flag, `'${name}'`);
  }
  // A push of a tag starts nothing here, but the filter has to be well formed.
  readFilter(childOf(node, 'tags'), 'tags');
  const branches = readFilter(childOf(node, 'branches'), 'branches');
  if (branches.include.length === 0) branches.include = ['*'];
  return { branches, paths: readFilter(childOf(node, 'paths'), 'paths') };
}

/** Checks `schedules:`; the local agent starts nothing by the clock. */
export function checkSchedules(node: YamlNode): void {
  if (node.kind !== 'sequence') throw new PipelineError("'schedules' must be a list.", node.at);
  for (const item of node.items) {
    const schedule = asMapping(item, 'A schedule');
    refuseOtherKeys(
      schedule.entries.map((entry) => entry.key),
      ['cron', 'displayName', 'branches', 'batch', 'always'],
      'a schedule',
    );
    const cron = childOf(schedule, 'cron');
    if (!cron || asText(cron, "'cron'").trim().split(/\s+/).length !== 5) {
      throw new PipelineError("A schedule needs 'cron' with five fields.", item.at);
    }
    readFilter(childOf(schedule, 'branches'), 'branches');
  }
}

function readFilter(node: YamlNode | undefined, what: string): Filter {
  if (!node) return noFilter();
  if (node.kind === 'sequence') return { include: asTexts(node, `'${what}'`), exclude: [] };
  const mapping = asMapping(node, `'${what}'`);
  refuseOtherKeys(
    mapping.entries.map((entry) => entry.key),
    ['include', 'exclude'],
    `'${what}'`,
  );
  const [include, exclude] = [childOf(mapping, 'include'), childOf(mapping, 'exclude')];
  return {
    include: include ? asTexts(include, "'include'") : [],
    exclude: exclude ? asTexts(exclude, "'exclude'") : [],
  };
}

/** Whether a push to a branch that changed these files starts the pipeline. */
export function startsOnPush(trigger: Trigger, push: { branch: string; files: string[] }): boolean {
  if (trigger === 'none') return false;
  if (!passes(trigger.branches, push.branch)) return false;
  const { include, exclude } = trigger.paths;
  const paths = include.length > 0 || exclude.length === 0 ? trigger.paths : { include: ['*'], exclude };
  return paths.include.length === 0 || push.files.some((file) => passes(paths, file));
}

/** The most specific pattern decides, so that a folder can be excluded and one of its files included. */
function passes(filter: Filter, name: string): boolean {
  const longest = (patterns: string[]) =>
    Math.max(-1, ...patterns.filter((pattern) => matches(pattern, name)).map((pattern) => pattern.length));
  return longest(filter.include) > longest(filter.exclude);
}

/** `*` within a segment, `**` across segments; a path also covers everything below it. */
function matches(pattern: string, name: string): boolean {
  const clean = pattern.replace(/^\//, '').replace(/\/$/, '');
  if (clean === '*' || clean === '**' || clean === '') return true;
  const source = clean
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*|\*|\?/g, (wild) => ({ '**': '.*', '*': '[^/]*', '?': '[^/]' })[wild]!);
  return new RegExp(`^${source}(/.*)?$`).test(name);
}
