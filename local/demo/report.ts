import { writeFile } from 'node:fs/promises';
import { relative } from 'node:path';
import type { PipelineRecord, StepRecord } from '../agent/agent';
import { renderPage } from '../agent/page';
import type { Stack } from '../stack';
import { printTable, seconds } from './console';
import type { ExampleModel } from './models';

/** What was done so far, and what came of it. */
export interface Story {
  readonly runs: PipelineRecord[];
  /** Rows of the table at the end. */
  readonly results: [what: string, outcome: string][];
}

/** The page of the runs, for a person to look at. */
export async function writePage(
  file: string,
  { name }: ExampleModel,
  { runs, results }: Story,
  stack: Stack,
): Promise<void> {
  const html = renderPage(runs, {
    title: `The ${name} model, from notebook to image`,
    facts: [
      ...results,
      ['Databricks workspace', stack.workspace.url],
      ['model registry', stack.blobStorage.blobEndpoint],
      ['container registry', stack.registry.loginServer],
    ],
  });
  await writeFile(file, html);
}

/**
 * Prints what was done, what came of it, and what failed.
 *
 * @returns whether all of it went well
 */
export function printEnd({ runs, results }: Story, page: string, milliseconds: number): boolean {
  const steps = runs.flatMap((run) => run.jobs.flatMap((job) => job.steps));
  const rows = steps
    .filter((step) => step.task)
    .map((step) => [step.displayName, step.task!, step.result, seconds(step.finishTime - step.startTime)]);
  console.log();
  printTable([['step', 'task', 'result', 'time'], ...rows]);
  console.log();
  printTable(results);
  const failed = runs.filter((run) => run.result !== 'Succeeded');
  for (const run of failed) console.log(`\n${describeFailure(run, steps)}`);
  const end = failed.length > 0 ? 'It failed after' : 'Done in';
  const where = relative(process.cwd(), page);
  console.log(`\n${end} ${seconds(milliseconds)}. The runs, their logs and summaries: ${where}`);
  return failed.length === 0;
}

function describeFailure(run: PipelineRecord, steps: readonly StepRecord[]): string {
  const step = steps.find(({ result }) => result === 'Failed' || result === 'Canceled');
  const errors = step?.issues.filter(({ type }) => type === 'error').map(({ message }) => message) ?? [];
  return [`${run.file}: ${step?.displayName ?? 'the run'} failed.`, ...errors].join('\n');
}
