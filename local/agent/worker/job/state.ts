import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatDate } from '../../pipeline/dates';

/** What the agent and the server remember from run to run. */
export interface AgentState {
  lastBuildId: number;
  /** Number of each pipeline's folder below `_work`, by its YAML file. */
  readonly folders: Record<string, number>;
  /** Last revisions of each pipeline's build numbers, by what stands around them. */
  readonly revisions: Record<string, Record<string, number>>;
}

export function readState(home: string): AgentState {
  const known = readJson(fileIn(home));
  const { lastBuildId = 0, folders = {}, revisions = {} } = known;
  // Revisions were once counted over all pipelines.
  const ofPipelines = Object.entries(revisions).filter(([, counts]) => typeof counts === 'object');
  return { lastBuildId, folders, revisions: Object.fromEntries(ofPipelines) };
}

function readJson(file: string): Partial<AgentState> {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}

export function writeState(home: string, state: AgentState): void {
  mkdirSync(dirname(fileIn(home)), { recursive: true });
  writeFileSync(fileIn(home), JSON.stringify(state, null, 2));
}

function fileIn(home: string): string {
  return join(home, '_diag', 'agent-state.json');
}

/** `Build.BuildId` of a run: the next one, or that of the last run when a job of it is tried again. */
export function nextBuildId(state: AgentState, options: { buildId?: number; attempt?: number }): number {
  const isRetry = (options.attempt ?? 1) > 1 && state.lastBuildId > 0;
  const id = options.buildId ?? (isRetry ? state.lastBuildId : state.lastBuildId + 1);
  state.lastBuildId = Math.max(state.lastBuildId, id);
  return id;
}

/** The pipeline's folder number; a pipeline keeps its folder, and what its steps have left there. */
export function folderNumber(state: AgentState, file: string): number {
  state.folders[file] ??= Object.keys(state.folders).length + 1;
  return state.folders[file];
}

/** The counts of a pipeline's build numbers, which the next one changes. */
export function revisionsOf(state: AgentState, file: string): Record<string, number> {
  state.revisions[file] ??= {};
  return state.revisions[file];
}

const DEFAULT_FORMAT = '$(Date:yyyyMMdd)$(Rev:.r)';

/** What the server refuses in a build number. */
const NOT_ALLOWED = /["/:<>\\|?@*]|\.$/;
const LONGEST = 255;

/**
 * The next build number in a pipeline's format: `$(Date:...)`, `$(Rev:r)`, its kin, and variables. Dates are in UTC.
 * @param counts the pipeline's own counts of revisions; a new one is added
 * @param format empty for the server's default, such as 20261123.1
 * @throws when the number holds what the server does not allow
 */
export function nextBuildNumber(
  counts: { readonly revisions: Record<string, number> },
  format: string,
  now: Date,
  variable: (name: string) => string | undefined,
): string {
  const text = (format || DEFAULT_FORMAT).replace(/\$\(([^)]+)\)/g, (macro, name: string) => {
    if (/^rev:\W*r+$/i.test(name)) return macro;
    return partOf(name, now) ?? variable(ALIASES[name.toLowerCase()] ?? name) ?? macro;
  });
  const number = withRevision(text, counts.revisions);
  if (NOT_ALLOWED.test(number) || number.length > LONGEST) {
    throw new Error(
      `'name' gives the build number '${number}', which Azure Pipelines does not take: it may not hold " / : < > \\ | ? @ *, not end in a dot, and not be longer than ${LONGEST} characters.`,
    );
  }
  return number;
}

/** Names that only build numbers know. */
const ALIASES: Readonly<Record<string, string>> = {
  builddefinitionname: 'Build.DefinitionName',
  buildid: 'Build.BuildId',
  sourcebranchname: 'Build.SourceBranchName',
  teamproject: 'System.TeamProject',
};

function partOf(name: string, now: Date): string | undefined {
  const [, kind = name, format = ''] = /^(date|year):(.+)$/i.exec(name) ?? [];
  switch (kind.toLowerCase()) {
    case 'date':
    case 'year':
      return format ? formatDate(format, now) : undefined;
    case 'dayofmonth':
      return String(now.getUTCDate());
    case 'dayofyear':
      return String(Math.floor((now.getTime() - Date.UTC(now.getUTCFullYear(), 0, 1)) / 86_400_000) + 1);
    case 'hours':
      return String(now.getUTCHours());
    case 'minutes':
      return String(now.getUTCMinutes());
    case 'month':
      return String(now.getUTCMonth() + 1);
    case 'seconds':
      return String(now.getUTCSeconds());
    default:
      return undefined;
  }
}

/** The revision counts up as long as the rest of the number stays the same; `.rr` gives `.01`. */
function withRevision(text: string, revisions: Record<string, number>): string {
  const revision = /\$\(rev:(\W*)(r+)\)/i;
  const [, separator = '', digits] = revision.exec(text) ?? [];
  if (digits === undefined) return text;
  const count = (revisions[text] ?? 0) + 1;
  revisions[text] = count;
  return text.replace(revision, () => separator + String(count).padStart(digits.length, '0'));
}
