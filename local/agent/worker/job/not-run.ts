import { DEFAULT_STAGE, type JobPlan } from '../../pipeline/plan';
import type { JobRecord, TaskResult } from '../../types';
import type { Run } from '../context/job-context';
import type { JobOutcome } from './outcomes';

/** The beginning of what is remembered of a job. */
export function newJobRecord(plan: JobPlan, result: TaskResult): JobRecord {
  const now = Date.now();
  return {
    name: plan.name,
    displayName: plan.displayName,
    ...(plan.stage !== DEFAULT_STAGE && { stage: plan.stage }),
    result,
    startTime: now,
    finishTime: now,
    steps: [],
    outputVariables: {},
  };
}

/** Remembers a job that no agent is given. */
export function leaveOut(plan: JobPlan, result: TaskResult, note: string, run: Run): JobOutcome {
  run.record.jobs.push({ ...newJobRecord(plan, result), note });
  return { name: plan.name, result, outputs: new Map(), secrets: [] };
}
