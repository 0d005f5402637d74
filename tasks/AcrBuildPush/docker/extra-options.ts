/** An option for `docker build` that the step has no input for. */
export interface ExtraOption {
  /** Such as `--add-host`. */
  readonly name: string;
  /** As docker takes it: one word, or two. */
  readonly words: readonly string[];
}

/** What the step sets by itself, and the input that says how; '' where none does. */
const TAKEN: Readonly<Record<string, string>> = {
  '--build-arg': 'buildArgs',
  '--cache-from': 'cacheFrom',
  '--cache-to': 'cacheTo',
  '--file': 'dockerfile',
  '--label': 'labels',
  '--platform': 'platform',
  '--push': 'push',
  '--secret': 'buildSecrets',
  '--tag': 'tags',
  '--target': 'target',
  '--annotation': '',
  '--attest': '',
  '--force-rm': '',
  '--iidfile': '',
  '--load': '',
  '--metadata-file': '',
  '--output': '',
  '--progress': '',
  '--provenance': '',
  '--quiet': '',
  '--rm': '',
  '--sbom': '',
};

/** With what docker looks at the Dockerfile, or tells of itself, and builds nothing. */
const BUILDS_NOTHING = /^--(?:call|check|help|print|version)$/;

/** What counts for commands alone: nothing else in the image depends on it. */
const FOR_COMMANDS =
  /^--(?:add-host|allow|cgroup-parent|cpu-\w+|cpuset-\w+|isolation|memory|memory-swap|network|no-cache|pull|security-opt|shm-size|ssh|ulimit)$/;

/** What only BuildKit knows; of some of it, docker's older clients say nothing to the builder before. */
const FOR_BUILDKIT = /^--(?:allow|build-context|no-cache-filter|ssh)$/;

/**
 * Reads a line of input `dockerOptions`: one long option, with its value behind `=` or white space.
 *
 * @returns otherwise what is wrong with it, as a clause without a full stop
 */
export function parseExtraOption(line: string): ExtraOption | string {
  const [, name = '', mark = '', value = ''] = /^(--[a-z][a-z0-9-]*)(=|\s+|$)(.*)$/s.exec(line) ?? [];
  if (!name) return 'is no long option such as --add-host=db:10.0.0.4';
  const input = TAKEN[name];
  if (input !== undefined) {
    return input ? `is for input '${input}' to say` : 'is what the step itself has to set';
  }
  if (BUILDS_NOTHING.test(name)) return 'would have docker build nothing';
  if (/\s--/.test(` ${value}`)) return 'has more than one option: give each a line of its own';
  return { name, words: mark.trim() === '=' || mark === '' ? [line] : [name, value] };
}

/** Whether nothing but the commands of a Dockerfile can tell that there are these options. */
export function areForCommands(options: readonly ExtraOption[]): boolean {
  return options.every(({ name }) => FOR_COMMANDS.test(name));
}

/** The first option that takes BuildKit. */
export function findForBuildKit(options: readonly ExtraOption[]): ExtraOption | undefined {
  return options.find(({ name }) => FOR_BUILDKIT.test(name));
}
