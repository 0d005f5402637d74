import assert from 'node:assert/strict';
import { readPipelineText } from '../../../../local/agent/pipeline/pipeline';
import type { PipelinePlan, StepPlan, VariableDeclaration } from '../../../../local/agent/pipeline/plan';
import { byCategory, readVectors, titleOf, type Vector } from './vectors';

/** YAML, and the plan that comes of it, or why it is refused. */
interface PlanVector extends Vector {
  readonly yaml: string;
  readonly files?: Record<string, string>;
  readonly parameters?: Record<string, unknown>;
  /** Variables set when queueing. */
  readonly queue?: Record<string, string>;
  readonly expect: { readonly refuse: string; readonly line?: false } | Record<string, unknown>;
  /** Azure takes it, but an agent may refuse it. */
  readonly expectRefuseOk?: true;
}

const KNOWN = { 'Build.SourceBranch': 'refs/heads/main', 'Build.Reason': 'Manual' };

function read({ yaml, files = {}, parameters = {}, queue = {} }: PlanVector): PipelinePlan {
  return readPipelineText(yaml, {
    file: 'pipe.yml',
    readFile: (file) => files[file],
    parameters,
    queueTimeVariables: queue,
    knownVariables: KNOWN,
  });
}

/** The parts of a plan that vectors look at. */
function partsOf(plan: PipelinePlan): Record<string, unknown> {
  const all = plan.jobs.flatMap((job) => job.steps);
  const steps = all.filter((step) => step.kind !== 'checkout');
  return {
    variables: texts(plan.variables),
    steps: steps.map(contentOf),
    env: all.flatMap((step) => (step.kind === 'script' ? [step.env] : [])),
    names: all.map((step) => step.name),
    cond: steps.map((step) => step.condition ?? null),
    dn: steps.map((step) => step.displayName),
    jobNames: plan.jobs.map((job) => job.name),
    jobCond: plan.jobs.map((job) => job.condition ?? null),
  };
}

function contentOf(step: StepPlan): unknown {
  if (step.kind === 'script') return step.script;
  return step.kind === 'task' ? { task: step.task, inputs: step.inputs } : undefined;
}

function texts(declarations: readonly VariableDeclaration[]): Record<string, string> {
  return Object.fromEntries(declarations.flatMap((one) => ('name' in one ? [[one.name, one.value]] : [])));
}

describe('YAML becomes the plan that the server makes of it', () => {
  for (const [category, vectors] of byCategory(readVectors<PlanVector>('plan.json'))) {
    describe(category, () => {
      for (const vector of vectors) it(titleOf(vector), () => check(vector));
    });
  }
});

function check(vector: PlanVector): void {
  const { expect } = vector;
  if ('refuse' in expect) {
    assert.throws(
      () => read(vector),
      (error: Error) => {
        assert.equal(error.name, 'PipelineError');
        assert.match(error.message, new RegExp(expect.refuse as string, 'is'));
        if (expect.line !== false) assert.match(error.message, /:\d+: /);
        return true;
      },
    );
    return;
  }
  try {
    const parts = partsOf(read(vector));
    for (const [name, wanted] of Object.entries(expect)) assert.deepEqual(parts[name], wanted, name);
  } catch (error) {
    if (!vector.expectRefuseOk || (error as Error).name !== 'PipelineError') throw error;
  }
}
