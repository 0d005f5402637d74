/*
 * The one way out of this process. The agent obeys a command in any line, whoever wrote it, and many a library prints what
 * it sends, headers and passwords too, when a variable such as DEBUG, NODE_DEBUG or AZURE_LOG_LEVEL is set; pipelines'
 * variables reach tasks as variables of their environment. So whatever does not come from the log goes nowhere. This file
 * is imported before all libraries, since some print as soon as they are loaded.
 */
const write = process.stdout.write.bind(process.stdout);

type Written = (error?: Error | null) => void;

function swallow(_chunk: unknown, encoding?: BufferEncoding | Written, done?: Written): boolean {
  const written = typeof encoding === 'function' ? encoding : done;
  if (written) process.nextTick(written);
  return true;
}

process.stdout.write = swallow;
process.stderr.write = swallow;
// What NODE_DEBUG has Node's own modules print.
(process as unknown as { _rawDebug: () => void })._rawDebug = () => undefined;

/** Writes a line that is fit for the agent, which the log alone makes. */
export function printLine(line: string): void {
  write(`${line}\n`);
}

/** Calls back once everything is written: pipes are not flushed at exit on every platform. */
export function afterOutput(done: () => void): void {
  write('', done);
}
