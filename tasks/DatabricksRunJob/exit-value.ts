import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isObject, parseJson, parseJsonVerbatim, writeJson } from '../common/databricks/json';
import { defuse, stripControls } from '../common/foreign-text';
import type { TaskContext } from '../common/task';
import { enumerate } from '../common/text';

/** Characters of an output variable: later steps get it in their environment, where Windows allows 32,767. */
const LONGEST_OUTPUT = 32_000;

/** Members of an exit value that become outputs of their own. */
const MOST_FIELDS = 100;

/** Characters of all these outputs: every later step of the job has them in its environment, whose size is limited. */
const LONGEST_FIELDS = 64_000;

/** Names that a line lists. */
const MOST_NAMES = 20;

/**
 * Hands what the notebook returned to later steps: as a variable, each member of a JSON object as one more, and as a
 * file when it is too large for a variable.
 *
 * @param isTruncated whether Databricks kept only the beginning of it
 */
export function publishExitValue(
  exitValue: string,
  isTruncated: boolean,
  { setOutput, log, tempFolder }: Pick<TaskContext, 'setOutput' | 'log' | 'tempFolder'>,
): void {
  const value = harmless(exitValue);
  const isCut = value.length > LONGEST_OUTPUT;
  setOutput('notebookOutput', value.slice(0, LONGEST_OUTPUT));
  setOutput('notebookOutputTruncated', isTruncated || isCut);
  if (isCut) {
    const file = join(tempFolder, 'notebook-output.txt');
    writeFileSync(file, exitValue);
    setOutput('notebookOutputFile', file);
    log.warning(
      `Output 'notebookOutput' holds the first ${LONGEST_OUTPUT} characters only. All of it is in the file that output ` +
        "'notebookOutputFile' names, for the later steps of this job.",
    );
  }
  const unfit: string[] = [];
  // To agents, names of variables that differ in case are one.
  const taken = new Set<string>();
  let room = LONGEST_FIELDS;
  for (const [name, field] of fieldsOf(exitValue)) {
    const text = harmless(field);
    const isFit = isOutputName(name) && !taken.has(name.toLowerCase()) && taken.size < MOST_FIELDS;
    if (isFit && text.length <= Math.min(LONGEST_OUTPUT, room)) {
      setOutput(`notebookOutput.${name}`, text);
      taken.add(name.toLowerCase());
      room -= text.length;
    } else unfit.push(name);
  }
  if (unfit.length > 0) {
    log.warning(
      `No output was made of these members of the exit value, for their name, length or number: ${enumerate(unfit, MOST_NAMES)}.`,
    );
  }
}

/** The members of a JSON object as texts: plain values as they were written, others as JSON. */
export function fieldsOf(exitValue: string): [name: string, value: string][] {
  if (!/^\s*\{/.test(exitValue)) return [];
  try {
    const plain = parseJsonVerbatim(exitValue);
    const exact = parseJson(exitValue);
    if (!isObject(plain) || !isObject(exact)) return [];
    return Object.entries(plain).map(([name, value]) => {
      const isPlain = typeof value !== 'object' || value === null;
      return [name, isPlain ? String(value ?? '') : writeJson(exact[name])];
    });
  } catch {
    return [];
  }
}

function isOutputName(name: string): boolean {
  return /^\w[\w.-]{0,99}$/.test(name);
}

/** Steps that print a variable must not hand the notebook's commands to the agent. */
function harmless(text: string): string {
  return defuse(stripControls(text));
}
