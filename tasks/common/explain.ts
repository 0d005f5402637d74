/** An error text that people meet, and what to tell them: what it means and what to do next. */
export interface Signature<Context = void> {
  readonly pattern: RegExp;
  readonly explain: (match: RegExpExecArray, context: Context) => string;
}

/** The explanation of the first signature that a text matches. */
export function explainBy<Context>(
  signatures: readonly Signature<Context>[],
  text: string,
  context: Context,
): string | undefined {
  for (const { pattern, explain } of signatures) {
    const match = pattern.exec(text);
    if (match) return explain(match, context);
  }
  return undefined;
}
