import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defuse, stripControls } from '../common/foreign-text';
import type { TaskContext } from '../common/task';
import { plural } from '../common/text';
import { isObject, parseJson, parseJsonVerbatim, writeJson } from './databricks/json';

/** Characters of an output variable: later steps get it in their environment, where Windows allows 32,767. */
const LONGEST_OUTPUT = 32_000;

/** Members of an exit value that become outputs of their own. */
const MOST_FIELDS = 100;

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
  for (const [name, field] of fieldsOf(exitValue)) {
    const text = harmless(field);
    if (isOutputName(name) && text.length <= LONGEST_OUTPUT) setOutput(`notebookOutput.${name}`, text);
    else unfit.push(name);
  }
  if (unfit.length > 0) {
    log.info(
      `${plural(unfit.length, 'member')} of it became no output, for its name or length: ${unfit.join(', ')}`,
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
    return Object.entries(plain)
      .slice(0, MOST_FIELDS)
      .map(([name, value]) => {
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
