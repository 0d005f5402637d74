import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Execution } from './task-definition';

/** Handlers for Node by what they are called in task.json; the first that a task has is taken. */
const HANDLER_NAMES = ['Node24', 'Node20_1', 'Node16', 'Node10', 'Node'] as const;
export type HandlerName = (typeof HANDLER_NAMES)[number];

export interface Handler {
  readonly name: HandlerName;
  readonly target: string;
  readonly workingDirectory?: string;
}

/** The Node versions that an agent of late 2026 brings along, by folder and by the package that carries them. */
const PACKAGES = { node20_1: 'agent-node20', node24: 'agent-node24' } as const;

/** The handler that runs; undefined when the task has none for Node. */
export function chooseHandler(execution: Execution): Handler | undefined {
  const name = HANDLER_NAMES.find((candidate) => execution[candidate]);
  return name && { name, ...execution[name]! };
}

/**
 * The folder of the Node that runs a handler. This is not the handler's own version: `Node24` is run by Node 20
 * unless a setting says otherwise (NodeHandler.cs of the agent; `false` is its built-in default).
 */
export function chooseNodeFolder(handler: HandlerName, isOn: (setting: string) => boolean): string {
  if (isOn('AGENT_USE_NODE24')) return 'node24';
  if (isOn('AGENT_USE_NODE20_1')) return 'node20_1';
  if (isOn('AGENT_USE_NODE10')) return 'node10';
  if (handler === 'Node24') return isOn('AGENT_USE_NODE24_WITH_HANDLER_DATA') ? 'node24' : 'node20_1';
  return { Node20_1: 'node20_1', Node16: 'node16', Node10: 'node10', Node: 'node' }[handler];
}

/**
 * Lays out `externals/<folder>/bin/node` as links to the agent's own Node binaries. Where their packages are not
 * installed or do not run on this machine, the Node that runs this program stands in for them.
 *
 * @param program takes the place of all of them
 */
export function layOutNodes(externals: string, program?: string): void {
  const require = createRequire(import.meta.url);
  for (const [folder, name] of Object.entries(PACKAGES)) {
    const link = join(externals, folder, 'bin', 'node');
    mkdirSync(dirname(link), { recursive: true });
    rmSync(link, { force: true });
    symlinkSync(program ?? findBinary(require, name) ?? process.execPath, link);
  }
}

/** Path of a Node binary of the agent. @throws in the agent's words when the agent has no such version */
export function nodeBinary(externals: string, folder: string): string {
  const file = join(externals, folder, 'bin', 'node');
  if (existsSync(file)) return file;
  throw new Error(
    `This step requires a node version that does not exist in the agent filesystem. Path: ${file}`,
  );
}

const versions = new Map<string, string | undefined>();

/** What a binary says its version is, such as `20.20.2`; undefined when it does not run here. */
export function nodeVersion(binary: string): string | undefined {
  if (!versions.has(binary)) versions.set(binary, askVersion(binary));
  return versions.get(binary);
}

function askVersion(binary: string): string | undefined {
  try {
    return execFileSync(binary, ['-v'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .trim()
      .replace(/^v/, '');
  } catch {
    return undefined;
  }
}

function findBinary(require: NodeJS.Require, name: string): string | undefined {
  try {
    const binary = join(dirname(require.resolve(`${name}/package.json`)), 'bin', 'node');
    return nodeVersion(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}
