/** An error text that people meet, and what to tell them: what it means and what to do next. */
export interface Signature<Context = void> {
  readonly pattern: RegExp;
  readonly explain: (match: RegExpExecArray, context: Context) => string;
}

/** Characters of a line, and of each end of a text, that are looked at: patterns may take the square of them. */
const LONGEST_LINE = 2_000;
const LONGEST_END = 8_000;

/** The explanation of the first signature that a text matches. */
export function explainBy<Context>(
  signatures: readonly Signature<Context>[],
  text: string,
  context: Context,
): string | undefined {
  const bounded = boundedLines(text);
  for (const { pattern, explain } of signatures) {
    const match = pattern.exec(bounded);
    if (match) return explain(match, context);
  }
  return undefined;
}

function boundedLines(text: string): string {
  const isLong = text.length > 2 * LONGEST_END;
  const ends = isLong ? `${text.slice(0, LONGEST_END)}\n${text.slice(-LONGEST_END)}` : text;
  return ends
    .split('\n')
    .map((line) => line.slice(0, LONGEST_LINE))
    .join('\n');
}
