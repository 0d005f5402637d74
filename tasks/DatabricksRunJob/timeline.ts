/** Characters of a whole timeline. */
const WIDTH = 24;

interface Span {
  /** Milliseconds since 1970; 0 when it did not begin or end. */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** A bar for each span, all on one scale from the first beginning to the last end: `··████····`. */
export function timeline(spans: readonly Span[]): string[] {
  const real = spans.filter(isReal);
  const first = Math.min(...real.map(({ startedAt }) => startedAt));
  const last = Math.max(...real.map(({ endedAt }) => endedAt));
  const scale = WIDTH / Math.max(last - first, 1);
  return spans.map((span) => {
    if (!isReal(span)) return '';
    const from = Math.min(Math.floor((span.startedAt - first) * scale), WIDTH - 1);
    // The shortest of tasks still shows.
    const to = Math.max(Math.round((span.endedAt - first) * scale), from + 1);
    return '·'.repeat(from) + '█'.repeat(to - from) + '·'.repeat(WIDTH - to);
  });
}

function isReal({ startedAt, endedAt }: Span): boolean {
  return startedAt > 0 && endedAt >= startedAt;
}
