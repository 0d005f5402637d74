import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceConnection } from '../../../tasks/common/agent';
import { HttpClient } from '../../../tasks/common/http';
import { InputReader } from '../../../tasks/common/inputs';
import { createLogger } from '../../../tasks/common/log';
import { DEFAULT_RETRY } from '../../../tasks/common/retry';
import type { TaskContext } from '../../../tasks/common/task';
import type { Inputs } from '../../../tasks/ModelRegistryDownload/inputs';
import { PORTABLE } from '../../../tasks/ModelRegistryDownload/registry/names';
import type { RegistryPatience } from '../../../tasks/ModelRegistryDownload/registry/persist';
import type { BlobServer } from '../../support/blob-server';

const network = { proxyFor: () => undefined, tls: {} };

/** A step of a pipeline, whose log, outputs and summary can be looked at. */
export class FakeStep implements TaskContext {
  readonly lines: string[] = [];
  readonly outputs: Record<string, string | number | boolean> = {};
  readonly cancel = new AbortController();
  readonly log = createLogger((line) => this.lines.push(line));
  readonly signal = this.cancel.signal;
  readonly network = network;
  readonly version = '1.0.0';
  readonly http: HttpClient;
  readonly inputs: InputReader;
  summary = '';

  constructor(
    readonly tempFolder: string,
    inputs: Record<string, string> = {},
    private readonly variables: Record<string, string> = { 'Agent.WorkFolder': join(tempFolder, '../work') },
    connections: readonly ServiceConnection[] = [],
  ) {
    this.http = new HttpClient({ log: this.log, signal: this.signal, network, userAgent: 'test' });
    this.inputs = new InputReader(
      (name) => inputs[name]?.trim() || undefined,
      this.log,
      (id) => connections.find((connection) => connection.id === id),
    );
  }

  get text(): string {
    return this.lines.join('\n');
  }

  variable(name: string): string | undefined {
    return this.variables[name];
  }

  secretVariables(): ReadonlyMap<string, string> {
    return new Map();
  }

  oidcToken(): Promise<string> {
    return Promise.reject(new Error('This step has no server to ask.'));
  }

  setOutput(name: string, value: string | number | boolean): void {
    this.outputs[name] = value;
  }

  setTaskVariable(): void {}

  uploadSummary(_title: string, summary: { toString(): string }): void {
    this.summary = summary.toString();
  }

  attach(): void {
    throw new Error('This task attaches nothing.');
  }
}

/** Inputs for `titanic` 1.0.0 on a server. */
export function inputsFor(server: BlobServer, destination: string, changes: Partial<Inputs> = {}): Inputs {
  return {
    registry: {
      kind: 'blob',
      account: server.account,
      signIn: server.credential,
      endpoint: server.endpoint,
    },
    model: 'titanic',
    version: '1.0.0',
    includePrereleases: false,
    versionsFolder: '',
    patterns: ['**'],
    requiredFiles: [],
    completeness: 'auto',
    nameRules: PORTABLE,
    verify: 'stored',
    signature: 'verifyIfPresent',
    trustedKeys: undefined,
    pickleScan: 'warn',
    pickleAllow: new Set(),
    destination,
    concurrency: 4,
    ...changes,
  };
}

/** Waits for nothing between tries, and remembers how long it should have. */
export function impatient(): RegistryPatience & { readonly waits: number[] } {
  const waits: number[] = [];
  return {
    idle: 30_000,
    retry: DEFAULT_RETRY,
    refusal: { forMilliseconds: 30_000 },
    waits,
    sleep: async (milliseconds) => void waits.push(milliseconds),
  };
}

/** A folder for one test, and room for others beside it; `remove` takes all away again. */
export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const room = await mkdtemp(join(tmpdir(), 'model-registry-download-'));
  const path = join(room, 'workspace');
  await mkdir(path);
  await mkdir(join(room, 'work'));
  return { path, remove: () => rm(room, { recursive: true, force: true }) };
}

/** Every file under a folder with its content, by its path with slashes. */
export async function contentOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const contents = await Promise.all(files.map((file) => readFile(file, 'latin1')));
  return Object.fromEntries(
    files
      .map((file, index) => [file.slice(folder.length + 1).replaceAll('\\', '/'), contents[index]!])
      .sort(),
  );
}
