import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody, serveOnLoopback } from '../loopback';

/** The registry that a run pushes into. */
export interface TargetRegistry {
  readonly url: string;
  readonly loginServer: string;
  readonly username: string;
  readonly password: string;
}

/** What was asked of a run, as the service's API has it. */
export interface RunRequest {
  readonly type: string;
  readonly imageNames: readonly string[];
  readonly isPushEnabled: boolean;
  readonly dockerFilePath: string;
  readonly target?: string;
  readonly arguments: readonly { name: string; value: string; isSecret: boolean }[];
  readonly platform: { os: string; architecture: string; variant?: string };
  readonly timeout: number;
  readonly sourceLocation: string;
  readonly agentPoolName?: string;
  readonly credentials?: {
    readonly sourceRegistry?: { readonly identity?: string; readonly loginMode?: string };
    readonly customRegistries?: Readonly<Record<string, object>>;
  };
}

/** How a run goes. */
export interface RunScript {
  readonly log: readonly string[];
  /** `Running` runs until it is cancelled. */
  readonly status: 'Succeeded' | 'Failed' | 'Error' | 'Timeout' | 'Running';
  readonly errorMessage?: string;
}

export interface AcrTasksOptions {
  readonly subscriptionId: string;
  readonly registry: TargetRegistry;
  /** Whether the registry gives rights by repository: a run has none there unless it has its caller's. */
  readonly isByRepository?: () => boolean;
  /** Whether an access token of Microsoft Entra is good for Azure's resource manager. */
  readonly accepts: (accessToken: string) => boolean;
  readonly script?: (request: RunRequest) => RunScript;
  /** Sees every request first, and returns true for those it has answered itself: the place to script faults. */
  readonly intercept?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export interface Run {
  readonly id: string;
  readonly request: RunRequest;
  status: string;
  /** The build context as it was sent: a compressed tar archive. */
  readonly context: Buffer;
}

export interface AcrTasks {
  /** Stands for `https://management.azure.com`. */
  readonly url: string;
  readonly runs: readonly Run[];
  readonly requests: readonly string[];
  stop(): Promise<void>;
}

interface LiveRun extends Run {
  readonly script: RunScript;
  readonly digest: string | undefined;
  /** How many lines of its log there are by now; every look at it brings one more. */
  shown: number;
}

const SIGNATURE = 'sv=2021-06-08&sp=rw&sig=bG9jYWwtc2lnbmF0dXJl';

/**
 * Starts a stand-in for Azure's resource manager, as far as ACR Tasks goes, and for the Blob storage behind it. It
 * checks what it is asked as the service does. It can't build: a run ends as its script says, and what is pushed is an
 * image of nothing but the request.
 */
export async function startAcrTasks(options: AcrTasksOptions): Promise<AcrTasks> {
  const service = new Service(options);
  const { url, stop } = await serveOnLoopback(async (request, response) => {
    service.requests.push(`${request.method} ${request.url}`);
    if (options.intercept?.(request, response)) return;
    await service.answer(request, await readBody(request), response);
  });
  service.url = url;
  return { url, runs: service.runs, requests: service.requests, stop };
}

class Service {
  url = '';
  readonly runs: LiveRun[] = [];
  readonly requests: string[] = [];
  private readonly blobs = new Map<string, Map<string, Buffer>>();
  private readonly contexts = new Map<string, Buffer>();

  constructor(private readonly options: AcrTasksOptions) {}

  async answer(request: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.url);
    if (url.pathname.startsWith('/source/')) return this.putBlock(url, body, response);
    if (url.pathname.startsWith('/logs/')) return this.readLog(url, request, response);

    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (!token || !this.options.accepts(token)) {
      return fail(response, 401, 'AuthenticationFailed', 'Authentication failed.');
    }
    if (!url.searchParams.has('api-version')) {
      return fail(
        response,
        400,
        'MissingApiVersionParameter',
        'The api-version query parameter is required.',
      );
    }
    const { subscriptionId } = this.options;
    const registries = `/subscriptions/${subscriptionId}/providers/Microsoft.ContainerRegistry/registries`;
    if (request.method === 'GET' && url.pathname === registries) {
      return json(response, {
        value: [{ id: this.resource, name: 'models', properties: this.registryProperties(url) }],
      });
    }
    if (!url.pathname.startsWith(`${this.resource}/`)) {
      return fail(response, 404, 'ResourceNotFound', `The Resource '${url.pathname}' was not found.`);
    }
    await this.operate(request.method ?? '', url.pathname.slice(this.resource.length), body, response);
  }

  /** Versions of the API from before 2025-05 do not know that there are two modes. */
  private registryProperties(url: URL): object {
    const knowsModes = (url.searchParams.get('api-version') ?? '') >= '2025-05';
    const mode = this.options.isByRepository?.() ? 'AbacRepositoryPermissions' : 'LegacyRegistryPermissions';
    return {
      loginServer: this.options.registry.loginServer,
      ...(knowsModes && { roleAssignmentMode: mode }),
    };
  }

  private get resource(): string {
    return `/subscriptions/${this.options.subscriptionId}/resourceGroups/models/providers/Microsoft.ContainerRegistry/registries/models`;
  }

  private async operate(method: string, path: string, body: Buffer, response: ServerResponse): Promise<void> {
    const [, runId, action] = /^\/runs\/([^/]+)(?:\/(\w+))?$/.exec(path) ?? [];
    const run = this.runs.find(({ id }) => id === runId);
    if (method === 'POST' && path === '/listBuildSourceUploadUrl') {
      const relativePath = `source/${randomUUID()}.tar.gz`;
      json(response, { uploadUrl: `${this.url}/${relativePath}?${SIGNATURE}`, relativePath });
    } else if (method === 'POST' && path === '/scheduleRun') {
      await this.schedule(JSON.parse(body.toString()) as RunRequest, response);
    } else if (!run) {
      fail(response, 404, 'RunNotFound', `The run ${runId} was not found.`);
    } else if (method === 'POST' && action === 'listLogSasUrl') {
      json(response, { logLink: `${this.url}/logs/${run.id}?${SIGNATURE}` });
    } else if (method === 'POST' && action === 'cancel') {
      run.status = 'Canceled';
      response.writeHead(200).end();
    } else {
      json(response, { properties: this.describe(run) });
    }
  }

  private async schedule(request: RunRequest, response: ServerResponse): Promise<void> {
    const context = this.contexts.get(request.sourceLocation);
    if (
      !context ||
      request.type !== 'DockerBuildRequest' ||
      request.timeout < 300 ||
      request.timeout > 28_800
    ) {
      return fail(response, 400, 'InvalidRunRequest', 'The run request is not valid.');
    }
    const mayPush =
      !this.options.isByRepository?.() || request.credentials?.sourceRegistry?.identity === '[caller]';
    const own = this.options.script?.(request) ?? { log: ['Successfully built'], status: 'Succeeded' };
    const script =
      mayPush || own.status !== 'Succeeded' ? own : refusedPush(own, this.options.registry.loginServer);
    const [image = ''] = request.imageNames;
    const isPushed = script.status === 'Succeeded' && request.isPushEnabled;
    const digest = isPushed ? await pushImage(this.options.registry, image, request) : undefined;
    const id = `ca${this.runs.length + 1}`;
    this.runs.push({ id, request, context, script, digest, status: 'Running', shown: 0 });
    json(response, { properties: { runId: id, status: 'Queued' } });
  }

  private describe({ id, request, status, script, digest }: LiveRun): object {
    const [repository, tag] = request.imageNames[0]!.split(':');
    const { loginServer } = this.options.registry;
    return {
      runId: id,
      status,
      ...(digest && { outputImages: [{ registry: loginServer, repository, tag, digest }] }),
      ...(script.errorMessage && { runErrorMessage: script.errorMessage }),
    };
  }

  /** A blob is made of blocks, and of none that were not sent before. */
  private putBlock(url: URL, body: Buffer, response: ServerResponse): void {
    const name = url.pathname.slice(1);
    const blocks = this.blobs.get(name) ?? new Map<string, Buffer>();
    this.blobs.set(name, blocks);
    if (url.searchParams.get('comp') === 'block') {
      blocks.set(url.searchParams.get('blockid') ?? '', body);
    } else {
      const ids = [...body.toString().matchAll(/<Latest>([^<]+)<\/Latest>/g)].map(([, id]) => id!);
      const parts = ids.map((id) => blocks.get(id)).filter((part) => part !== undefined);
      if (parts.length < ids.length) {
        fail(response, 400, 'InvalidBlockList', 'The specified block list is invalid.');
        return;
      }
      this.contexts.set(name, Buffer.concat(parts));
    }
    response.writeHead(201).end();
  }

  /** The blob is there after the first look, and grows by a line with every further one. */
  private readLog(url: URL, request: IncomingMessage, response: ServerResponse): void {
    const run = this.runs.find(({ id }) => `/logs/${id}` === url.pathname);
    if (!run) {
      fail(response, 404, 'BlobNotFound', 'The specified blob does not exist.');
      return;
    }
    const { script } = run;
    const content = Buffer.from(
      script.log
        .slice(0, run.shown)
        .map((line) => `${line}\n`)
        .join(''),
    );
    if (request.method === 'HEAD') {
      if (run.shown >= script.log.length && script.status !== 'Running') run.status = script.status;
      const isOver = run.status !== 'Running';
      const isThere = run.shown > 0;
      run.shown += 1;
      const complete = { 'x-ms-meta-Complete': run.status.toLowerCase() };
      response.writeHead(isThere ? 200 : 404, {
        'Content-Length': isThere ? content.length : 0,
        ...(isOver && complete),
      });
      response.end();
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(String(request.headers.range))?.[1] ?? 0);
    response.writeHead(206).end(content.subarray(from));
  }
}

/** A run that has built all, and may not push it. */
function refusedPush({ log }: RunScript, loginServer: string): RunScript {
  return {
    log: [
      ...log,
      `2026/11/29 12:00:00 Pushing image: ${loginServer}/titanic:1.0.0, attempt 1`,
      'unauthorized: authentication required, visit https://aka.ms/acr/authorization for more information.',
    ],
    status: 'Failed',
    errorMessage: 'failed to run step ID: push: exit status 1',
  };
}

/** Puts an image that holds nothing but the request it was asked for with. */
async function pushImage(registry: TargetRegistry, image: string, request: RunRequest): Promise<string> {
  const [repository, tag] = image.split(':');
  const authorization = `Basic ${Buffer.from(`${registry.username}:${registry.password}`).toString('base64')}`;
  const send = async (method: string, path: string, body: string, type = 'application/octet-stream') => {
    const headers = { Authorization: authorization, 'Content-Type': type };
    const answer = await fetch(`${registry.url}/v2/${repository}/${path}`, { method, headers, body });
    if (answer.status !== 201) throw new Error(`${path}: HTTP ${answer.status}`);
  };
  const config = JSON.stringify({
    config: { Env: request.arguments.map(({ name, value }) => `${name}=${value}`) },
  });
  const describe = (mediaType: string, content: string) => ({
    mediaType,
    digest: sha256(content),
    size: content.length,
  });
  const type = 'application/vnd.docker.distribution.manifest.v2+json';
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: type,
    config: describe('application/vnd.docker.container.image.v1+json', config),
    layers: [],
  });
  await send('POST', `blobs/uploads/?digest=${sha256(config)}`, config);
  await send('PUT', `manifests/${tag}`, manifest, type);
  return sha256(manifest);
}

function sha256(content: string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function json(response: ServerResponse, value: object): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

function fail(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ error: { code, message } }));
}
