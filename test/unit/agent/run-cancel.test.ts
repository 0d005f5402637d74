import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import sinon from 'sinon';
import type { PipelineRecord } from '../../../local/agent/agent';
import { jsStep, jsTask, outputOf, sayStep, stepOf, ToyAgent } from './toy-extension';

/** Goes on until a signal ends it; says what it receives. */
const patient = `
  const stay = setInterval(() => {}, 1e6);
  const listen = (signal, then) => process.on(signal, () => { console.log('got ' + signal); then && then(); });`;
const endsOn = (signal: string) =>
  `${patient} listen('SIGINT'${signal === 'SIGINT' ? ', () => clearInterval(stay)' : ''}); listen('SIGTERM'${signal === 'SIGTERM' ? ', () => clearInterval(stay)' : ''}); console.log('ready');`;

describe('Ending a run early', () => {
  let agent: ToyAgent;
  before(() => {
    agent = new ToyAgent([jsTask, { ...jsTask, name: 'WithPost', postJob: "console.log('cleaned up')" }]);
  });
  after(() => agent.remove());
  afterEach(() => sinon.restore());

  /** Runs steps and cancels the run when one of them says that it is ready. */
  function cancelWhenReady(steps: string, variables: Record<string, string> = {}): Promise<PipelineRecord> {
    const cancel = new AbortController();
    return agent.runSteps(`steps:\n${steps}`, {
      variables,
      signal: cancel.signal,
      onLine: (line) => {
        if (line === 'ready') cancel.abort();
      },
    });
  }

  it('sends SIGINT to the task that runs, and then runs only what wants to run', async () => {
    const run = await cancelWhenReady(
      jsStep(endsOn('SIGINT'), { name: 'a' }).replace('Js@1', 'WithPost@1') +
        sayStep(['normal'], { name: 'b' }) +
        sayStep(['failed'], { name: 'c', condition: 'failed()' }) +
        sayStep(['always $(agent.jobStatus)'], { name: 'd', condition: 'always()' }) +
        sayStep(['canceled'], { name: 'e', condition: 'canceled()' }),
    );
    assert.equal(run.result, 'Canceled');
    assert.deepEqual(outputOf(stepOf(run, 'a')), [
      'ready',
      '##[error]The Operation will be canceled. The next steps may not contain expected logs.',
      'got SIGINT',
      '##[error]The operation was canceled.',
    ]);
    assert.deepEqual(
      run.jobs[0]!.steps.map((step) => [
        step.displayName === 'CmdLine' ? step.name : step.displayName,
        step.result,
      ]),
      [
        ['Checkout', 'Succeeded'],
        ['WithPost', 'Canceled'],
        ['b', 'Skipped'],
        ['c', 'Skipped'],
        ['d', 'Succeeded'],
        ['e', 'Succeeded'],
        ['Post-job: WithPost', 'Succeeded'],
      ],
    );
    assert.deepEqual(outputOf(stepOf(run, 'd')), ['always Canceled']);
    assert.deepEqual(outputOf(stepOf(run, 'Post-job: WithPost')), ['cleaned up']);
  });

  it('sends SIGTERM to a task that SIGINT has not ended in time', async () => {
    const run = await cancelWhenReady(jsStep(endsOn('SIGTERM'), { name: 'a' }), {
      PROCESS_SIGINT_TIMEOUT: '20',
    });
    assert.deepEqual(
      outputOf(stepOf(run, 'a')).filter((line) => line.startsWith('got')),
      ['got SIGINT', 'got SIGTERM'],
    );
    assert.equal(stepOf(run, 'a').result, 'Canceled');
  });

  it('kills a task that no signal has ended', async () => {
    const run = await cancelWhenReady(jsStep(endsOn('nothing'), { name: 'a' }), {
      PROCESS_SIGINT_TIMEOUT: '20',
      PROCESS_SIGTERM_TIMEOUT: '20',
    });
    assert.equal(stepOf(run, 'a').exitCode, 137);
    assert.equal(stepOf(run, 'a').result, 'Canceled');
  });

  it('lets a step go on whose condition still holds', async () => {
    const run = await cancelWhenReady(
      jsStep(
        "process.on('SIGINT', () => console.log('got SIGINT')); console.log('ready'); setImmediate(() => console.log('end'))",
        {
          name: 'a',
          condition: 'always()',
        },
      ),
    );
    assert.deepEqual(outputOf(stepOf(run, 'a')), ['ready', 'end']);
    assert.equal(stepOf(run, 'a').result, 'Succeeded');
    assert.equal(run.result, 'Canceled');
  });

  it('runs nothing of a run that was canceled before it began', async () => {
    const run = await agent.runSteps(`steps:\n${sayStep(['a'])}`, { signal: AbortSignal.abort() });
    assert.equal(run.result, 'Canceled');
    assert.deepEqual(run.jobs[0]!.steps, []);
  });

  describe('leaves no process behind:', () => {
    let server: Server;
    let sockets: Promise<Socket>;
    beforeEach(async () => {
      server = createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      sockets = once(server, 'connection').then(([socket]) => socket);
    });
    afterEach(() => server.close());

    /** Starts a child that connects to the test and stays, whatever signal it gets. */
    const startChild = `
      const code = "const socket = require('net').connect(" + process.env.PORT + ", '127.0.0.1'); socket.write('hello');"
        + "process.on('SIGINT', () => socket.write(' SIGINT')); process.on('SIGTERM', () => socket.write(' SIGTERM')); socket.on('data', () => process.send && process.send('seen'))";
      const child = require('child_process').spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });`;

    it('children of a canceled task get no signal of their own, and are killed when the job ends', async () => {
      const received = sockets.then(async (socket) => {
        let text = '';
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.on('error', () => {});
        socket.write('welcome');
        await once(socket, 'close');
        return text;
      });
      const run = await cancelWhenReady(
        jsStep(
          `${startChild} ${patient} listen('SIGINT', () => process.exit(0)); child.on('message', () => console.log('ready'))`,
          {
            name: 'a',
            env: { PORT: String((server.address() as AddressInfo).port) },
          },
        ),
      );
      assert.equal(await received, 'hello');
      assert.match(run.jobs[0]!.finalize!.log.join('\n'), /Killed node \(\d+\), which was left running/);
    });
  });

  describe('by a time limit', () => {
    let clock: sinon.SinonFakeTimers;
    beforeEach(() => {
      clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    });
    afterEach(() => clock.restore());

    /** Lets the time pass once the line is there; what waits for it begins to wait right after the line. */
    const passWhen = (line: string | RegExp, milliseconds: number) => (text: string) => {
      if (typeof line === 'string' ? text === line : line.test(text))
        setImmediate(() => clock.tick(milliseconds));
    };

    it('fails a step that takes longer than its timeout, and goes on', async () => {
      const run = await agent.runSteps(
        `steps:\n${jsStep(endsOn('SIGINT'), { name: 'a', timeoutInMinutes: 2, continueOnError: true })}${sayStep(['next'], { name: 'b' })}`,
        { onLine: passWhen('ready', 120_000) },
      );
      assert.deepEqual(stepOf(run, 'a').issues, [{ type: 'error', message: 'The task has timed out.' }]);
      assert.equal(stepOf(run, 'a').result, 'SucceededWithIssues');
      assert.equal(stepOf(run, 'b').result, 'Succeeded');
      assert.equal(run.result, 'SucceededWithIssues');
    });

    it('cancels a job that takes longer than its timeout', async () => {
      const run = await agent.runSteps(
        `jobs:\n- job: slow\n  timeoutInMinutes: 3\n  steps:\n  ${jsStep(endsOn('SIGINT'), { name: 'a' })}  ${sayStep(['next'], { name: 'b' })}`,
        { onLine: passWhen('ready', 180_000) },
      );
      assert.equal(run.result, 'Canceled');
      assert.deepEqual(
        ['a', 'b'].map((name) => stepOf(run, name).result),
        ['Canceled', 'Skipped'],
      );
      assert.match(run.jobs[0]!.finalize!.issues[0]!.message, /longer than the maximum time of 3 minutes/);
    });

    it('goes on without a task that has declared itself done', async () => {
      const run = await agent.runSteps(
        `steps:\n${jsStep(`${patient} console.log('##vso[task.complete result=SucceededWithIssues;done=true]'); console.log('ready')`, { name: 'a' })}`,
        { onLine: passWhen('ready', 5_000) },
      );
      assert.equal(stepOf(run, 'a').result, 'SucceededWithIssues');
      assert.match(run.jobs[0]!.finalize!.log.join('\n'), /Killed node/);
    });

    it('waits five seconds for a child that keeps the output of its task open, and no longer', async () => {
      const code =
        "require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'inherit' }).unref(); console.log('bye')";
      const run = await agent.runSteps(`steps:\n${jsStep(code, { name: 'a' })}`, {
        onLine: (line) => {
          // The job's own time limit and the log's next write are timers too; the wait for the streams is the third.
          const pass = () => (clock.countTimers() > 2 ? clock.tick(5_000) : setImmediate(pass));
          if (line === 'bye') pass();
        },
      });
      assert.equal(stepOf(run, 'a').result, 'Succeeded');
    });

    it('repeats a step that fails as often as it may, after a while', async () => {
      const counter = (limit: number) => `
        const fs = require('fs'); const file = process.env.AGENT_TEMPDIRECTORY + '/count'; fs.appendFileSync(file, '.');
        const count = fs.readFileSync(file).length; console.log('try ' + count);
        if (count === 1) process.exit(9);
        if (count <= ${limit}) console.log('##vso[task.complete result=Failed]');`;
      const waits: number[] = [];
      const onLine = (line: string) => {
        const wait = /after (\d+) ms/.exec(line)?.[1];
        if (!wait) return;
        waits.push(Number(wait));
        setImmediate(() => clock.tick(Number(wait)));
      };
      const good = await agent.runSteps(
        `steps:\n${jsStep(counter(2), { name: 'a', retryCountOnTaskFailure: 2 })}`,
        { onLine },
      );
      assert.equal(stepOf(good, 'a').result, 'Succeeded');
      assert.deepEqual(outputOf(stepOf(good, 'a')), ['try 3']);
      assert.deepEqual(waits, [1000, 4000]);
      const bad = await agent.runSteps(
        `steps:\n${jsStep(counter(9), { name: 'a', retryCountOnTaskFailure: 1 })}`,
        { onLine },
      );
      assert.equal(stepOf(bad, 'a').result, 'Failed');
    });
  });
});
