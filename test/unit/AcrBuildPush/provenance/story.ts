import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Registry, startRegistry } from '../../../../local/registry/registry';
import { buildAndPush } from '../../../../tasks/AcrBuildPush/build-and-push';
import { parseImageName } from '../../../../tasks/AcrBuildPush/image/image-name';
import type { Inputs } from '../../../../tasks/AcrBuildPush/inputs';
import { promote } from '../../../../tasks/AcrBuildPush/promote';
import { HttpClient } from '../../../../tasks/common/http';
import type { Outcome, TaskContext } from '../../../../tasks/common/task';
import { capturedLog, leastInputs } from '../support';

const user = { username: 'robot', password: 'p4ssword' };

export const COMMIT = `${'c0ffee'.repeat(6)}c0ff`;

/** What a run of a pipeline says of itself. */
export const VARIABLES: Readonly<Record<string, string>> = {
  'System.CollectionUri': 'https://dev.azure.com/contoso/',
  'System.TeamProject': 'Model Factory',
  'System.DefinitionId': '12',
  'System.JobId': '0a1b',
  'System.JobName': 'build',
  'System.JobAttempt': '2',
  'System.StageName': 'image',
  'System.StageAttempt': '1',
  'Build.DefinitionName': 'titanic',
  'Build.BuildId': '4711',
  'Build.BuildNumber': '20261130.1',
  'Build.SourceVersion': COMMIT,
  'Build.SourceBranch': 'refs/heads/main',
  'Build.Repository.Uri': 'https://contoso@dev.azure.com/contoso/Model%20Factory/_git/titanic',
  'Agent.Name': 'Azure Pipelines 3',
  'Agent.OS': 'Linux',
  'Agent.OSArchitecture': 'X64',
  'Agent.Version': '4.248.0',
  'Agent.IsSelfHosted': '0',
};

export interface Referrer {
  readonly digest: string;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A registry, and steps that build small images for it without an engine. */
export class Story {
  /** Answers requests before the registry does; true for those that it has answered. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
  lines: string[] = [];
  outputs: Record<string, unknown> = {};
  summary = '';

  private constructor(
    readonly folder: string,
    readonly registry: Registry,
  ) {}

  static async start(): Promise<Story> {
    const folder = mkdtempSync(join(tmpdir(), 'provenance-'));
    for (const name of ['registry', 'temp', 'sources']) mkdirSync(join(folder, name));
    const relay: { story?: Story } = {};
    const registry = await startRegistry({
      folder: join(folder, 'registry'),
      ...user,
      intercept: (request, response) => relay.story?.intercept(request, response) ?? false,
    });
    relay.story = new Story(folder, registry);
    relay.story.write('Dockerfile', 'FROM scratch\nARG GREETING\nCOPY Dockerfile /\n');
    return relay.story;
  }

  write(path: string, text: string): string {
    const file = join(this.folder, 'sources', path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** Builds an image and pushes it. */
  run(changes: Partial<Inputs> = {}, variables: Readonly<Record<string, string>> = VARIABLES) {
    return this.step(changes, variables, buildAndPush);
  }

  /** Copies an image of this registry. */
  promote(digest: string, changes: Partial<Inputs>) {
    const source = parseImageName(`${this.registry.loginServer}/titanic@${digest}`);
    return this.step(changes, VARIABLES, (inputs, task) => promote(inputs, source, task));
  }

  private async step(
    changes: Partial<Inputs>,
    variables: Readonly<Record<string, string>>,
    story: (inputs: Inputs, task: TaskContext) => Promise<Outcome>,
  ): Promise<Outcome> {
    const { lines, log } = capturedLog();
    [this.lines, this.outputs, this.summary] = [lines, {}, ''];
    const { signal } = new AbortController();
    const network = { proxyFor: () => undefined, tls: {} };
    const http = new HttpClient({ log, signal, network, userAgent: 'test', sleep: async () => undefined });
    const sources = join(this.folder, 'sources');
    const given: Record<string, string> = {
      'Build.SourcesDirectory': sources,
      SOURCE_DATE_EPOCH: '1764547200',
      ...variables,
    };
    const task = {
      ...{ log, signal, http, network, tempFolder: join(this.folder, 'temp'), version: '1.2.3' },
      variable: (name: string) => given[name],
      setTaskVariable: () => undefined,
      setOutput: (name: string, value: unknown) => {
        this.outputs[name] = value;
      },
      uploadSummary: (_: string, page: object) => {
        this.summary = page.toString();
      },
    } as unknown as TaskContext;
    const inputs: Inputs = {
      ...leastInputs,
      loginServer: this.registry.loginServer,
      identity: { kind: 'password', ...user, input: 'acrPassword' },
      dockerfile: join(sources, 'Dockerfile'),
      buildContext: sources,
      builder: 'direct',
      attest: 'auto',
      ...changes,
    };
    try {
      return await story(inputs, task);
    } finally {
      http.close();
    }
  }

  /** Asks the registry, with no line of the task's. */
  async ask(path: string): Promise<Response> {
    return fetch(`${this.registry.url}/v2/titanic/${path}`, {
      headers: {
        Authorization: `Basic ${btoa(`${user.username}:${user.password}`)}`,
        Accept: 'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json',
      },
    });
  }

  /** What refers to the image of the last run, by the registry's list. */
  async referrers(place = `referrers/${this.outputs.imageDigest}`): Promise<Referrer[]> {
    return ((await (await this.ask(place)).json()) as { manifests: Referrer[] }).manifests;
  }

  // biome-ignore lint/suspicious/noExplicitAny: a statement as its readers get it
  async statement(digest: string): Promise<any> {
    const { layers } = (await (await this.ask(`manifests/${digest}`)).json()) as {
      layers: { digest: string; mediaType: string }[];
    };
    const text = await (await this.ask(`blobs/${layers[0]!.digest}`)).text();
    return JSON.parse(text);
  }

  async stop(): Promise<void> {
    await this.registry.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A notebook's digest, and that of its data. */
export const NOTEBOOK = 'b'.repeat(64);
export const DATA = 'e'.repeat(64);

/** What the notebook of a model has written down. */
export const METADATA = {
  model: 'titanic',
  version: '1.0.0',
  runId: '855018371842731',
  runUrl: 'https://adb-1.2.azuredatabricks.net/jobs/77/runs/855018371842731?o=1',
  trainedAt: '2026-11-29T20:15:00+00:00',
  gitCommit: 'f'.repeat(40),
  parameters: { max_depth: 4, data_path: '/Volumes/titanic.csv' },
  metrics: { accuracy: 0.83, f1: 0.79 },
  notebook: { path: '/Shared/live/scikit-titanic', sha256: NOTEBOOK },
  data: { path: '/Volumes/titanic.csv', sha256: DATA },
};

/**
 * A model's folder as ModelRegistryDownload leaves it.
 *
 * @returns the path of its manifest
 */
export function writeModel(story: Story, metadata: object = METADATA, version = '1.0.0'): string {
  const contents = { 'metadata.json': JSON.stringify(metadata), 'model.pkl': `model ${version}` };
  const files = Object.entries(contents).map(([path, text]) => {
    story.write(`model/${path}`, text);
    const sha256 = createHash('sha256').update(text).digest('hex');
    return {
      path,
      size: text.length,
      sha256,
      md5: null,
      etag: 'e',
      lastModified: '2026-11-29T20:15:00.000Z',
    };
  });
  const listing = files.map(({ path, size, sha256 }) => `${path}\0${size}\0${sha256}\n`).join('');
  const digest = `sha256:${createHash('sha256').update(listing).digest('hex')}`;
  const endpoint = 'models.blob.core.windows.net';
  const source = { account: 'models', container: 'titanic', prefix: `${version}/`, endpoint };
  const manifest = { schemaVersion: 1, name: 'titanic', version, digest, source, files };
  return story.write('model/model-manifest.json', JSON.stringify(manifest));
}
