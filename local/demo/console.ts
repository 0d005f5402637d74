/**
 * Says on the console what is being done, and how long it took. What was started is handed over also where the demo was
 * canceled meanwhile: nobody else could stop it.
 *
 * @throws with the signal's reason, where the demo was canceled before
 */
export async function phase<T>(title: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  console.log(`\n▸ ${title}`);
  const start = Date.now();
  const result = await work();
  console.log(`  ${seconds(Date.now() - start)}`);
  return result;
}

/** A line below what is being done. */
export function detail(line: string): void {
  console.log(`  │ ${line}`);
}

export function printTable(rows: readonly (readonly string[])[]): void {
  if (rows.length === 0) return;
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column]!));
    console.log(`  ${cells.join('  ').trimEnd()}`);
  }
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
