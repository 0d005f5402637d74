import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { DatabricksClient } from '../../../tasks/common/databricks/client';
import { HttpClient } from '../../../tasks/common/http';
import { runNow } from '../../../tasks/DatabricksRunJob/databricks/jobs';
import type { CancelPolicy } from '../../../tasks/DatabricksRunJob/inputs';
import { idempotencyToken, leavesRun, startRun, stopRun } from '../../../tasks/DatabricksRunJob/start';
import { ACCESS, collectLog, FakeClock } from './support';

const RUN_ID = '8795400285113916203';

/** A service that starts one run for each token, and may lose or withhold its answers. */
class JobService {
  readonly runs = new Map<string, string>();
  readonly cancelled: string[] = [];
  readonly bodies: string[] = [];
  starts = 0;
  /** What happens to the answer to the n-th run-now, from 1. */
  reply: (start: number, response: ServerResponse, answer: () => void) => void = (
    _start,
    _response,
    answer,
  ) => answer();
  private readonly server: Server = createServer((request, response) => void this.serve(request, response));

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    this.bodies.push(body);
    if (request.url === '/api/2.2/jobs/runs/cancel') {
      this.cancelled.push(/"run_id":(\d+)/.exec(body)![1]!);
      response.end();
      return;
    }
    const token = JSON.parse(body).idempotency_token;
    if (!this.runs.has(token)) this.runs.set(token, RUN_ID);
    this.reply(++this.starts, response, () => response.end(`{"run_id":${this.runs.get(token)}}`));
  }
}

describe('starting a run', () => {
  let service: JobService;
  let origin: string;
  beforeEach(async () => {
    service = new JobService();
    origin = await service.listen();
  });
  afterEach(() => service.close());

  function begin(onCancel: CancelPolicy = 'cancelRun') {
    const cancel = new AbortController();
    const { log, text: logged } = collectLog();
    const network = { proxyFor: () => undefined, tls: {} };
    const clock = new FakeClock();
    const { signal } = cancel;
    const http = new HttpClient({
      log,
      signal,
      network,
      userAgent: 'test',
      sleep: (time, stop) => clock.sleep(time, stop),
    });
    const client = new DatabricksClient({
      workspace: { origin, workspaceId: undefined },
      token: async () => 'dapi',
      access: ACCESS,
      http,
      log,
      signal,
      clock,
    });
    const request = {
      jobId: '9223372036854775807',
      notebookParameters: { version: '1.0.0' },
      jobParameters: {},
      idempotencyToken: idempotencyToken(['step']),
      waitsForTurn: true,
    };
    const started = startRun((limits) => runNow(client, request, limits), {
      signal,
      log,
      onCancel,
      jobPage: 'https://example.org/jobs/1',
    });
    return { started, cancel, client, log, logged, end: () => http.close() };
  }

  it('sends ids as plain numbers and gives back every digit', async () => {
    const { started, end } = begin();
    assert.equal(await started, RUN_ID);
    assert.equal(
      service.bodies[0],
      `{"job_id":9223372036854775807,"idempotency_token":"${idempotencyToken(['step'])}","queue":{"enabled":true},"notebook_params":{"version":"1.0.0"}}`,
    );
    end();
  });

  it('starts one run, even when answers are lost on the way', async () => {
    service.reply = (start, response, answer) => {
      if (start === 1) response.destroy();
      else if (start === 2) response.writeHead(503).end();
      else answer();
    };
    const { started, end } = begin();
    assert.equal(await started, RUN_ID);
    assert.equal(service.starts, 3);
    assert.equal(service.runs.size, 1);
    end();
  });

  it('says where to look for a run when the answer was lost, and the next try was refused', async () => {
    service.reply = (start, response) => {
      if (start === 1) response.destroy();
      else response.writeHead(403).end('{"error_code":"PERMISSION_DENIED","message":"No"}');
    };
    const { started, end } = begin();
    await assert.rejects(started, (error: Error) => {
      assert.ok(leavesRun(error));
      assert.match(error.message, /PERMISSION_DENIED.*Look for it at https:\/\/example\.org\/jobs\/1/);
      return true;
    });
    end();
  });

  for (const status of [403, 429]) {
    it(`claims no run where none can have been started: after ${status} and a refusal`, async () => {
      service.reply = (start, response) => {
        response.writeHead(start === 1 ? status : 403, { 'Retry-After': '1' });
        response.end('{"error_code":"PERMISSION_DENIED","message":"No"}');
      };
      const { started, end } = begin();
      await assert.rejects(started, (error: Error) => !leavesRun(error));
      end();
    });
  }

  it('still learns the run’s id when the step is cancelled before the answer came', async () => {
    const { started, cancel, logged, end } = begin();
    service.reply = (start, _response, answer) => (start === 1 ? cancel.abort() : answer());
    assert.equal(await started, RUN_ID);
    assert.equal(service.runs.size, 1);
    assert.doesNotMatch(logged(), /warning/);
    end();
  });

  it('says where to look when the run can be neither found nor cancelled', async () => {
    const { started, cancel, logged, end } = begin();
    service.reply = (_start, response) => {
      cancel.abort();
      response.destroy();
    };
    await assert.rejects(started, { name: 'CancelledError' });
    assert.match(logged(), /warning.*did not tell in time.*https:\/\/example\.org\/jobs\/1/);
    end();
  });

  it('leaves the run alone where it is to be left running, and says where to look', async () => {
    const { started, cancel, logged, end } = begin('leaveRunning');
    service.reply = () => cancel.abort();
    await assert.rejects(started, { name: 'CancelledError' });
    assert.deepEqual([service.starts, service.cancelled], [1, []]);
    assert.match(logged(), /may have been started.*https:\/\/example\.org\/jobs\/1/);
    end();
  });

  it('starts nothing for a step that is cancelled already', async () => {
    const { started, log, end } = begin();
    await started;
    const launch = async () => assert.fail('asked for a run');
    const signal = AbortSignal.abort();
    const options = { signal, log, onCancel: 'cancelRun', jobPage: '' } as const;
    await assert.rejects(startRun(launch, options), { name: 'CancelledError' });
    end();
  });

  it('can stop a run after the step was cancelled, and says where it is when it can’t', async () => {
    const { started, cancel, client, log, logged, end } = begin();
    const run = { id: await started, page: 'https://example.org/jobs/1/runs/2' };
    cancel.abort();
    await stopRun(client, run, log);
    assert.deepEqual(service.cancelled, [RUN_ID]);
    service.close();
    await stopRun(client, run, log);
    assert.match(
      logged(),
      /could not be canceled.*It may be going on: https:\/\/example\.org\/jobs\/1\/runs\/2/,
    );
    end();
  });
});

describe('the idempotency token', () => {
  it('has the 64 characters that Databricks allows, the same for the same step only', () => {
    assert.match(idempotencyToken(['a', 'b']), /^[0-9a-f]{64}$/);
    assert.equal(idempotencyToken(['a', 'b']), idempotencyToken(['a', 'b']));
    assert.notEqual(idempotencyToken(['a', 'b']), idempotencyToken(['ab', '']));
  });
});
