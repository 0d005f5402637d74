import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResourceManager } from '../../../../../tasks/AcrBuildPush/azure/resource-manager';
import {
  buildWithTasks,
  type TasksBuild,
} from '../../../../../tasks/AcrBuildPush/build/acr-tasks/tasks-build';
import { sleep } from '../../../../../tasks/common/cancel';
import { CancelledError, TaskError } from '../../../../../tasks/common/errors';
import type { HttpRequest } from '../../../../../tasks/common/http';
import { capturedLog, leastPlan } from '../../support';

const DIGEST = `sha256:${'d'.repeat(64)}`;
const SUCCESS = {
  status: 'Succeeded',
  outputImages: [{ repository: 'titanic', tag: '1.0.0', digest: DIGEST }],
};

const REGISTRY = { id: '/registry', loginServer: 'models.azurecr.io', isByRepository: false };
const BY_REPOSITORY = { ...REGISTRY, isByRepository: true };

describe("a build in the registry's own service", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tasks-build-'));
    writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY model.pkl /\n');
    writeFileSync(join(folder, 'model.pkl'), 'a model');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /**
   * Builds with a service whose log grows by one piece with every look at it.
   *
   * @param state how the run ends
   */
  async function build(
    log: readonly (string | Buffer)[],
    state: object = SUCCESS,
    { cancelAt, cancelFails = false, uploadUrl = 'https://store.example/source', changes = {} } = {} as {
      cancelAt?: number | 'scheduleRun';
      changes?: Partial<TasksBuild>;
      cancelFails?: boolean;
      uploadUrl?: string;
    },
  ) {
    const captured = capturedLog();
    const cancel = new AbortController();
    const calls: string[] = [];
    const pieces = log.map((piece) => Buffer.from(piece));
    const logSignature = randomUUID();
    let looks = 0;
    let asked: Record<string, unknown> = {};
    const shown = () => Buffer.concat(pieces.slice(0, looks));
    const azure = {
      async send(method: string, path: string, _: string, options?: { signal?: AbortSignal; body?: object }) {
        const call = `${method} ${path.replace(/^\/registry|\?.*$/g, '')}`;
        calls.push(call);
        if (call.endsWith('/listBuildSourceUploadUrl')) return { uploadUrl, relativePath: 'source/1' };
        if (call.endsWith('/scheduleRun')) {
          asked = { ...options?.body, version: /api-version=(.*)/.exec(path)?.[1] };
          if (cancelAt === 'scheduleRun') cancel.abort();
          // A request whose answer nobody waits for would leave a run that nobody knows.
          if (options?.signal?.aborted ?? cancel.signal.aborted) throw new CancelledError();
          return { properties: { runId: 'ca1' } };
        }
        if (call.endsWith('/listLogSasUrl'))
          return { logLink: `https://store.example/log?sig=${logSignature}` };
        if (call.endsWith('/cancel')) {
          if (cancelFails) throw new TaskError('Azure refused to stop a build (HTTP 500).');
          return {};
        }
        return { properties: looks < pieces.length ? { status: 'Running' } : state };
      },
    } as unknown as ResourceManager;
    const http = {
      async send({ method, headers }: HttpRequest) {
        if (method === 'PUT') return { status: 201, headers: new Headers(), body: Buffer.alloc(0) };
        if (method === 'HEAD') {
          if (looks === cancelAt) cancel.abort();
          looks += 1;
          const isOver = looks >= pieces.length;
          const answer = {
            'content-length': String(shown().length),
            ...(isOver && { 'x-ms-meta-complete': 'x' }),
          };
          return { status: 200, headers: new Headers(answer), body: Buffer.alloc(0) };
        }
        const start = Number(/bytes=(\d+)-/.exec(headers?.Range ?? '')?.[1]);
        return { status: 206, headers: new Headers(), body: shown().subarray(start) };
      },
    };
    const services = {
      azure,
      http: http as never,
      log: captured.log,
      signal: cancel.signal,
      sleep: (_: number, signal: AbortSignal) => sleep(0, signal),
    };
    const request = {
      plan: { ...leastPlan, dockerfile: join(folder, 'Dockerfile'), context: folder },
      registry: REGISTRY,
      loginServer: 'models.azurecr.io',
      repository: 'titanic',
      tag: '1.0.0',
      push: true,
      agentPool: undefined,
      buildMinutes: 480,
      logins: [],
      ...changes,
    };
    const result = await buildWithTasks(request, services).then(
      (value) => ({ value, error: undefined }),
      (error: Error) => ({ value: undefined, error }),
    );
    return { ...result, calls, asked, logSignature, lines: captured.lines };
  }

  it('shows its log while it grows, whole, also where a piece ends within a line or a character', async () => {
    const [first, second] = [Buffer.from('Modell für '), Buffer.from('Zürich\nzuletzt')];
    const cut = first.indexOf('ü') + 1;
    const { value, lines } = await build([
      'Step 1/2 : FROM scr',
      'atch\r\nStep 2/2 : COPY model.pkl /\n',
      first.subarray(0, cut),
      first.subarray(cut),
      second,
    ]);
    assert.deepEqual(value, { digest: DIGEST });
    const text = lines.join('\n');
    assert.match(text, /Step 1\/2: FROM scratch\n/);
    assert.match(text, /^Modell für Zürich$/m);
    assert.match(text, /^zuletzt$/m);
  });

  it('masks the signatures of the addresses that it is given', async () => {
    const signature = randomUUID();
    const uploadUrl = `https://store.example/source?sig=${signature}`;
    const { lines, logSignature } = await build(['done\n'], SUCCESS, { uploadUrl });
    for (const secret of [signature, logSignature]) {
      assert.ok(lines.includes(`##vso[task.setsecret]${secret}`), lines.join('\n'));
    }
  });

  it('is stopped with the step', async () => {
    const { error, calls } = await build(['one\n', 'two\n', 'three\n'], SUCCESS, { cancelAt: 1 });
    assert.equal(error?.name, 'CancelledError');
    assert.equal(calls.at(-1), 'POST /runs/ca1/cancel');
  });

  it('is stopped also when the step is cancelled while it is being scheduled', async () => {
    const { error, calls } = await build(['one\n'], SUCCESS, { cancelAt: 'scheduleRun' });
    assert.equal(error?.name, 'CancelledError');
    assert.deepEqual(calls.slice(-2), ['POST /scheduleRun', 'POST /runs/ca1/cancel']);
  });

  it('that can not be stopped is warned of', async () => {
    const options = { cancelAt: 1, cancelFails: true };
    const { error, lines } = await build(['one\n', 'two\n', 'three\n'], SUCCESS, options);
    assert.equal(error?.name, 'CancelledError');
    assert.match(lines.join('\n'), /task\.logissue type=warning.*The build may go on in Azure: .*HTTP 500/);
  });

  for (const [what, state, log, message] of [
    [
      'takes too long',
      { status: 'Timeout' },
      ['x\n'],
      /took longer than 8 h, and was stopped\. Input 'buildTimeoutMinutes'/,
    ],
    [
      'ends without a word in the log',
      { status: 'Error', runErrorMessage: 'failed to pull: toomanyrequests: pull rate limit' },
      ['x\n'],
      /allows no more downloads/,
    ],
    ['ends for no reason that is known', { status: 'Failed' }, ['x\n'], /the run in Azure ended as Failed/],
    [
      'is kept out of the registry by its firewall',
      { status: 'Failed', runErrorMessage: 'failed to run step ID: push: exit status 1' },
      [
        'Step 1/1 : FROM scratch\nSuccessfully built 0123456789ab\n',
        "denied: client with IP '20.1.2.3' is not allowed access. Refer https://aka.ms/acr/firewall\n",
      ],
      /firewall of models\.azurecr\.io .*build service in, .*20\.1\.2\.3.*agent inside/,
    ],
    [
      'does not say what it pushed',
      { status: 'Succeeded' },
      ['x\n'],
      /does not say that it pushed titanic:1/,
    ],
  ] as const) {
    it(`that ${what} is reported as such`, async () => {
      const { error } = await build(log, state);
      assert.equal(error?.name, 'TaskError');
      assert.match(error.message, message);
    });
  }

  const DENIED = [
    'Step 1/1 : FROM scratch\nSuccessfully built 0123456789ab\n',
    '2026/11/29 12:00:00 Pushing image: models.azurecr.io/titanic:1.0.0, attempt 1\nThe push refers to repository [models.azurecr.io/titanic]\n',
    'unauthorized: authentication required, visit https://aka.ms/acr/authorization for more information.\n',
  ];

  it('that could not push is told apart from one that failed, with the right that each kind of registry asks for', async () => {
    const failed = { status: 'Failed', runErrorMessage: 'failed to run step ID: push: exit status 1' };
    const { error } = await build(DENIED, failed, { changes: { registry: BY_REPOSITORY } });
    assert.match(
      String(error?.message),
      /^Azure built the image, but could not push it to 'titanic': .*role Container Registry Repository Writer\.$/,
    );
    const legacy = await build(DENIED, failed);
    assert.match(String(legacy.error?.message), /could not push it to 'titanic': .*the registry's policies/);
    const full = await build([...DENIED.slice(0, 2), 'storage limit reached\n'], failed);
    assert.match(String(full.error?.message), /could not push it to 'titanic': The storage of .* is used up/);
  });

  it('runs as its caller where rights are given by repository, and as the service does elsewhere', async () => {
    const { asked } = await build(['x\n']);
    assert.deepEqual(asked.credentials, { sourceRegistry: { loginMode: 'Default' } });
    assert.deepEqual(
      [asked.version, asked.timeout, asked.agentConfiguration],
      ['2019-06-01-preview', 28_800, { cpu: 2 }],
    );
    const caller = await build(['x\n'], SUCCESS, { changes: { registry: BY_REPOSITORY } });
    assert.deepEqual(caller.asked.credentials, { sourceRegistry: { identity: '[caller]' } });
    assert.equal(caller.asked.version, '2025-03-01-preview');
  });

  it("takes the registry's own machines, a time and logins for base images", async () => {
    const logins = [{ host: 'docker.io', username: 'me', password: 'hub-s3cret' }];
    const { asked, lines } = await build(['x\n'], SUCCESS, {
      changes: { agentPool: 'inside', buildMinutes: 20, logins },
    });
    assert.deepEqual(
      [asked.agentPoolName, asked.agentConfiguration, asked.timeout],
      ['inside', undefined, 1_200],
    );
    const value = (text: string) => ({ type: 'Opaque', value: text });
    assert.deepEqual((asked.credentials as { customRegistries: object }).customRegistries, {
      'docker.io': { userName: value('me'), password: value('hub-s3cret') },
    });
    assert.ok(!lines.join('\n').includes('hub-s3cret'));
  });

  it('sends its context nowhere in the clear', async () => {
    const { error, calls } = await build(['x\n'], SUCCESS, { uploadUrl: 'http://store.example/source' });
    assert.match(error?.message ?? '', /store\.example .*must not go without encryption/);
    assert.deepEqual(calls, ['POST /listBuildSourceUploadUrl']);
  });
});
