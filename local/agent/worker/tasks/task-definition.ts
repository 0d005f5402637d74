import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The parts of task.json that the agent and the server act on. */
export interface TaskDefinition {
  readonly id: string;
  readonly name: string;
  readonly friendlyName: string;
  readonly description: string;
  readonly author: string;
  readonly helpMarkDown?: string;
  readonly helpUrl?: string;
  readonly version: { Major: number; Minor: number; Patch: number };
  readonly inputs: TaskInput[];
  readonly outputVariables: { name: string }[];
  readonly restrictions?: Restrictions;
  readonly prejobexecution?: Execution;
  readonly execution?: Execution;
  readonly postjobexecution?: Execution;
}
export interface TaskInput {
  readonly name: string;
  readonly aliases?: string[];
  readonly type?: string;
  readonly defaultValue?: unknown;
}
/** Handlers by name, for example `Node24`. */
export type Execution = Record<string, { target: string; workingDirectory?: string }>;
export interface Restrictions {
  readonly commands?: { mode?: string };
  readonly settableVariables?: { allowed?: string[] };
}

export type Stage = 'prejobexecution' | 'execution' | 'postjobexecution';

/** @throws when the file is missing, is not JSON, or lacks what every task needs */
export function readTaskDefinition(folder: string): TaskDefinition {
  const file = join(folder, 'task.json');
  const json = JSON.parse(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''));
  for (const key of ['id', 'name', 'version']) {
    if (!json[key]) throw new Error(`${file} has no '${key}'.`);
  }
  const version = Object.fromEntries(
    ['Major', 'Minor', 'Patch'].map((part) => [part, Number(json.version[part])]),
  ) as TaskDefinition['version'];
  for (const pattern of json.restrictions?.settableVariables?.allowed ?? []) checkPattern(pattern, file);
  return { ...json, version, inputs: json.inputs ?? [], outputVariables: json.outputVariables ?? [] };
}

export function versionText({ version }: TaskDefinition): string {
  return `${version.Major}.${version.Minor}.${version.Patch}`;
}

function checkPattern(pattern: string, file: string): void {
  if (/^[\w.*?-]+$/.test(pattern)) return;
  throw new Error(`${file}: the local agent cannot read the pattern '${pattern}'; it knows * and ?.`);
}

/** Whether a variable's name fits a pattern of `settableVariables`, as minimatch reads it; case does not matter. */
export function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern.replace(/\./g, '\\.').replace(/\*+/g, '[^/]*').replace(/\?/g, '[^/]');
  // A wildcard does not stand for the dot that a name begins with.
  const first = /^[*?]/.test(pattern) ? '(?!\\.)' : '';
  return new RegExp(`^${first}${source}$`, 'i').test(name);
}
