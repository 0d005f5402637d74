import assert from 'node:assert/strict';
import { ConnectionError, type HttpAnswer } from '../../../tasks/common/http';
import { pollInterval, RunFollower, RunGoneError } from '../../../tasks/DatabricksRunJob/follow';
import {
  answer,
  clientOf,
  collectLog,
  FakeClock,
  FakeDatabricks,
  failure,
  type Handler,
  inTurn,
} from './support';

const STARTED = { id: '77', page: 'https://example.org/jobs/5/runs/77' };

const going = (state: string, more: object = {}) => ({
  run_id: 77,
  state: { life_cycle_state: state },
  ...more,
});
const done = { run_id: 77, state: { life_cycle_state: 'TERMINATED', result_state: 'SUCCESS' } };

function follow(looks: Handler, deadline = Number.POSITIVE_INFINITY, cancel = new AbortController()) {
  const { log, lines, text } = collectLog();
  const fake = new FakeDatabricks().on('GET runs/get', looks);
  const clock = new FakeClock();
  const client = clientOf(fake, log, cancel.signal);
  const follower = new RunFollower(STARTED, client, log, cancel.signal, clock);
  return { run: follower.until(deadline), follower, fake, clock, lines, text };
}

describe('following a run', () => {
  it('looks after two seconds or less at first, and so often in the end that a step ends 15 seconds after its run', () => {
    assert.equal(pollInterval(0), 1_900);
    // A run of up to a minute is seen to end a second and a half later, as a rule.
    for (const elapsed of [10_000, 30_000, 60_000]) assert.ok(pollInterval(elapsed) < 3_000);
    assert.equal(pollInterval(3_600_000), 14_000);
  });

  it('looks no more than every other second on average in the first minute', async () => {
    let looks = 0;
    const { run, clock } = follow(() => (++looks && clock.now() < 60_000 ? going('RUNNING') : done));
    await run;
    assert.ok(looks <= 31, `${looks} looks`);
  });

  it('logs one line for each change of the run and of its tasks, and none else', async () => {
    const task = (state: string) => ({ run_id: 1, task_key: 'train', state: { life_cycle_state: state } });
    const queued = {
      run_id: 77,
      state: { life_cycle_state: 'QUEUED' },
      status: { state: 'QUEUED', queue_details: { message: 'The job has one run already' } },
    };
    const { run, lines } = follow(
      inTurn(
        going('PENDING', { tasks: [task('PENDING')] }),
        queued,
        queued,
        going('RUNNING', { tasks: [task('PENDING')] }),
        going('RUNNING', { tasks: [task('RUNNING')] }),
        going('RUNNING', { tasks: [task('RUNNING')] }),
        { ...done, tasks: [{ ...task(''), state: done.state }] },
      ),
    );
    await run;
    assert.deepEqual(lines, [
      'Run: PENDING',
      'Task train: PENDING',
      'Run: PENDING → QUEUED: The job has one run already',
      'Run: QUEUED → RUNNING',
      'Task train: PENDING → RUNNING',
      'Run: RUNNING → SUCCESS',
      'Task train: RUNNING → SUCCESS',
    ]);
  });

  it('counts the tasks of a large run at first, and then logs their changes', async () => {
    const task = (index: number, state: string) => ({
      run_id: index,
      task_key: `t${index}`,
      state: { life_cycle_state: state },
    });
    const tasks = (first: string) =>
      Array.from({ length: 120 }, (_, index) => task(index, index === 0 ? first : 'BLOCKED'));
    const { run, lines } = follow(
      inTurn(
        going('RUNNING', { tasks: tasks('PENDING') }),
        going('RUNNING', { tasks: tasks('RUNNING') }),
        done,
      ),
    );
    await run;
    assert.deepEqual(lines, [
      'Run: RUNNING',
      '120 tasks: 1 PENDING, 119 BLOCKED',
      'Task t0: PENDING → RUNNING',
      'Run: RUNNING → SUCCESS',
    ]);
  });

  it('waits through states that it does not know, and through none at all', async () => {
    const { run, lines } = follow(inTurn({ run_id: 77 }, going('FROBBING'), done));
    assert.equal((await run)?.state.name, 'SUCCESS');
    assert.deepEqual(lines, ['Run: WAITING', 'Run: WAITING → FROBBING', 'Run: FROBBING → SUCCESS']);
  });

  it('says every few minutes that the run goes on', async () => {
    const { run, clock, lines } = follow(() => (clock.now() < 10 * 60_000 ? going('RUNNING') : done));
    await run;
    const beats = lines.filter((line) => /still RUNNING, after \d+ min/.test(line));
    assert.equal(beats.length, 3);
  });

  it('sees all tasks of a run of more than a hundred, and the last attempt of each', async () => {
    const task = (key: string, attempt: number, result: string) => ({
      run_id: `${key}${attempt}`,
      task_key: key,
      attempt_number: attempt,
      state: { life_cycle_state: 'TERMINATED', result_state: result },
    });
    const first = Array.from({ length: 100 }, (_, index) => task(`t${index}`, 0, 'SUCCESS'));
    const { run } = follow(({ query }) =>
      query.page_token
        ? { ...done, tasks: [task('late', 1, 'SUCCESS'), task('late', 0, 'FAILED')] }
        : { ...done, tasks: first, next_page_token: 'more' },
    );
    const tasks = (await run)!.tasks;
    assert.equal(tasks.length, 101);
    const late = tasks.find(({ key }) => key === 'late');
    assert.deepEqual([late?.id, late?.attempt, late?.state.name], ['late1', 2, 'SUCCESS']);
  });

  const outages: [title: string, look: Handler][] = [
    ['429s', () => failure(429, 'REQUEST_LIMIT_EXCEEDED', 'Slow down')],
    ['503s', () => failure(503, 'TEMPORARILY_UNAVAILABLE', 'Later')],
    ['gateway pages', () => answer(502, '<html><title>Bad gateway</title></html>')],
    ['pages with status 200', () => answer(200, '<html>Maintenance</html>')],
    ['empty answers', () => answer(200, '')],
    [
      'broken connections',
      () => {
        throw new ConnectionError('No connection to adb-1: ECONNRESET.');
      },
    ],
  ];
  for (const [title, look] of outages) {
    it(`survives ten minutes of ${title}`, async () => {
      const { run, clock, lines } = follow((received) => {
        if (clock.now() < 1_000) return going('RUNNING');
        return clock.now() < 601_000 ? look(received) : done;
      });
      assert.equal((await run)?.state.name, 'SUCCESS');
      assert.match(lines[1]!, /The run goes on meanwhile/);
      assert.match(lines.join('\n'), /not shown the run for \d+ min/);
      assert.match(lines.at(-2)!, /answers again, after \d+ failed looks in 10 min/);
      assert.ok(lines.length < 10, lines.join('\n'));
    });
  }

  it('gives up after a quarter of an hour without an answer, and says where the run is', async () => {
    const { run, clock } = follow(() => failure(503, '', 'Later'));
    await assert.rejects(
      run,
      /Lost sight of the run.*15 min.*Run 77 may be going on: https:.*\/runs\/77.*Later/,
    );
    assert.ok(clock.now() >= 15 * 60_000);
  });

  it('does not take the end before a repair for the new one, through an outage either', async () => {
    const before = {
      ...done,
      state: { life_cycle_state: 'TERMINATED', result_state: 'FAILED' },
      end_time: 5,
    };
    const outage = () => failure(503, 'TEMPORARILY_UNAVAILABLE', 'Later');
    const { run, follower, fake, clock } = follow(() => before);
    const old = await run;
    const since = clock.now();
    fake.on('GET runs/get', () => {
      if (clock.now() < since + 5_000) return before;
      return clock.now() < since + 120_000 ? outage() : { ...done, end_time: 9 };
    });
    assert.equal((await follower.until(Number.POSITIVE_INFINITY, old))?.state.name, 'SUCCESS');
  });

  it('leaves the service alone as long as it asks for', async () => {
    const { run, clock } = follow(inTurn(answer(429, '', { 'retry-after': '40' }), done));
    await run;
    assert.deepEqual(clock.waits, [40_000]);
  });

  it('ends at once when the run may not be seen, and says where it is', async () => {
    const { run, fake } = follow(() => failure(403, 'PERMISSION_DENIED', 'No view'));
    await assert.rejects(
      run,
      /may not look at run 77.*'Can View' on the job.*Run 77 may be going on: https:/,
    );
    assert.equal(fake.received.length, 1);
  });

  const refusals: [title: string, refusal: HttpAnswer][] = [
    ['a permission that is gone', failure(403, 'PERMISSION_DENIED', 'No view')],
    ['a firewall', failure(403, '', 'Source IP address: 1.2.3.4 is blocked by Databricks IP ACL')],
    ['a token that is not accepted', failure(401, '', 'Bad token')],
    ['a login page', answer(302, '', { location: '/login.html' })],
    ['an answer that nobody expects', failure(400, 'INVALID_STATE', 'No')],
  ];
  for (const [title, refusal] of refusals) {
    it(`survives four minutes of ${title} once the run was seen, and no more than five`, async () => {
      const { run, clock, lines } = follow(() => {
        if (clock.now() < 1_000) return going('RUNNING');
        return clock.now() < 240_000 ? refusal : done;
      });
      assert.equal((await run)?.state.name, 'SUCCESS');
      assert.ok(lines.length < 7, lines.join('\n'));
      const lost = follow(inTurn(going('RUNNING'), refusal));
      await assert.rejects(lost.run, /has not shown it for 5 min.*Run 77 may be going on: https:/);
    });
  }

  const outage = failure(503, 'TEMPORARILY_UNAVAILABLE', 'Later');
  const noView = failure(403, 'PERMISSION_DENIED', 'No view');
  for (const [title, first, then] of [
    ['an outage that begins with a refusal', noView, outage],
    ['an outage that ends with a refusal', outage, noView],
  ] as const) {
    it(`has the patience of an outage with ${title}`, async () => {
      const { run, clock } = follow(() => {
        if (clock.now() < 1_000) return going('RUNNING');
        const turn = first === noView ? 30_000 : 570_000;
        if (clock.now() < turn) return first;
        return clock.now() < 600_000 ? then : done;
      });
      assert.equal((await run)?.state.name, 'SUCCESS');
    });
  }

  const unknown: [title: string, unknown: HttpAnswer][] = [
    ['400', failure(400, 'INVALID_PARAMETER_VALUE', 'Run 77 does not exist.')],
    ['404 with a code', failure(404, 'RESOURCE_DOES_NOT_EXIST', 'Run 77 does not exist.')],
    ['404 without one', answer(404, { message: 'Not found' })],
  ];
  for (const [title, reply] of unknown) {
    it(`gives a run that has just been started some seconds to be known (${title})`, async () => {
      const { run, lines } = follow(inTurn(reply, reply, done));
      assert.equal((await run)?.state.name, 'SUCCESS');
      assert.deepEqual(lines, ['Run: SUCCESS']);
      const never = follow(() => reply);
      await assert.rejects(never.run, (error) => {
        assert.ok(error instanceof RunGoneError && !error.wasSeen);
        assert.doesNotMatch(error.message, /may be going on/);
        return true;
      });
      assert.ok(never.clock.now() < 20_000);
    });

    it(`says of a run that was there that it was deleted (${title})`, async () => {
      const { run } = follow(inTurn(going('RUNNING'), reply));
      await assert.rejects(run, { message: 'Run 77 was deleted in Databricks while the step followed it.' });
    });
  }

  for (const [title, look] of [
    ['{}', {}],
    ['a state that is not known', going('FROBBING')],
    ['tasks that are no list', { ...going(''), tasks: 'none' }],
    ['a state that is no object', { run_id: 77, state: 'RUNNING' }],
  ] as const) {
    it(`says after ten minutes that ${title} makes no sense, and gives up after half an hour`, async () => {
      const { run, clock, lines } = follow(() => look);
      await assert.rejects(run, /For 30 min.*nothing of run 77 that makes sense.*may be going on: https:/);
      const warnings = lines.filter((line) => line.includes('warning'));
      assert.match(warnings.join('\n'), /For 10 min[^\n]*$/);
      assert.equal(warnings.length, 1);
      assert.ok(clock.now() < 31 * 60_000);
    });
  }

  it('follows a run that waits for hours, whichever of its two states tells it', async () => {
    for (const waiting of [going('QUEUED'), { run_id: 77, state: {}, status: { state: 'QUEUED' } }]) {
      const { run, clock } = follow(() => (clock.now() < 3 * 3_600_000 ? waiting : done));
      assert.equal((await run)?.state.name, 'SUCCESS');
    }
  });

  it('stops at its deadline with the run as it is, and goes on from there without repeating itself', async () => {
    const { run, follower, clock, lines } = follow(
      () => (clock.now() < 70_000 ? going('RUNNING') : done),
      60_000,
    );
    assert.equal((await run)?.state.name, 'RUNNING');
    assert.equal(clock.now(), 60_000);
    assert.equal((await follower.until(90_000))?.state.name, 'SUCCESS');
    assert.deepEqual(lines, ['Run: RUNNING', 'Run: RUNNING → SUCCESS']);
  });

  it('ends with the step', async () => {
    const cancel = new AbortController();
    const { run } = follow(
      () => {
        cancel.abort();
        return going('RUNNING');
      },
      Number.POSITIVE_INFINITY,
      cancel,
    );
    await assert.rejects(run, { name: 'CancelledError' });
  });
});
