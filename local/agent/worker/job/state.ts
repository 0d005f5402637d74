import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What the agent and the server remember from run to run. */
export interface AgentState {
  lastBuildId: number;
  /** Number of each pipeline's folder below `_work`, by its YAML file. */
  readonly folders: Record<string, number>;
  /** Last revision of build numbers, by what stands before it. */
  readonly revisions: Record<string, number>;
}

export function readState(home: string): AgentState {
  try {
    return JSON.parse(readFileSync(fileIn(home), 'utf8'));
  } catch {
    return { lastBuildId: 0, folders: {}, revisions: {} };
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

const DEFAULT_FORMAT = '$(Date:yyyyMMdd).$(Rev:r)';

/**
 * The next build number in a pipeline's format: `$(Date:...)`, `$(Rev:r)` and variables.
 * @param format empty for the server's default, such as 20261123.1
 */
export function nextBuildNumber(
  state: AgentState,
  format: string,
  now: Date,
  variable: (name: string) => string | undefined,
): string {
  const text = (format || DEFAULT_FORMAT).replace(/\$\(([^)]+)\)/g, (macro, name: string) => {
    if (/^rev:r+$/i.test(name)) return macro;
    return /^date:/i.test(name) ? formatDate(name.slice(5), now) : (variable(name) ?? macro);
  });
  const revision = /\$\(rev:(r+)\)/i;
  const digits = revision.exec(text)?.[1]?.length;
  if (!digits) return text;
  const number = (state.revisions[text] ?? 0) + 1;
  state.revisions[text] = number;
  return text.replace(revision, String(number).padStart(digits, '0'));
}

function formatDate(format: string, date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const parts: Record<string, string> = {
    yyyy: String(date.getFullYear()),
    yy: two(date.getFullYear() % 100),
    MM: two(date.getMonth() + 1),
    dd: two(date.getDate()),
    HH: two(date.getHours()),
    mm: two(date.getMinutes()),
    ss: two(date.getSeconds()),
  };
  return format.replace(/yyyy|yy|MM|dd|HH|mm|ss/g, (part) => parts[part]!);
}
