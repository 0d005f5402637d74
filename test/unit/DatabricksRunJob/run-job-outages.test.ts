import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { HttpClient, type HttpRequest } from '../../../tasks/common/http';
import type { Inputs } from '../../../tasks/DatabricksRunJob/inputs';
import { ended, running, task, useRunJob, workspace } from './run-job-support';
import { ACCESS, answer, FakeClock, type FakeDatabricks, failure, inTurn, ORIGIN } from './support';

const MINUTE = 60_000;
const main = { task_key: 'main', notebook_task: { notebook_path: '/live/train' } };
const PRINCIPAL: Partial<Inputs> = {
  signIn: {
    workspace: { origin: ORIGIN, workspaceId: '42' },
    credential: { kind: 'servicePrincipal', clientId: 'c', clientSecret: 's' },
    access: ACCESS,
  },
};

/** What an outage looks like from outside. */
const OUTAGES = ['503', '429 with Retry-After', 'a reset'] as const;
type Outage = (typeof OUTAGES)[number];

/** Serves a scripted workspace on loopback, but for a route that is out of order for some minutes from its first request. */
async function serve(
  fake: FakeDatabricks,
  clock: FakeClock,
  broken: string,
  minutes: number,
  outage: Outage,
) {
  let since: number | undefined;
  let failures = 0;
  const server: Server = createServer(async (incoming, response) => {
    // Runs of these tests began years ago.
    response.sendDate = false;
    const url = incoming.url ?? '/';
    const route = `${incoming.method} ${new URL(url, ORIGIN).pathname.split('/').slice(-2).join('/')}`;
    const body = await text(incoming);
    if (route === broken) since ??= clock.now();
    if (route === broken && clock.now() - since! < minutes * MINUTE) {
      failures += 1;
      if (outage === 'a reset') response.destroy();
      else if (outage === '503') response.writeHead(503).end('{"error_code":"TEMPORARILY_UNAVAILABLE"}');
      else response.writeHead(429, { 'Retry-After': '10' }).end();
      return;
    }
    const method = incoming.method as HttpRequest['method'];
    const reply = await fake.send({ method, url: ORIGIN + url, ...(body && { body }) });
    response.writeHead(reply.status, Object.fromEntries(reply.headers)).end(reply.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    failures: () => failures,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

describe('DatabricksRunJob', () => {
  const run = useRunJob();
  let servers: { close(): void }[] = [];
  afterEach(() => {
    for (const server of servers) server.close();
    servers = [];
  });

  /** Runs the step through a real client, whose waits take no time. */
  async function runThrough(
    fake: FakeDatabricks,
    broken: string,
    minutes: number,
    outage: Outage,
    changes: Partial<Inputs>,
  ) {
    const clock = new FakeClock();
    const server = await serve(fake, clock, broken, minutes, outage);
    servers.push(server);
    const step = run(fake, changes, {
      clock,
      connect: (log, signal) => {
        const http = new HttpClient({
          log,
          signal,
          network: { proxyFor: () => undefined, tls: {} },
          userAgent: 'test',
          sleep: (milliseconds, stop) => clock.sleep(milliseconds, stop),
        });
        servers.push(http);
        return {
          send: (request) => http.send({ ...request, url: request.url.replace(ORIGIN, server.origin) }),
        };
      },
    });
    return { ...step, server, clock };
  }

  const infrastructure = { status: { state: 'TERMINATED', termination_details: { code: 'CLUSTER_ERROR' } } };
  const broken = ended('FAILED', [task('main', 'FAILED', infrastructure)], { end_time: 1 });

  /** A workspace in which a step comes to call a route, and how it does. */
  const routes: [route: string, changes?: Partial<Inputs>, prepare?: (fake: FakeDatabricks) => void][] = [
    ['GET jobs/list'],
    ['GET jobs/get'],
    ['GET workspace/export'],
    ['POST workspace/import'],
    [
      'POST workspace/mkdirs',
      {},
      (fake) =>
        fake
          .on('POST workspace/mkdirs', {})
          .on('POST workspace/import', inTurn(failure(404, 'RESOURCE_DOES_NOT_EXIST', 'No parent'), {})),
    ],
    ['POST jobs/run-now'],
    ['GET runs/get'],
    ['GET runs/get-output'],
    [
      'GET runs/list',
      {
        metricsGate: [
          {
            text: 'a >= previous',
            metric: 'a',
            operator: '>=',
            limit: { kind: 'previous', sign: '+', number: 0 },
          },
        ],
      },
      (fake) =>
        fake
          .on('GET runs/list', { runs: [] })
          .on('GET runs/get-output', { notebook_output: { result: '{"a": 1}' } }),
    ],
    [
      'POST jobs/create',
      { jobDefinition: { tasks: [main] } },
      (fake) => fake.on('GET jobs/list', {}).on('POST jobs/create', { job_id: 6 }),
    ],
    [
      'POST jobs/update',
      { jobDefinition: { timeout_seconds: 60 } },
      (fake) =>
        fake.on('POST jobs/update', {}).on('GET jobs/get', () => ({
          job_id: 5,
          settings: {
            name: 'train',
            tasks: [main],
            ...(fake.to('POST jobs/update').length > 0 && { timeout_seconds: 60 }),
          },
        })),
    ],
    [
      'POST v1/token',
      PRINCIPAL,
      (fake) => fake.on('POST v1/token', { access_token: 'oauth-token', expires_in: 3600 }),
    ],
    [
      'POST runs/repair',
      { repairAttempts: 1 },
      (fake) =>
        fake.on('POST runs/repair', { repair_id: 8 }).on('GET runs/get', ({ query }) => {
          const isRepaired = fake.to('POST runs/repair').length > 0;
          if (query.include_history) return isRepaired ? { repair_history: [{ id: 8 }] } : {};
          return isRepaired ? ended('SUCCESS', undefined, { end_time: 2 }) : broken;
        }),
    ],
    [
      'POST runs/cancel',
      { timeoutMinutes: 1 },
      (fake) =>
        fake.on('GET runs/get', () => (fake.to('POST runs/cancel').length > 0 ? ended('SUCCESS') : running)),
    ],
  ];
  for (const [route, changes = {}, prepare] of routes) {
    for (const outage of OUTAGES) {
      it(`survives five minutes of ${outage} from ${route}, and starts one run`, async () => {
        const fake = workspace();
        prepare?.(fake);
        const { outcome, server, lines, clock } = await runThrough(fake, route, 5, outage, changes);
        assert.equal((await outcome).result, 'Succeeded');
        assert.ok(server.failures() > 3, 'the outage was met');
        assert.ok(clock.now() >= 5 * MINUTE);
        const tokens = fake.to('POST jobs/run-now').map(({ body }) => body.idempotency_token);
        assert.equal(new Set(tokens).size, 1);
        const told = lines.filter((line) => !line.includes('task.debug'));
        const begins = told.filter((line) => /(trying again|looking again)/i.test(line));
        assert.equal(begins.length, 1, told.join('\n'));
      });
    }
  }

  it('fails a good run of which it can’t be told what the notebook returned, and says that a rerun takes it', async () => {
    const { outcome, outputs } = await runThrough(workspace(), 'GET runs/get-output', 11, '503', {});
    await assert.rejects(
      outcome,
      /succeeded, but what its notebook returned could not be read.*takes the same run/,
    );
    assert.equal(outputs.resultState, 'SUCCESS');
    assert.ok(!('notebookOutput' in outputs));
    assert.match(String(outputs.errorMessage), /could not be read/);
  });

  it('waits once, and not for each failed task, where Databricks tells nothing of them', async () => {
    const tasks = Array.from({ length: 30 }, (_, index) => task(`task${index}`, 'FAILED'));
    const fake = workspace().on('GET runs/get', inTurn(running, ended('FAILED', tasks)));
    const { outcome, clock, text } = await runThrough(fake, 'GET runs/get-output', 24 * 60, '503', {});
    await assert.rejects(outcome, /Run 77 of job 'train' failed: task 'task0' \(and 29 more failed\)/);
    // Five are asked for at a time, for ten minutes each.
    assert.ok(clock.now() < 60 * MINUTE, `${clock.now() / MINUTE} minutes`);
    assert.equal(text().match(/The output of task 'task\d+' could not be read\./g)?.length, 30);
  });

  it('waits once, and not for each notebook that is to be kept', async () => {
    const tasks = Array.from({ length: 30 }, (_, index) => task(`task${index}`, 'SUCCESS'));
    const fake = workspace().on('GET runs/get', inTurn(running, ended('SUCCESS', tasks)));
    const { outcome, clock, text } = await runThrough(fake, 'GET runs/export', 24 * 60, '503', {
      exportHtml: true,
    });
    assert.equal((await outcome).result, 'Succeeded');
    assert.ok(clock.now() < 15 * MINUTE, `${clock.now() / MINUTE} minutes`);
    assert.equal(text().match(/The notebook of task 'task\d+' could not be exported\./g)?.length, 30);
  });

  it('tells a good run without an exit value from one that can’t be read', async () => {
    const fake = workspace().on('GET runs/get-output', answer(200, {}));
    const { outcome } = run(fake);
    assert.equal((await outcome).result, 'Succeeded');
  });
});
