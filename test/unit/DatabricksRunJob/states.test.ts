import assert from 'node:assert/strict';
import { hasFailed, readState, type WireState } from '../../../tasks/DatabricksRunJob/databricks/states';

/** What the service says, and what is made of it; `going on` is not over. */
const CASES: [title: string, wire: WireState, verdict: string, name: string][] = [
  ['waits in the queue', { state: { life_cycle_state: 'QUEUED' } }, 'going on', 'QUEUED'],
  ['is pending', { state: { life_cycle_state: 'PENDING' } }, 'going on', 'PENDING'],
  ['is running', { state: { life_cycle_state: 'RUNNING' } }, 'going on', 'RUNNING'],
  ['is blocked', { state: { life_cycle_state: 'BLOCKED' } }, 'going on', 'BLOCKED'],
  [
    'waits to be tried again',
    { state: { life_cycle_state: 'WAITING_FOR_RETRY' } },
    'going on',
    'WAITING_FOR_RETRY',
  ],
  [
    'is terminating',
    { state: { life_cycle_state: 'TERMINATING', result_state: 'FAILED' } },
    'going on',
    'TERMINATING',
  ],
  ['has a state of tomorrow', { state: { life_cycle_state: 'FROBBING' } }, 'going on', 'FROBBING'],
  ['has no state yet', {}, 'going on', 'WAITING'],
  ['has only the new status, and runs', { status: { state: 'RUNNING' } }, 'going on', 'RUNNING'],
  ['has no state yet', { state: null, status: null }, 'going on', 'WAITING'],
  [
    'is over in a state of tomorrow',
    {
      state: { life_cycle_state: 'FROBBED' },
      status: { state: 'TERMINATED', termination_details: { code: 'SUCCESS' } },
    },
    'success',
    'SUCCESS',
  ],
  ['succeeded', { state: { life_cycle_state: 'TERMINATED', result_state: 'SUCCESS' } }, 'success', 'SUCCESS'],
  [
    'succeeded, by its new status only',
    { status: { state: 'TERMINATED', termination_details: { code: 'SUCCESS', type: 'SUCCESS' } } },
    'success',
    'SUCCESS',
  ],
  [
    'succeeded with failures',
    { state: { life_cycle_state: 'TERMINATED', result_state: 'SUCCESS_WITH_FAILURES' } },
    'partial',
    'SUCCESS_WITH_FAILURES',
  ],
  [
    'failed on classic compute',
    { state: { life_cycle_state: 'TERMINATED', result_state: 'FAILED' } },
    'failure',
    'FAILED',
  ],
  [
    'failed on serverless compute, as an internal error',
    {
      state: { life_cycle_state: 'INTERNAL_ERROR', result_state: 'FAILED' },
      status: { state: 'TERMINATED', termination_details: { code: 'RUN_EXECUTION_ERROR' } },
    },
    'failure',
    'FAILED',
  ],
  [
    'ended as an internal error without a result',
    { state: { life_cycle_state: 'INTERNAL_ERROR' } },
    'failure',
    'INTERNAL_ERROR',
  ],
  ['was skipped without a result', { state: { life_cycle_state: 'SKIPPED' } }, 'failure', 'SKIPPED'],
  [
    'was skipped for the limit of concurrent runs',
    {
      state: { life_cycle_state: 'SKIPPED' },
      status: { state: 'TERMINATED', termination_details: { code: 'MAX_CONCURRENT_RUNS_EXCEEDED' } },
    },
    'failure',
    'MAX_CONCURRENT_RUNS_EXCEEDED',
  ],
  ['was terminated without a result', { state: { life_cycle_state: 'TERMINATED' } }, 'failure', 'TERMINATED'],
  [
    'was cancelled',
    { state: { life_cycle_state: 'TERMINATED', result_state: 'CANCELED' } },
    'failure',
    'CANCELED',
  ],
  [
    'ran out of time',
    { state: { life_cycle_state: 'TERMINATED', result_state: 'TIMEDOUT' } },
    'failure',
    'TIMEDOUT',
  ],
];

describe('the state of a run', () => {
  for (const [title, wire, verdict, name] of CASES) {
    it(`that ${title} is ${name}, ${verdict}`, () => {
      const state = readState(wire);
      assert.equal(state.isOver, verdict !== 'going on');
      assert.equal(state.verdict ?? 'going on', verdict);
      assert.equal(state.name, name);
    });
  }

  it('tells why it waits, and why it ended, the most exact reason first', () => {
    const waiting = readState({
      state: { life_cycle_state: 'QUEUED', state_message: 'Queued' },
      status: {
        state: 'QUEUED',
        queue_details: { code: 'ACTIVE_RUNS_LIMIT_REACHED', message: 'Too many runs' },
      },
    });
    assert.equal(waiting.messages[0], 'Too many runs');
    const failed = readState({
      state: {
        life_cycle_state: 'INTERNAL_ERROR',
        result_state: 'FAILED',
        state_message: 'Task main failed',
      },
      status: {
        state: 'TERMINATED',
        termination_details: { code: 'CLUSTER_ERROR', message: 'No machines left' },
      },
    });
    assert.equal(failed.messages[0], 'No machines left');
  });

  it('of a task that others kept from running is not a failure of its own', () => {
    for (const result of ['UPSTREAM_FAILED', 'UPSTREAM_CANCELED', 'EXCLUDED', 'DISABLED']) {
      assert.ok(
        !hasFailed(readState({ state: { life_cycle_state: 'TERMINATED', result_state: result } })),
        result,
      );
    }
    assert.ok(hasFailed(readState({ state: { life_cycle_state: 'TERMINATED', result_state: 'FAILED' } })));
    assert.ok(hasFailed(readState({ state: { life_cycle_state: 'INTERNAL_ERROR' } })));
    assert.ok(!hasFailed(readState({ state: { life_cycle_state: 'RUNNING' } })));
  });
});
