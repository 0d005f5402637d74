import assert from 'node:assert/strict';
import { timeline } from '../../../tasks/DatabricksRunJob/timeline';

describe('the timeline of tasks', () => {
  const span = (startedAt: number, endedAt: number) => ({ startedAt, endedAt });

  it('shows all on one scale', () => {
    assert.deepEqual(timeline([span(1_000, 1_600), span(1_600, 2_200)]), [
      `${'█'.repeat(12)}${'·'.repeat(12)}`,
      `${'·'.repeat(12)}${'█'.repeat(12)}`,
    ]);
  });

  it('shows the shortest, and leaves out what did not run', () => {
    const [, last, never] = timeline([span(1_000, 100_000), span(100_000, 100_000), span(0, 0)]);
    assert.equal(last, `${'·'.repeat(23)}█`);
    assert.equal(never, '');
  });

  it('is empty when nothing ran', () => {
    assert.deepEqual(timeline([span(0, 0)]), ['']);
  });
});
